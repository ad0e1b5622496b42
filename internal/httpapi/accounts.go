package httpapi

import (
	"context"

	"pryde/internal/auth"
	"pryde/internal/limit"
	"pryde/internal/wire"
)

// Accounts are the operations behind the routes of accounts and sessions.
type Accounts interface {
	SignUp(ctx context.Context, in wire.SignUp, from auth.Device) (auth.Entered[wire.SignedUp], error)
	LogIn(ctx context.Context, in wire.LogIn, from auth.Device) (auth.Entered[wire.LoggedIn], error)
	Refresh(ctx context.Context, token string, from auth.Device) (auth.Entered[wire.Refreshed], error)
	LogOut(ctx context.Context, who auth.Identity) (wire.LoggedOut, error)
	// RefreshSession returns the session that a refresh token names, or "".
	RefreshSession(token string) string
	Me(ctx context.Context, who auth.Identity) (wire.User, error)
}

// BindAccounts binds the routes of accounts and sessions.
func BindAccounts(a *API, ops Accounts) {
	Bind(a, wire.PostSignUp, func(ctx context.Context, c Call, in wire.SignUp) (Answer, error) {
		if err := a.allow("signup", limit.AddressKey(a.Address(c.http))); err != nil {
			return Answer{}, err
		}
		return entered(ops.SignUp(ctx, in, a.device(c)))
	})
	Bind(a, wire.PostLogIn, func(ctx context.Context, c Call, in wire.LogIn) (Answer, error) {
		if err := a.allow("login", limit.AddressKey(a.Address(c.http))); err != nil {
			return Answer{}, err
		}
		return entered(ops.LogIn(ctx, in, a.device(c)))
	})
	Bind(a, wire.PostRefresh, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		token := ""
		if cookie, err := c.http.Cookie(cookieName); err == nil {
			token = cookie.Value
		}
		if session := ops.RefreshSession(token); session != "" {
			if err := a.allow("refresh", session); err != nil {
				return Answer{}, err
			}
		}
		return entered(ops.Refresh(ctx, token, a.device(c)))
	})
	Bind(a, wire.PostLogOut, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		out, err := ops.LogOut(ctx, c.Who)
		return Answer{Body: out, RefreshToken: &RefreshToken{}}, err
	})
	Bind(a, wire.GetMe, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.Me(ctx, c.Who))
	})
}

// entered keeps the refresh token out of the body.
func entered[T any](e auth.Entered[T], err error) (Answer, error) {
	if err != nil {
		return Answer{}, err
	}
	return Answer{Body: e.Body, RefreshToken: &RefreshToken{Token: e.RefreshToken, Expires: e.Expires}}, nil
}

func (a *API) device(c Call) auth.Device {
	return auth.Device{UserAgent: clip(c.http.UserAgent(), 500), Address: a.Address(c.http).String()}
}
