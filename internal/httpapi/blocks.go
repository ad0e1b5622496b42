package httpapi

import (
	"context"
	"net/http"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// Blocks are the operations behind the routes of blocks, and of what others may do.
type Blocks interface {
	Block(ctx context.Context, who auth.Identity, in wire.Blocking) (wire.Blocked, error)
	Unblock(ctx context.Context, who auth.Identity, blocked id.User) (wire.Unblocked, error)
	Blocked(ctx context.Context, who auth.Identity) ([]wire.BlockedPerson, error)
	Blocks(ctx context.Context, who auth.Identity, idOrUsername string) (wire.BlockCheck, error)
	Privacy(ctx context.Context, who auth.Identity) (wire.PrivacySettings, error)
	SetPrivacy(ctx context.Context, who auth.Identity, in wire.PrivacyChange) (wire.PrivacyChanged, error)
}

// BindBlocks binds the routes of blocks, and of what others may do.
func BindBlocks(a *API, ops Blocks) {
	Bind(a, wire.PostBlock, func(ctx context.Context, c Call, in wire.Blocking) (Answer, error) {
		out, err := ops.Block(ctx, c.Who, in)
		if err != nil {
			return Answer{}, err
		}
		if out.Existed {
			return Answer{Body: out, Status: http.StatusOK}, nil
		}
		return Answer{Body: out}, nil
	})
	Bind(a, wire.DeleteBlock, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		blocked, err := param[id.User](c, "userId")
		if err != nil {
			return Answer{}, err
		}
		return plain(ops.Unblock(ctx, c.Who, blocked))
	})
	Bind(a, wire.GetBlocks, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.Blocked(ctx, c.Who))
	})
	Bind(a, wire.GetBlockCheck, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.Blocks(ctx, c.Who, clip(text(c, "idOrUsername"), 100)))
	})
	Bind(a, wire.GetPrivacy, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.Privacy(ctx, c.Who))
	})
	Bind(a, wire.PatchPrivacy, func(ctx context.Context, c Call, in wire.PrivacyChange) (Answer, error) {
		return plain(ops.SetPrivacy(ctx, c.Who, in))
	})
}
