CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- The oldest release, by the number of its last migration, that can run on this schema.
INSERT INTO meta (key, value) VALUES ('min_reader', 1), ('seq', 0), ('database', randomblob(4));

CREATE TABLE users (
  id            BLOB PRIMARY KEY CHECK (length(id) = 12),
  username      TEXT NOT NULL,
  username_key  TEXT NOT NULL, -- lower case
  email         TEXT NOT NULL, -- lower case
  display_name  TEXT NOT NULL,
  profile_photo TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  role          TEXT NOT NULL,
  details       BLOB NOT NULL, -- sealed
  active        INTEGER NOT NULL,
  deleted       INTEGER NOT NULL,
  banned        INTEGER NOT NULL,
  created_at    INTEGER -- every time is in ms since 1970; NULL is none
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX users_username ON users (username_key);
CREATE UNIQUE INDEX users_email ON users (email);

CREATE TABLE sessions (
  id          BLOB PRIMARY KEY CHECK (length(id) = 32),
  user        BLOB NOT NULL CHECK (length(user) = 12),
  generation  INTEGER NOT NULL,
  hash        BLOB NOT NULL CHECK (length(hash) = 32),
  previous    BLOB NOT NULL CHECK (length(previous) = 32),
  rotated_at  INTEGER,
  expires_at  INTEGER,
  created_at  INTEGER,
  last_active INTEGER,
  revoked_at  INTEGER,
  device      BLOB NOT NULL -- sealed
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user);

-- A conversation is the ids of both people, the lower one first.
CREATE TABLE messages (
  conversation BLOB NOT NULL CHECK (length(conversation) = 24),
  seq          INTEGER NOT NULL,
  id           BLOB NOT NULL CHECK (length(id) = 12),
  sender       BLOB NOT NULL CHECK (length(sender) = 12),
  client_id    TEXT,             -- stays when the message is deleted: the attempt stays taken
  changed      INTEGER NOT NULL, -- seq of the last commit that changed the message
  content      BLOB,             -- sealed; NULL once deleted for all, and where it is empty
  attachment   BLOB,             -- likewise
  fingerprint  BLOB,             -- NULL once deleted for all
  created_at   INTEGER NOT NULL,
  edited_at    INTEGER,
  deleted_at   INTEGER,
  PRIMARY KEY (conversation, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX messages_id ON messages (id);
CREATE UNIQUE INDEX messages_attempt ON messages (sender, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX messages_changed ON messages (conversation, changed) WHERE changed > seq;

-- A conversation as one of its people sees it.
CREATE TABLE threads (
  user         BLOB NOT NULL CHECK (length(user) = 12),
  conversation BLOB NOT NULL CHECK (length(conversation) = 24),
  peer         BLOB NOT NULL CHECK (length(peer) = 12),
  last_seq     INTEGER NOT NULL, -- of the newest message that the user can see; 0 where there is none
  unread       INTEGER NOT NULL,
  read_seq     INTEGER NOT NULL, -- how far the user has read; 0 at first
  changed      INTEGER NOT NULL, -- seq of the last commit that changed this row or a message in it
  PRIMARY KEY (user, conversation)
) STRICT, WITHOUT ROWID;
CREATE INDEX threads_list ON threads (user, last_seq);
CREATE INDEX threads_changed ON threads (user, changed);

-- What a person deleted for themselves.
CREATE TABLE hidden (
  user         BLOB NOT NULL CHECK (length(user) = 12),
  conversation BLOB NOT NULL CHECK (length(conversation) = 24),
  message_seq  INTEGER NOT NULL,
  seq          INTEGER NOT NULL, -- of the deletion
  PRIMARY KEY (user, conversation, message_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX hidden_since ON hidden (user, seq);
