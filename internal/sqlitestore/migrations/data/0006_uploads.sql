CREATE TABLE uploads (
  name       BLOB PRIMARY KEY CHECK (length(name) = 16),
  owner      BLOB NOT NULL CHECK (length(owner) = 12),
  kind       TEXT NOT NULL,
  type       TEXT NOT NULL, -- media type
  size       INTEGER NOT NULL, -- bytes, unsealed
  key        BLOB NOT NULL, -- of the file; sealed
  created_at INTEGER NOT NULL,
  due        INTEGER, -- when the sweep looks at it; NULL: not at all
  doomed     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_owner ON uploads (owner, name);
CREATE INDEX uploads_size ON uploads (owner, size) WHERE doomed = 0;
CREATE INDEX uploads_due ON uploads (due) WHERE due IS NOT NULL;

-- Which messages have a file. A message that was never stored has its files for a day.
CREATE TABLE upload_uses (
  message BLOB NOT NULL CHECK (length(message) = 12),
  upload  BLOB NOT NULL CHECK (length(upload) = 16),
  PRIMARY KEY (message, upload)
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_uses_upload ON upload_uses (upload);
