-- Keys that seal nothing more and still open what they have sealed.
CREATE TABLE retired (
  id         INTEGER PRIMARY KEY,
  purpose    INTEGER NOT NULL,
  owner      BLOB NOT NULL CHECK (length(owner) = 12),
  master     INTEGER NOT NULL,
  sealed     BLOB NOT NULL,
  retired_at INTEGER NOT NULL,
  note       TEXT NOT NULL -- how far what it has sealed is sealed again
) STRICT;

-- Whose keys were destroyed for good.
CREATE TABLE erased (
  owner     BLOB PRIMARY KEY CHECK (length(owner) = 12),
  erased_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_master ON keys (master);

-- What an operator wants done with the keys.
CREATE TABLE orders (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  kind      TEXT NOT NULL,
  username  TEXT NOT NULL,
  master    INTEGER NOT NULL,
  posted_at INTEGER NOT NULL,
  done_at   INTEGER, -- NULL until it is carried out
  failed    INTEGER NOT NULL DEFAULT 0,
  says      TEXT NOT NULL DEFAULT ''
) STRICT;
