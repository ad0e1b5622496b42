package sqlitestore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/seal"
)

// React implements message.Store.
func (s *Store) React(ctx context.Context, m id.Message, n message.Reaction, remove bool) (message.Message, bool, error) {
	return s.change(ctx, "react to message", m, func(t *tx, r *record) (bool, error) {
		if err := mayReact(t.conn, *r, n.User); err != nil {
			return false, err
		}
		if _, gone := s.vault.Erased(seal.Owner(r.message.Sender)); gone {
			return false, message.ErrGone
		}
		list, err := readReactions(r.reactions)
		if err != nil {
			return false, err
		}
		list, changed, err := react(list, n, remove)
		if err != nil || !changed {
			return false, err
		}
		stored, err := storedReactions(list)
		if err != nil {
			return false, err
		}
		r.reactions = text(stored)
		r.message.Changed = t.next()
		if _, err := t.exec("UPDATE messages SET reactions = ?, changed = ? WHERE conversation = ? AND seq = ?",
			stored, int64(r.message.Changed), r.key(), int64(r.message.Seq)); err != nil {
			return false, err
		}
		return true, touch(t.conn, r.message)
	})
}

// mayReact returns why somebody may not react to a message, at the moment.
func mayReact(c *conn, r record, u id.User) error {
	if seen, err := sees(c, u, r); err != nil || !seen {
		return either(err, message.ErrNoMessage)
	}
	if r.deleted() {
		return message.ErrGone
	}
	return mayAct(c, r.message.Conversation(), u, message.ErrBlocked)
}

// react adds a reaction to a list, or takes it away, and reports whether that changed it.
func react(list []message.Reaction, n message.Reaction, remove bool) ([]message.Reaction, bool, error) {
	i := slices.IndexFunc(list, func(r message.Reaction) bool { return r.User == n.User && r.Emoji == n.Emoji })
	switch {
	case remove && i >= 0:
		return slices.Delete(list, i, i+1), true, nil
	case remove || i >= 0:
		return list, false, nil
	case len(list) >= message.MaxReactions:
		return nil, false, message.ErrReactions
	}
	return append(list, n), true, nil
}

// A storedReaction is a reaction as it is stored.
type storedReaction struct {
	User  id.User `json:"user"`
	Emoji string  `json:"emoji"`
	At    int64   `json:"at"` // ms since 1970
}

// storedReactions are the reactions to a message as they are stored, NULL for none.
func storedReactions(list []message.Reaction) (any, error) {
	if len(list) == 0 {
		return nil, nil
	}
	stored := make([]storedReaction, len(list))
	for i, r := range list {
		stored[i] = storedReaction{r.User, r.Emoji, r.At.UnixMilli()}
	}
	b, err := json.Marshal(stored)
	if err != nil {
		return nil, fmt.Errorf("encode reactions: %w", err)
	}
	return string(b), nil
}

// readReactions reads what storedReactions wrote.
func readReactions(stored string) ([]message.Reaction, error) {
	if stored == "" {
		return nil, nil
	}
	var list []storedReaction
	if err := json.Unmarshal([]byte(stored), &list); err != nil {
		return nil, fmt.Errorf("decode reactions: %w", err)
	}
	reactions := make([]message.Reaction, len(list))
	for i, r := range list {
		reactions[i] = message.Reaction{User: r.User, Emoji: r.Emoji, At: time.UnixMilli(r.At).UTC()}
	}
	return reactions, nil
}
