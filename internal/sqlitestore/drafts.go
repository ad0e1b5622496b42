package sqlitestore

import (
	"context"
	"database/sql/driver"
	"fmt"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/seal"
)

func draftPlace(u id.User, conversation []byte) seal.Place {
	return seal.Place{Collection: "drafts", Field: "content", Document: u[:], Conversation: conversation}
}

// SaveDraft implements message.Store. It is message.ErrNotMember where the person is not in the
// group.
func (s *Store) SaveDraft(ctx context.Context, u id.User, d message.SavedDraft) error {
	key := conversationKey(d.Conversation)
	content, err := s.sealText(ctx, u, draftPlace(u, key), d.Text)
	if err != nil {
		return fmt.Errorf("save draft: %w", err)
	}
	return s.writer.do(ctx, "save draft", func(t *tx) error {
		if content == nil && d.ReplyTo.IsZero() {
			return forgetDraft(t.conn, u, key)
		}
		if err := admit(t.conn, d.Conversation, u); err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO drafts (user, conversation, content, reply_to, saved_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (user, conversation) DO UPDATE SET
				content = excluded.content, reply_to = excluded.reply_to, saved_at = excluded.saved_at`,
			u[:], key, content, reference(d.ReplyTo), d.At.UnixMilli()); err != nil {
			return err
		}
		_, err := t.exec(`DELETE FROM drafts WHERE user = ? AND conversation IN
			(SELECT conversation FROM drafts WHERE user = ? ORDER BY saved_at DESC LIMIT -1 OFFSET ?)`,
			u[:], u[:], int64(message.MaxDrafts))
		return err
	})
}

func forgetDraft(c *conn, u id.User, conversation []byte) error {
	_, err := c.exec("DELETE FROM drafts WHERE user = ? AND conversation = ?", u[:], conversation)
	return err
}

// A draftRecord is a saved draft as it was read: its text still sealed.
type draftRecord struct {
	draft   message.SavedDraft
	content []byte
}

// Drafts implements message.Store.
func (s *Store) Drafts(ctx context.Context, u id.User) ([]message.SavedDraft, error) {
	var found []draftRecord
	err := s.readers.with(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			found = append(found, draftRecord{
				message.SavedDraft{Conversation: conversation(row[0]), ReplyTo: messageRef(row[2]), At: instant(row[3])}, blob(row[1]),
			})
			return true
		}, "SELECT conversation, content, reply_to, saved_at FROM drafts WHERE user = ? ORDER BY saved_at DESC", u[:])
	})
	if err != nil {
		return nil, fmt.Errorf("list drafts: %w", err)
	}
	drafts := make([]message.SavedDraft, len(found))
	for i, r := range found {
		if r.draft.Text, err = s.openText(ctx, draftPlace(u, conversationKey(r.draft.Conversation)), r.content); err != nil {
			return nil, fmt.Errorf("list drafts: %w", err)
		}
		drafts[i] = r.draft
	}
	return drafts, nil
}
