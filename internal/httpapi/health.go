package httpapi

import (
	"context"

	"pryde/internal/wire"
)

// BindHealth binds the route that says that the server answers.
func BindHealth(a *API) {
	Bind(a, wire.GetHealth, func(context.Context, Call, wire.None) (Answer, error) {
		return Answer{Body: wire.Health{Status: "ok", Message: "Server is running", Timestamp: a.o.Now()}}, nil
	})
}
