-- How far the search index of a person is. Who never searched has none.
CREATE TABLE searches (
  owner   BLOB PRIMARY KEY CHECK (length(owner) = 12),
  version INTEGER NOT NULL,
  next    INTEGER NOT NULL, -- number of the next new segment
  state   BLOB NOT NULL     -- sealed with the owner's key
) STRICT, WITHOUT ROWID;

-- Where words are in up to 256 messages that the owner can see.
CREATE TABLE segments (
  owner     BLOB NOT NULL CHECK (length(owner) = 12),
  number    INTEGER NOT NULL,
  first_seq INTEGER NOT NULL, -- of its oldest message
  last_seq  INTEGER NOT NULL, -- of its newest message
  messages  INTEGER NOT NULL,
  filter    BLOB NOT NULL,    -- sealed with the owner's key
  list      BLOB NOT NULL     -- likewise
) STRICT;
CREATE UNIQUE INDEX segments_number ON segments (owner, number);
CREATE INDEX segments_newest ON segments (owner, last_seq, number, first_seq);
CREATE INDEX segments_age ON segments (last_seq);
