-- What the account, the register of apps and the audit keep, in words that SQLite and PostgreSQL both know.
-- Moments are unix seconds. PostgreSQL reads "INTEGER PRIMARY KEY" as a column that numbers itself, as SQLite does.
-- The triggers that let rows only be added are in schema_sqlite.sql and schema_postgres.sql. A statement ends where
-- a line ends in a semicolon.

CREATE TABLE schema_version (version INTEGER NOT NULL);

CREATE TABLE accounts (
  owner TEXT PRIMARY KEY,
  granted BIGINT NOT NULL CHECK (granted >= 0),
  reserved BIGINT NOT NULL CHECK (reserved >= 0),
  captured BIGINT NOT NULL CHECK (captured >= 0),
  CHECK (reserved + captured <= granted)
);

-- `former` is a JSON array of calls that are still to be hung up: [call id, since when it is nobody's].
CREATE TABLE holds (
  session TEXT PRIMARY KEY,
  app TEXT NOT NULL,
  owner TEXT NOT NULL REFERENCES accounts (owner),
  provider TEXT NOT NULL,
  transport TEXT NOT NULL CHECK (transport IN ('webrtc', 'websocket')),
  credits BIGINT NOT NULL CHECK (credits >= 0),
  due DOUBLE PRECISION,
  lasts DOUBLE PRECISION,
  key TEXT,
  call_id TEXT,
  phase TEXT NOT NULL CHECK (phase IN ('reserved', 'live', 'ending', 'over', 'closing', 'released')),
  reason TEXT,
  answered DOUBLE PRECISION,
  began DOUBLE PRECISION,
  ended DOUBLE PRECISION,
  again DOUBLE PRECISION,
  former TEXT NOT NULL,
  CHECK ((ended IS NULL) = (phase IN ('reserved', 'live', 'ending', 'closing'))),
  CHECK ((began IS NULL) = (phase IN ('reserved', 'closing', 'released'))),
  CHECK (due IS NULL OR ended IS NULL)
);
CREATE UNIQUE INDEX holds_key ON holds (app, key) WHERE key IS NOT NULL;
CREATE INDEX holds_due ON holds (coalesce(again, due), session) WHERE coalesce(again, due) IS NOT NULL;
CREATE INDEX holds_standing ON holds (app) WHERE ended IS NULL;

-- Every call that a session has or had.
CREATE TABLE calls (
  provider TEXT NOT NULL,
  call_id TEXT NOT NULL,
  session TEXT NOT NULL REFERENCES holds (session),
  PRIMARY KEY (provider, call_id)
);

CREATE TABLE entries (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('grant', 'reserve', 'capture', 'release')),
  session TEXT REFERENCES holds (session),
  app TEXT,
  owner TEXT NOT NULL REFERENCES accounts (owner),
  credits BIGINT NOT NULL CHECK (credits >= 0),
  at DOUBLE PRECISION NOT NULL,
  UNIQUE (session, kind),
  CHECK ((session IS NULL) = (kind = 'grant'))
);
-- What is reserved is captured or released, and that once.
CREATE UNIQUE INDEX entries_settled ON entries (session) WHERE kind IN ('capture', 'release');

CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  until DOUBLE PRECISION NOT NULL
);

-- `tokens_only` and `revoked` are 0 or 1.
CREATE TABLE apps (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  owner TEXT NOT NULL,
  plan TEXT NOT NULL,
  key_hash TEXT NOT NULL,
  tokens_only INTEGER NOT NULL DEFAULT 0 CHECK (tokens_only IN (0, 1)),
  revoked INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0, 1)),
  created DOUBLE PRECISION NOT NULL
);

-- The origins of each app's pages, looked up by origin for anybody who writes one; `place` is their order.
CREATE TABLE app_origins (
  origin TEXT NOT NULL,
  app TEXT NOT NULL REFERENCES apps (id),
  place INTEGER NOT NULL,
  PRIMARY KEY (origin, app)
);
CREATE INDEX app_origins_app ON app_origins (app);

CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at DOUBLE PRECISION NOT NULL,
  action TEXT NOT NULL,
  outcome TEXT NOT NULL,
  app TEXT,
  via TEXT,
  session TEXT
);
