package httpapi

import (
	"context"
	"net/http"

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
	Thread(ctx context.Context, who auth.Identity, with id.User, q wire.ListQuery) (wire.Page[wire.Message], error)
	Conversations(ctx context.Context, who auth.Identity, q wire.ListQuery) (wire.Page[wire.Conversation], error)
	Unread(ctx context.Context, who auth.Identity) (wire.Unread, error)
	Sync(ctx context.Context, who auth.Identity, since string) (wire.Sync, error)
}

var errTwoNames = fault.Invalid("IDEMPOTENCY_MISMATCH", "_tempId and Idempotency-Key differ")

// BindMessages binds the routes of messages.
func BindMessages(a *API, ops Messages) {
	Bind(a, wire.PostMessage, func(ctx context.Context, c Call, in wire.PostedMessage) (Answer, error) {
		return a.post(ctx, ops, c, in)
	})
	Bind(a, wire.PutMessage, func(ctx context.Context, c Call, in wire.EditedContent) (Answer, error) {
		of, err := param[id.Message](c, "id")
		if err != nil {
			return Answer{}, err
		}
		return outcome(ops.Edit(ctx, c.Who, of, in))
	})
	Bind(a, wire.DeleteMessage, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		of, err := param[id.Message](c, "id")
		if err != nil {
			return Answer{}, err
		}
		return outcome(ops.Delete(ctx, c.Who, of, c.http.URL.Query().Get("deleteForAll") == "true"))
	})
	Bind(a, wire.PutRead, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		of, err := param[id.Message](c, "id")
		if err != nil {
			return Answer{}, err
		}
		return outcome(ops.MarkRead(ctx, c.Who, of))
	})
	bindReads(a, ops)
}

func bindReads(a *API, ops Messages) {
	Bind(a, wire.GetMessages, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		with, err := param[id.User](c, "userid")
		if err != nil {
			return Answer{}, err
		}
		q, err := c.list()
		if err != nil {
			return Answer{}, err
		}
		return page(ops.Thread(ctx, c.Who, with, q))
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

// post shows a delivery as the former REST door did: 201 with the message, 200 for a repeat.
func (a *API) post(ctx context.Context, ops Messages, c Call, in wire.PostedMessage) (Answer, error) {
	if err := a.allow(wire.SendMessage.Name(), c.Who.User.String()); err != nil {
		return Answer{}, err
	}
	if key := c.http.Header.Get("Idempotency-Key"); key != "" {
		if in.TempID != "" && in.TempID != key {
			return Answer{}, errTwoNames
		}
		in.TempID = key
	}
	out, err := ops.Send(ctx, c.Who, wire.NewMessage{
		RecipientID: in.Recipient, Content: in.Content, Attachment: in.Attachment, TempID: in.TempID,
	})
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Body: out.Reply.Message, Before: out.Before, After: out.After}
	if out.Reply.Duplicate {
		answer.Status = http.StatusOK
	}
	return answer, nil
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

// param reads an identifier from the path. Names of parameters are lower case here, since
// patterns are.
func param[T id.Kinded](c Call, name string) (T, error) {
	v, err := id.Parse[T](chi.URLParamFromCtx(c.http.Context(), name))
	if err != nil {
		return v, fault.Invalid("INVALID_ID", "Invalid "+name+" format").Because(err)
	}
	return v, nil
}
