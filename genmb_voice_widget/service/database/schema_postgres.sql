-- Rows of these tables are only ever added.

CREATE FUNCTION only_ever_added() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN RAISE EXCEPTION ''rows of % are only ever added'', TG_TABLE_NAME USING ERRCODE = ''restrict_violation''; END';

CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE ON entries
FOR EACH ROW EXECUTE FUNCTION only_ever_added();

CREATE TRIGGER entries_untruncated BEFORE TRUNCATE ON entries
FOR EACH STATEMENT EXECUTE FUNCTION only_ever_added();

CREATE TRIGGER audit_stay BEFORE UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION only_ever_added();

CREATE TRIGGER audit_untruncated BEFORE TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION only_ever_added();
