package httpapi

import (
	"context"

	"pryde/internal/auth"
	"pryde/internal/wire"
)

// Sessions are the operations behind the routes of sessions and of the second factor.
type Sessions interface {
	MySessions(ctx context.Context, who auth.Identity) ([]wire.Session, error)
	EndOneSession(ctx context.Context, who auth.Identity, session string) (wire.Done, error)
	EndOtherSessions(ctx context.Context, who auth.Identity) (wire.Done, error)
	EndAllSessions(ctx context.Context, who auth.Identity) (wire.Done, error)
	Active(ctx context.Context, who auth.Identity) (wire.Done, error)
	SetUpTwoFactor(ctx context.Context, who auth.Identity) (wire.TwoFactorSetup, error)
	VerifyTwoFactor(ctx context.Context, who auth.Identity, in wire.OneTimeCode) (wire.TwoFactorOn, error)
	DisableTwoFactor(ctx context.Context, who auth.Identity, in wire.Proof) (wire.Done, error)
	TwoFactorStatus(ctx context.Context, who auth.Identity) (wire.TwoFactorStatus, error)
}

// BindSessions binds the routes of sessions and of the second factor.
func BindSessions(a *API, ops Sessions) {
	Bind(a, wire.GetSessions, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.MySessions(ctx, c.Who))
	})
	Bind(a, wire.DeleteSession, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.EndOneSession(ctx, c.Who, text(c, "sessionId")))
	})
	Bind(a, wire.PostSessionsLogOut, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.EndOtherSessions(ctx, c.Who))
	})
	Bind(a, wire.PostSessionsLogOutAll, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return left(ops.EndAllSessions(ctx, c.Who))
	})
	Bind(a, wire.PutSessionLastActivity, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.Active(ctx, c.Who))
	})
	Bind(a, wire.PostTwoFactorSetup, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.SetUpTwoFactor(ctx, c.Who))
	})
	Bind(a, wire.PostTwoFactorVerify, func(ctx context.Context, c Call, in wire.OneTimeCode) (Answer, error) {
		return plain(ops.VerifyTwoFactor(ctx, c.Who, in))
	})
	Bind(a, wire.PostTwoFactorDisable, func(ctx context.Context, c Call, in wire.Proof) (Answer, error) {
		return plain(ops.DisableTwoFactor(ctx, c.Who, in))
	})
	Bind(a, wire.GetTwoFactorStatus, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.TwoFactorStatus(ctx, c.Who))
	})
}
