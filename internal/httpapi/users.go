package httpapi

import (
	"context"
	"time"

	"pryde/internal/auth"
	"pryde/internal/wire"
)

// Users are the operations behind the routes of people.
type Users interface {
	Search(ctx context.Context, who auth.Identity, text string) ([]wire.FoundPerson, error)
	Profile(ctx context.Context, who auth.Identity, identifier string) (wire.Profile, error)
	ChangeProfile(ctx context.Context, who auth.Identity, in wire.ProfileChange) (wire.ProfileChanged, error)
}

// searchAge is how long a client may show what it found before.
const searchAge = 30 * time.Second

// BindUsers binds the routes of people.
func BindUsers(a *API, ops Users) {
	Bind(a, wire.GetUserSearch, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		found, err := ops.Search(ctx, c.Who, c.http.URL.Query().Get("q"))
		return Answer{Body: found, MaxAge: searchAge}, err
	})
	Bind(a, wire.GetUser, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.Profile(ctx, c.Who, text(c, "identifier")))
	})
	Bind(a, wire.PatchMe, func(ctx context.Context, c Call, in wire.ProfileChange) (Answer, error) {
		return plain(ops.ChangeProfile(ctx, c.Who, in))
	})
}
