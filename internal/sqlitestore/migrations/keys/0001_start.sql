CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- The oldest release, by the number of its last migration, that can run on this schema.
INSERT INTO meta (key, value) VALUES ('min_reader', 1);

CREATE TABLE keys (
  id      INTEGER PRIMARY KEY,
  purpose INTEGER NOT NULL,
  owner   BLOB NOT NULL CHECK (length(owner) = 12),
  master  INTEGER NOT NULL, -- which master key wraps it
  sealed  BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX keys_owner ON keys (purpose, owner);
