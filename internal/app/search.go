package app

import (
	"context"
	"fmt"

	"pryde/internal/auth"
	"pryde/internal/message"
	"pryde/internal/search"
	"pryde/internal/wire"
)

// A finder shows the messages that a search found.
type finder struct {
	search   *search.Service
	messages *message.Service
}

// Find returns messages of the caller that contain every word of a text, newest first. What a
// block hides is left out: a page may be shorter than its limit and go on all the same.
func (f finder) Find(ctx context.Context, who auth.Identity, in wire.MessageQuery) (wire.Found, error) {
	found, err := f.search.Search(ctx, who, search.Query{Text: in.Text, Before: in.Before, Limit: in.Limit})
	if err != nil {
		return wire.Found{}, fmt.Errorf("search messages: %w", err)
	}
	shown, err := f.messages.Shown(ctx, who, found.IDs)
	if err != nil {
		return wire.Found{}, fmt.Errorf("search messages: %w", err)
	}
	out := wire.Found{Page: wire.Page[wire.Message]{Items: shown}, Incomplete: !found.Complete}
	if !found.Next.IsZero() {
		out.Next = found.Next.String()
	}
	return out, nil
}

// words tells the search of messages that came or changed.
type words struct{ search *search.Service }

// Changed implements message.Index.
func (w words) Changed(m message.Message) {
	w.search.Changed(search.Notice{Sender: m.Sender, Recipient: m.Recipient, Group: m.Group, Late: m.Changed > m.Seq})
}
