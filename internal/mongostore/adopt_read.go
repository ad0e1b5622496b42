package mongostore

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/former"
	"pryde/internal/seal"
)

// isFormer reports whether a value is one of the former system: ours are binary.
func isFormer(v bson.RawValue) bool { return !v.IsZero() && v.Type != bson.TypeBinary }

// takesFormer reports whether what the former system wrote is accepted in a document: in one that
// is older than the cut-over only, and beside the former system.
func (s *Store) takesFormer(createdAt time.Time) bool {
	return s.legacy || createdAt.Before(s.adoption.cut.At)
}

// formerPlain returns a text that the former system did not encrypt, where it is accepted.
func (s *Store) formerPlain(v bson.RawValue, createdAt time.Time) string {
	if !s.takesFormer(createdAt) {
		return ""
	}
	text, _ := v.StringValueOK()
	return text
}

// formerContent opens the content of a message as the former system stored it.
func (s *Store) formerContent(d *messageDoc, v bson.RawValue) string {
	if !s.takesFormer(d.createdAt()) {
		return former.Unreadable
	}
	if parts, ok := v.DocumentOK(); ok && s.formerKey != nil {
		field := func(name string) string {
			text, _ := parts.Lookup(name).StringValueOK()
			return text
		}
		return s.formerKey.OpenParts(field("iv"), field("authTag"), field("encryptedData"))
	}
	text, _ := v.StringValueOK()
	switch {
	case s.formerKey == nil:
		return text
	case d.Seq <= s.adoption.cut.Base:
		return s.formerKey.Open(text)
	}
	// What is newer was sealed once, and who pastes a sealed text must not read it.
	if opened, ok := s.formerKey.Unseal(text); ok {
		return opened
	}
	return text
}

// legacyText is a text as the former system stores it, which encrypts the content of messages.
func (s *Store) legacyText(p seal.Place, text string) bson.RawValue {
	if p.Collection == messagesName && (p.Field == "content" || p.Field == "extra") {
		text = s.formerKey.Seal(text)
	}
	t, v, _ := bson.MarshalValue(text)
	return bson.RawValue{Type: t, Value: v}
}

// readFormer marks the messages of the former system in a person's conversation as read, up to
// and with one, and reports whether any of them counted as unread. They do so by themselves: some
// are unread before the read mark.
func (t *tx) readFormer(row *threadDoc, upTo *messageDoc) (bool, error) {
	if !row.FormerUnread {
		return false, nil
	}
	if err := t.flush(); err != nil {
		return false, err
	}
	unread := func(seq bson.D) bson.D {
		return bson.D{is("conv", row.Conv), is("sender", row.Peer), is("read", false), is("seq", seq)}
	}
	before := unread(bson.D{is("$lte", upTo.Seq)})
	messages := t.collection(messagesName)
	counted, err := messages.CountDocuments(t.ctx, append(unread(bson.D{is("$lte", upTo.Seq), is("$gt", row.Cleared.upTo())}),
		pick{viewer: row.User, living: true}.filter()...))
	if err != nil {
		return false, err
	}
	if _, err := messages.UpdateMany(t.ctx, before, bson.D{is("$set", bson.D{is("read", true)})}); err != nil {
		return false, err
	}
	left, err := messages.CountDocuments(t.ctx, unread(bson.D{is("$gt", upTo.Seq)}))
	if err != nil {
		return false, err
	}
	t.forget()
	if upTo.Sender == row.Peer && upTo.Read != nil {
		read := true
		upTo.Read = &read
	}
	row.Unread = max(row.Unread-int(counted), 0)
	row.FormerUnread = left > 0
	return counted > 0, nil
}
