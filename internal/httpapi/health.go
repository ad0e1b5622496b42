package httpapi

import (
	"context"
	"net/http"

	"pryde/internal/fault"
	"pryde/internal/wire"
)

// Refusal returns a handler that answers every request with f, in the form of the door. It asks
// nothing of the parts behind the door, which may be absent.
func (a *API) Refusal(f *fault.Fault) http.Handler {
	return a.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.refuse(w, r, f) }))
}

// BindHealth binds the routes about the server itself, and those that the former page cannot
// do without.
func BindHealth(a *API) {
	Bind(a, wire.GetHealth, func(context.Context, Call, wire.None) (Answer, error) {
		return Answer{Body: wire.Health{Status: "ok", Message: "Server is running", Timestamp: a.o.Now()}}, nil
	})
	bindVersion(a)
	bindFormerPage(a)
}
