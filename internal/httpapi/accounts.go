package httpapi

import (
	"context"
	"net/http"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/wire"
)

// Accounts are the operations behind the routes of accounts.
type Accounts interface {
	MayJoin(in wire.SignUp) error
	SignUp(ctx context.Context, in wire.SignUp, from auth.Device) (auth.Entered[wire.SignedUp], error)
	LogIn(ctx context.Context, in wire.LogIn, from auth.Device) (auth.Entered[wire.LoggedIn], error)
	SecondStep(ctx context.Context, in wire.SecondStep, from auth.Device) (auth.Entered[wire.LoggedIn], error)
	Refresh(ctx context.Context, token string) (auth.Entered[wire.Refreshed], error)
	LogOut(ctx context.Context, who auth.Identity) (wire.Done, error)
	LogOutAll(ctx context.Context, who auth.Identity) (wire.Done, error)
	ChangePassword(ctx context.Context, who auth.Identity, in wire.PasswordChange) (wire.Done, error)
	Deactivate(ctx context.Context, who auth.Identity) (wire.Done, error)
	DeleteAccount(ctx context.Context, who auth.Identity, in wire.Proof) (wire.Done, error)
	Me(ctx context.Context, who auth.Identity) (wire.Account, error)
	Status(ctx context.Context, who auth.Identity) (wire.AuthStatus, error)
	CheckUsername(ctx context.Context, name string) (wire.UsernameCheck, error)
}

// BindAccounts binds the routes of accounts.
func BindAccounts(a *API, ops Accounts) {
	bindChecked(a, wire.PostSignUp, ops.MayJoin, func(ctx context.Context, c Call, in wire.SignUp) (Answer, error) {
		return entered(ops.SignUp(ctx, in, a.device(c)))
	})
	Bind(a, wire.PostLogIn, func(ctx context.Context, c Call, in wire.LogIn) (Answer, error) {
		return entered(ops.LogIn(ctx, in, a.device(c)))
	})
	Bind(a, wire.PostSecondStep, func(ctx context.Context, c Call, in wire.SecondStep) (Answer, error) {
		return entered(ops.SecondStep(ctx, in, a.device(c)))
	})
	Bind(a, wire.PostRefresh, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return entered(ops.Refresh(ctx, refreshToken(c.http)))
	})
	Bind(a, wire.GetAuthStatus, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		who, err := a.whoever(ctx, c)
		if err != nil {
			return Answer{}, err
		}
		return plain(ops.Status(ctx, who))
	})
	Bind(a, wire.GetUsernameCheck, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.CheckUsername(ctx, text(c, "username")))
	})
	Bind(a, wire.GetMe, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.Me(ctx, c.Who))
	})
	bindEndings(a, ops)
}

// bindEndings binds what ends sessions.
func bindEndings(a *API, ops Accounts) {
	Bind(a, wire.PostLogOut, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		who, err := a.leaver(ctx, c)
		if err != nil {
			return Answer{}, err
		}
		return left(ops.LogOut(ctx, who))
	})
	Bind(a, wire.PostLogOutAll, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return left(ops.LogOutAll(ctx, c.Who))
	})
	Bind(a, wire.PostDeactivation, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return left(ops.Deactivate(ctx, c.Who))
	})
	Bind(a, wire.DeleteAccount, func(ctx context.Context, c Call, in wire.Proof) (Answer, error) {
		return left(ops.DeleteAccount(ctx, c.Who, in))
	})
	Bind(a, wire.PostPasswordChange, func(ctx context.Context, c Call, in wire.PasswordChange) (Answer, error) {
		return plain(ops.ChangePassword(ctx, c.Who, in))
	})
}

// entered keeps the refresh token out of the body. Who has not come in yet gets none, and
// keeps what they have.
func entered[T any](e auth.Entered[T], err error) (Answer, error) {
	if err != nil || e.RefreshToken == "" {
		return Answer{Body: e.Body}, err
	}
	return Answer{Body: e.Body, RefreshToken: &RefreshToken{Token: e.RefreshToken, Expires: e.Expires}}, nil
}

// left removes the cookie of a session that is over.
func left(out wire.Done, err error) (Answer, error) {
	return Answer{Body: out, RefreshToken: &RefreshToken{}}, err
}

// whoever returns who shows a token that counts; a zero identity is nobody.
func (a *API) whoever(ctx context.Context, c Call) (auth.Identity, error) {
	who, err := a.o.Verifier.Verify(ctx, bearer(c.http))
	if err == nil {
		return who, nil
	}
	if k := fault.Of(err).Kind; k == fault.KindUnauthenticated || k == fault.KindForbidden {
		return auth.Identity{}, nil
	}
	return auth.Identity{}, err
}

// leaver returns whose session is to end: that of the access token, or of the refresh cookie
// where the access token does not count, which often has expired when somebody logs out. Who may
// not use their account may leave it.
func (a *API) leaver(ctx context.Context, c Call) (auth.Identity, error) {
	who, err := a.o.Verifier.Verify(ctx, bearer(c.http))
	switch {
	case err == nil || fault.Of(err).Kind == fault.KindForbidden:
		return who, nil
	case fault.Of(err).Kind != fault.KindUnauthenticated:
		return auth.Identity{}, err
	}
	if who, noCookie := a.o.Verifier.Holder(refreshToken(c.http)); noCookie == nil {
		return who, nil
	}
	return auth.Identity{}, err
}

func refreshToken(r *http.Request) string {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (a *API) device(c Call) auth.Device {
	return auth.Device{UserAgent: c.http.UserAgent(), Address: a.Address(c.http)}
}
