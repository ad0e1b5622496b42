package httpapi

import (
	"context"

	"pryde/internal/wire"
)

// BindHealth binds the routes about the server itself, and those that the former page cannot
// do without.
func BindHealth(a *API) {
	Bind(a, wire.GetHealth, func(context.Context, Call, wire.None) (Answer, error) {
		return Answer{Body: wire.Health{Status: "ok", Message: "Server is running", Timestamp: a.o.Now()}}, nil
	})
	bindVersion(a)
	bindFormerPage(a)
}
