package people_test

import (
	"context"
	"errors"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/wire"
)

// TestWhatEndedSessionsIsKnownWhileTheStoreIsAway ends sessions of somebody who has two, while the
// store answers or, where it is down, without its word that it did.
func TestWhatEndedSessionsIsKnownWhileTheStoreIsAway(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(context.Context, *house, auth.Identity) error
		down bool
		want bool // the other session is believed
	}{
		"nothing": {func(context.Context, *house, auth.Identity) error { return nil }, false, true},
		"a logout": {func(ctx context.Context, h *house, who auth.Identity) error {
			_, err := h.LogOut(ctx, who)
			return err
		}, false, true},
		"a logout of all": {func(ctx context.Context, h *house, who auth.Identity) error {
			_, err := h.LogOutAll(ctx, who)
			return err
		}, false, false},
		"a new password": {func(ctx context.Context, h *house, who auth.Identity) error {
			_, err := h.ChangePassword(ctx, who, wire.PasswordChange{CurrentPassword: password, NewPassword: "Another horse 8!"})
			return err
		}, false, false},
		"an end of the account": {func(ctx context.Context, h *house, who auth.Identity) error {
			_, err := h.DeleteAccount(ctx, who, wire.Proof{Password: password})
			return err
		}, false, false},
		"a pause":       {deactivate, false, false},
		"maybe a pause": {deactivate, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			alice := h.member(t, "alice", 0)
			e, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, home)
			if err != nil {
				t.Fatal(err)
			}
			h.who(t, e.Body.AccessToken)
			h.store.setDown(c.down)
			if err := c.end(t.Context(), h, alice.in[0]); (err != nil) != c.down {
				t.Fatalf("it answered %v", err)
			}
			h.store.setDown(true)

			_, err = h.sessions.Verify(t.Context(), e.Body.AccessToken)

			if c.want && err != nil || !c.want && !errors.Is(err, auth.ErrStoreAway) {
				t.Errorf("the other session: %v; want it believed: %v", err, c.want)
			}
		})
	}
}

func deactivate(ctx context.Context, h *house, who auth.Identity) error {
	_, err := h.Deactivate(ctx, who)
	return err
}
