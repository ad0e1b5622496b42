package httpapi

import (
	"context"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// Messages are the operations behind the routes of messages.
type Messages interface {
	Send(ctx context.Context, who auth.Identity, in wire.NewMessage) (wire.Outcome[wire.Delivery], error)
	Edit(ctx context.Context, who auth.Identity, of id.Message, in wire.EditedContent) (wire.Outcome[wire.Message], error)
	Delete(ctx context.Context, who auth.Identity, of id.Message, forAll bool) (wire.Outcome[wire.Deleted], error)
	MarkRead(ctx context.Context, who auth.Identity, of id.Message) (wire.Outcome[wire.Message], error)
	MarkDelivered(ctx context.Context, who auth.Identity, in wire.MessageRef) (wire.Outcome[wire.Message], error)
	React(ctx context.Context, who auth.Identity, of id.Message, in wire.Emoji) (wire.Outcome[wire.Message], error)
	Unreact(ctx context.Context, who auth.Identity, of id.Message, in wire.Emoji) (wire.Outcome[wire.Message], error)
	History(ctx context.Context, who auth.Identity, of id.Message) ([]wire.MessageVersion, error)
	Thread(ctx context.Context, who auth.Identity, with id.User, q wire.ListQuery) (wire.Page[wire.Message], error)
	Media(ctx context.Context, who auth.Identity, with id.User, q wire.MediaQuery) (wire.Media, error)
	Conversations(ctx context.Context, who auth.Identity, q wire.ListQuery) (wire.Page[wire.Conversation], error)
	Unread(ctx context.Context, who auth.Identity) (wire.Unread, error)
	Sync(ctx context.Context, who auth.Identity, since string) (wire.Sync, error)
}

// BindMessages binds the routes of messages.
func BindMessages(a *API, ops Messages) {
	Bind(a, wire.PostMessage, func(ctx context.Context, c Call, in wire.PostedMessage) (Answer, error) {
		return a.post(ctx, ops, c, in)
	})
	bindTo(a, wire.PutMessage, "id", ops.Edit)
	bindTo(a, wire.PostReaction, "id", ops.React)
	bindTo(a, wire.DeleteReaction, "id", ops.Unreact)
	bindOf(a, wire.PutRead, "id", ops.MarkRead)
	bindOf(a, wire.PutDelivered, "id", func(ctx context.Context, who auth.Identity, of id.Message) (wire.Outcome[wire.Message], error) {
		return ops.MarkDelivered(ctx, who, wire.MessageRef{MessageID: of})
	})
	Bind(a, wire.DeleteMessage, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		of, err := param[id.Message](c, "id")
		if err != nil {
			return Answer{}, err
		}
		return outcome(ops.Delete(ctx, c.Who, of, c.http.URL.Query().Get("deleteForAll") == "true"))
	})
	bindReads(a, ops)
}

func bindReads(a *API, ops Messages) {
	Bind(a, wire.GetMessages, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		with, err := param[id.User](c, "userId")
		if err != nil {
			return Answer{}, err
		}
		q, err := c.list()
		if err != nil {
			return Answer{}, err
		}
		return page(ops.Thread(ctx, c.Who, with, q))
	})
	Bind(a, wire.GetMedia, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		with, err := param[id.User](c, "userId")
		if err != nil {
			return Answer{}, err
		}
		q, err := c.media()
		if err != nil {
			return Answer{}, err
		}
		return plain(ops.Media(ctx, c.Who, with, q))
	})
	Bind(a, wire.GetHistory, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		of, err := param[id.Message](c, "id")
		if err != nil {
			return Answer{}, err
		}
		return plain(ops.History(ctx, c.Who, of))
	})
	Bind(a, wire.GetConversations, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		q, err := c.list()
		if err != nil {
			return Answer{}, err
		}
		return page(ops.Conversations(ctx, c.Who, q))
	})
	Bind(a, wire.GetUnread, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.Unread(ctx, c.Who))
	})
	Bind(a, wire.GetSync, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.Sync(ctx, c.Who, c.http.URL.Query().Get("since")))
	})
}

// maxSkip bounds how far into a list of attachments one can ask.
const maxSkip = 1_000_000

var errBadSkip = fault.Invalid("INVALID_SKIP", "skip is no number from 0 up")

// media reads the parameters of a list of attachments.
func (c Call) media() (wire.MediaQuery, error) {
	q, err := c.list()
	if err != nil {
		return wire.MediaQuery{}, err
	}
	skip := 0
	if params := c.http.URL.Query(); params.Has("skip") {
		if skip, err = strconv.Atoi(params.Get("skip")); err != nil || skip < 0 || skip > maxSkip {
			return wire.MediaQuery{}, errBadSkip
		}
	}
	return wire.MediaQuery{Limit: q.Limit, Skip: skip}, nil
}

// outcome shows an outcome as it is.
func outcome[T any](out wire.Outcome[T], err error) (Answer, error) {
	return Answer{Body: out.Reply, Before: out.Before, After: out.After}, err
}

// plain shows what was read as it is.
func plain[T any](v T, err error) (Answer, error) { return Answer{Body: v}, err }

// page shows a list, and in a header where it goes on.
func page[T any](p wire.Page[T], err error) (Answer, error) {
	return Answer{Body: p.Items, Next: p.Next}, err
}

// param reads an identifier from the path.
func param[T id.Kinded](c Call, name string) (T, error) {
	v, err := id.Parse[T](text(c, name))
	if err != nil {
		return v, badParam(name, err)
	}
	return v, nil
}

// text reads a text from the path. Patterns are bound in lower case, and with them the names of
// their parameters; paths are matched so.
func text(c Call, name string) string {
	return chi.URLParamFromCtx(c.http.Context(), strings.ToLower(name))
}
