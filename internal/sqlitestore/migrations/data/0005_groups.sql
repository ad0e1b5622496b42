-- The conversation of a group is 12 zero bytes and the group's id.
ALTER TABLE messages ADD COLUMN extra BLOB;     -- sealed; NULL once deleted for all, and where there is none
ALTER TABLE messages ADD COLUMN reply_to BLOB;  -- id of a message; NULL where it is no reply
ALTER TABLE messages ADD COLUMN reactions TEXT; -- JSON; NULL once deleted for all, and where there is none

-- What a member of a group has not read is counted here and not in the messages themselves.
CREATE INDEX messages_unread ON messages (conversation, seq, sender, deleted_at)
  WHERE deleted_at IS NULL AND conversation < x'000000000000000000000001000000000000000000000000';

-- The texts that a message had before it was edited.
CREATE TABLE versions (
  conversation BLOB NOT NULL CHECK (length(conversation) = 24),
  message_seq  INTEGER NOT NULL,
  number       INTEGER NOT NULL, -- from 1 on
  content      BLOB,             -- sealed; NULL where it was empty
  shown_at     INTEGER NOT NULL, -- from when on it was shown
  PRIMARY KEY (conversation, message_seq, number)
) STRICT, WITHOUT ROWID;

-- What is deleted for all keeps none of this, also where the release before deletes it.
CREATE TRIGGER messages_deleted AFTER UPDATE OF deleted_at ON messages WHEN NEW.deleted_at IS NOT NULL BEGIN
  UPDATE messages SET extra = NULL, reactions = NULL WHERE conversation = NEW.conversation AND seq = NEW.seq;
  DELETE FROM versions WHERE conversation = NEW.conversation AND message_seq = NEW.seq;
END;

-- A message to a group changes its row here and no row of a member.
CREATE TABLE groups (
  conversation  BLOB PRIMARY KEY CHECK (length(conversation) = 24),
  name          TEXT NOT NULL,
  description   TEXT NOT NULL,
  avatar        TEXT NOT NULL,
  creator       BLOB NOT NULL CHECK (length(creator) = 12),
  created_at    INTEGER NOT NULL,
  updated_at    INTEGER NOT NULL,
  deleted_at    INTEGER,          -- since when it has no member
  last_seq      INTEGER NOT NULL, -- of the newest message; 0 where there is none
  group_changed INTEGER NOT NULL, -- seq of the last commit that changed the group itself
  changed       INTEGER NOT NULL  -- seq of the last commit that changed the group or a message in it
) STRICT, WITHOUT ROWID;

-- A group as one of its members has it. Who is out keeps a row that says since when.
CREATE TABLE members (
  conversation  BLOB NOT NULL CHECK (length(conversation) = 24),
  user          BLOB NOT NULL CHECK (length(user) = 12),
  place         INTEGER NOT NULL,           -- in the order in which they came
  admin         INTEGER NOT NULL,
  joined_at     INTEGER NOT NULL,
  read_seq      INTEGER NOT NULL DEFAULT 0, -- how far the member has read; 0 at first
  read_at       INTEGER,                    -- when it moved last
  delivered_seq INTEGER NOT NULL DEFAULT 0, -- how far messages have reached the member's devices; never below read_seq
  delivered_at  INTEGER,
  moved         INTEGER NOT NULL,           -- seq of the last commit that moved one of the two
  archived      INTEGER NOT NULL DEFAULT 0,
  muted         INTEGER NOT NULL DEFAULT 0,
  muted_until   INTEGER,                    -- NULL: until they say otherwise
  marked_unread INTEGER,                    -- since when; NULL where it is not
  changed       INTEGER NOT NULL,           -- seq of the last commit that changed what is the member's own
  left_seq      INTEGER NOT NULL DEFAULT 0, -- of the commit that put them out; 0 while they are in
  PRIMARY KEY (conversation, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_user ON members (user, left_seq);
CREATE INDEX members_moved ON members (conversation, moved);
CREATE INDEX members_present ON members (conversation, place, admin, joined_at, left_seq) WHERE left_seq = 0;

-- What a person has written and not sent.
CREATE TABLE drafts (
  user         BLOB NOT NULL CHECK (length(user) = 12),
  conversation BLOB NOT NULL CHECK (length(conversation) = 24),
  content      BLOB,             -- sealed; NULL where it is empty
  reply_to     BLOB,             -- id of a message; NULL where it is no reply
  saved_at     INTEGER NOT NULL,
  PRIMARY KEY (user, conversation)
) STRICT, WITHOUT ROWID;
