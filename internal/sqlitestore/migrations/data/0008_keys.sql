-- The messages of a person that messages_attempt does not find.
CREATE INDEX messages_unnamed ON messages (sender) WHERE client_id IS NULL;
