ALTER TABLE users ADD COLUMN password_era INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
-- Lower case, for the search. Opening the database fills in what is empty.
ALTER TABLE users ADD COLUMN display_key TEXT NOT NULL DEFAULT '';

CREATE TABLE second_factors (
  user      BLOB PRIMARY KEY CHECK (length(user) = 12),
  mark      BLOB NOT NULL CHECK (length(mark) = 32),
  secret    BLOB NOT NULL, -- sealed, with the backup codes while it is not in force
  in_force  INTEGER NOT NULL,
  last_step INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE backup_codes (
  user BLOB NOT NULL CHECK (length(user) = 12),
  hash BLOB NOT NULL CHECK (length(hash) = 32), -- keyed
  PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;
