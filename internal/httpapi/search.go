package httpapi

import (
	"context"

	"pryde/internal/auth"
	"pryde/internal/wire"
)

// Search is the operation behind the search of messages.
type Search interface {
	Find(ctx context.Context, who auth.Identity, in wire.MessageQuery) (wire.Found, error)
}

// BindSearch binds the route of the search of messages.
func BindSearch(a *API, ops Search) {
	Bind(a, wire.GetFound, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		q, err := c.list()
		if err != nil {
			return Answer{}, err
		}
		out, err := ops.Find(ctx, c.Who, wire.MessageQuery{Text: c.http.URL.Query().Get("q"), ListQuery: q})
		return Answer{Body: out.Items, Next: out.Next, Incomplete: out.Incomplete}, err
	})
}
