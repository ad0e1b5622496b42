-- How far messages have reached a person's devices; what was read has reached them too.
ALTER TABLE threads ADD COLUMN delivered_seq INTEGER NOT NULL DEFAULT 0;
-- What a person has set for the conversation.
ALTER TABLE threads ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
ALTER TABLE threads ADD COLUMN muted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE threads ADD COLUMN muted_until INTEGER; -- NULL: until they say otherwise
ALTER TABLE threads ADD COLUMN marked_unread INTEGER; -- since when; NULL where it is not
ALTER TABLE threads ADD COLUMN read_at INTEGER; -- when read_seq moved last
ALTER TABLE threads ADD COLUMN arranged_at INTEGER; -- when the settings changed last
-- Seq of the last commit that began or ended a block between the two; 0 where there was none.
ALTER TABLE threads ADD COLUMN reload_at INTEGER NOT NULL DEFAULT 0;

-- What a person deleted for themselves with the whole conversation: all up to a message.
CREATE TABLE cleared (
  user         BLOB NOT NULL CHECK (length(user) = 12),
  conversation BLOB NOT NULL CHECK (length(conversation) = 24),
  message_seq  INTEGER NOT NULL, -- of the newest message that went
  seq          INTEGER NOT NULL, -- of the deletion
  PRIMARY KEY (user, conversation, message_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX cleared_since ON cleared (user, seq);

CREATE INDEX messages_media ON messages (conversation, seq) WHERE attachment IS NOT NULL;

CREATE TABLE blocks (
  blocker    BLOB NOT NULL CHECK (length(blocker) = 12),
  blocked    BLOB NOT NULL CHECK (length(blocked) = 12),
  id         BLOB NOT NULL CHECK (length(id) = 12),
  reason     BLOB, -- sealed; NULL where there is none
  created_at INTEGER NOT NULL,
  PRIMARY KEY (blocker, blocked)
) STRICT, WITHOUT ROWID;
CREATE INDEX blocks_blocked ON blocks (blocked, blocker);

CREATE TABLE follows (
  follower   BLOB NOT NULL CHECK (length(follower) = 12),
  following  BLOB NOT NULL CHECK (length(following) = 12),
  created_at INTEGER NOT NULL,
  PRIMARY KEY (follower, following)
) STRICT, WITHOUT ROWID;
CREATE INDEX follows_following ON follows (following, follower);

-- What others may do to a person; without a row, what the release says.
CREATE TABLE privacy (
  user            BLOB PRIMARY KEY CHECK (length(user) = 12),
  who_can_message TEXT NOT NULL
) STRICT, WITHOUT ROWID;
