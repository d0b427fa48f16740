-- Rows of these tables are only ever added. `REPLACE` deletes too, which a trigger sees with recursive_triggers on.

CREATE TRIGGER entries_unchanged BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'entries are only ever added'); END;

CREATE TRIGGER entries_undeleted BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'entries are only ever added'); END;

CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit rows are only ever added'); END;

CREATE TRIGGER audit_undeleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit rows are only ever added'); END;
