package people_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/people"
	"pryde/internal/wire"
)

// member is somebody who has signed up, with the identity of each of their sessions.
type member struct {
	name string
	in   []auth.Identity
}

// member signs somebody up, who logs in further times.
func (h *house) member(t testing.TB, name string, logins int) member {
	t.Helper()
	m := member{name: name, in: []auth.Identity{h.who(t, h.join(t, name).Body.AccessToken)}}
	for range logins {
		e, err := h.LogIn(t.Context(), wire.LogIn{Email: name, Password: password}, home)
		if err != nil {
			t.Fatal(err)
		}
		m.in = append(m.in, h.who(t, e.Body.AccessToken))
	}
	return m
}

func (h *house) who(t testing.TB, token string) auth.Identity {
	t.Helper()
	who, err := h.sessions.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return who
}

// heard checks which sessions' sockets were closed, each after its session was revoked.
func (h *house) heard(t testing.TB, reason string, final bool, want ...auth.Identity) {
	t.Helper()
	h.mu.Lock()
	got := slices.Clone(h.ended)
	h.ended = nil
	h.mu.Unlock()
	var sessions []ended
	for _, who := range want {
		sessions = append(sessions, ended{who.Session, reason, final, true})
	}
	bySession := func(a, b ended) int { return strings.Compare(a.session, b.session) }
	slices.SortFunc(got, bySession)
	slices.SortFunc(sessions, bySession)
	if diff := cmp.Diff(sessions, got, cmp.AllowUnexported(ended{})); diff != "" {
		t.Errorf("sockets heard otherwise (-want +got):\n%s", diff)
	}
}

// alive checks which sessions count.
func (h *house) alive(t testing.TB, want bool, of ...auth.Identity) {
	t.Helper()
	for i, who := range of {
		if err := h.sessions.Check(t.Context(), who); (err == nil) != want {
			t.Errorf("session %d lives: %t, want %t (%v)", i, err == nil, want, err)
		}
	}
}

func TestEndingsOfSessions(t *testing.T) {
	for name, tt := range map[string]struct {
		end    func(h *house, t *testing.T, who auth.Identity) error
		reason string
		final  bool
		stays  bool // the one that asks
	}{
		"log out of all": {func(h *house, t *testing.T, who auth.Identity) error {
			_, err := h.LogOutAll(t.Context(), who)
			return err
		}, "All sessions logged out", true, false},
		"end all sessions": {func(h *house, t *testing.T, who auth.Identity) error {
			_, err := h.EndAllSessions(t.Context(), who)
			return err
		}, "All sessions logged out", false, false},
		"end the others": {func(h *house, t *testing.T, who auth.Identity) error {
			_, err := h.EndOtherSessions(t.Context(), who)
			return err
		}, "Logged out from another device", false, true},
		"change the password": {func(h *house, t *testing.T, who auth.Identity) error {
			_, err := h.ChangePassword(t.Context(), who, wire.PasswordChange{CurrentPassword: password, NewPassword: "Better battery 8!"})
			return err
		}, "Password changed", false, true},
		"deactivate": {func(h *house, t *testing.T, who auth.Identity) error {
			_, err := h.Deactivate(t.Context(), who)
			return err
		}, "Account deactivated", true, false},
		"delete": {func(h *house, t *testing.T, who auth.Identity) error {
			_, err := h.DeleteAccount(t.Context(), who, wire.Proof{Password: password})
			return err
		}, "Account deleted", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			alice, other := h.member(t, "alice", 2), h.member(t, "other", 0)
			h.store.setDown(true)
			sameFault(t, tt.end(h, t, alice.in[0]), auth.ErrStoreAway)
			h.heard(t, "", false)
			h.store.setDown(false)

			if err := tt.end(h, t, alice.in[0]); err != nil {
				t.Fatal(err)
			}

			h.alive(t, tt.stays, alice.in[0])
			h.alive(t, false, alice.in[1:]...)
			h.alive(t, true, other.in...)
			if tt.stays {
				h.heard(t, tt.reason, tt.final, alice.in[1:]...)
			} else {
				h.heard(t, tt.reason, tt.final, alice.in...)
			}
		})
	}
}

func TestEndingOneSession(t *testing.T) {
	h := open(t)
	alice, eve := h.member(t, "alice", 2), h.member(t, "eve", 0)

	_, foreign := h.EndOneSession(t.Context(), eve.in[0], alice.in[1].Session)
	_, unknown := h.EndOneSession(t.Context(), eve.in[0], strings.Repeat("0", 64))
	sameFault(t, foreign, people.ErrNoSession)
	sameFault(t, unknown, people.ErrNoSession)
	h.alive(t, true, alice.in...)
	h.heard(t, "", false)

	if _, err := h.EndOneSession(t.Context(), alice.in[0], alice.in[1].Session); err != nil {
		t.Fatal(err)
	}
	h.alive(t, false, alice.in[1])
	h.heard(t, "Session logged out from another device", false, alice.in[1])
	_, again := h.EndOneSession(t.Context(), alice.in[0], alice.in[1].Session)
	sameFault(t, again, people.ErrNoSession)
	h.heard(t, "Session logged out from another device", false, alice.in[1])

	if _, err := h.EndOneSession(t.Context(), alice.in[0], alice.in[0].Session); err != nil {
		t.Fatal(err)
	}
	h.heard(t, "Logged out", true, alice.in[0])
	h.alive(t, true, alice.in[2])
}

func TestReuseOfARefreshTokenEndsItsSockets(t *testing.T) {
	h := open(t)
	in := h.join(t, "alice")
	who := h.who(t, in.Body.AccessToken)
	if _, err := h.Refresh(t.Context(), in.RefreshToken); err != nil {
		t.Fatal(err)
	}
	h.advance(5 * time.Minute)

	_, err := h.Refresh(t.Context(), in.RefreshToken)

	sameFault(t, err, auth.ErrRefreshReused)
	h.heard(t, "Logged out from another device", false, who)
}

func TestSessionsAreListedForTheirOwner(t *testing.T) {
	h := open(t)
	alice := h.member(t, "alice", 0)
	h.member(t, "eve", 1)
	h.advance(time.Minute)
	firefox := auth.Device{UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Address: "192.0.2.9"}
	e, err := h.LogIn(t.Context(), wire.LogIn{Email: "alice", Password: password}, firefox)
	if err != nil {
		t.Fatal(err)
	}
	second := h.who(t, e.Body.AccessToken)
	h.advance(2 * time.Minute)
	if _, err := h.Active(t.Context(), alice.in[0]); err != nil {
		t.Fatal(err)
	}

	got, err := h.MySessions(t.Context(), second)

	began := h.now().Add(-3 * time.Minute)
	want := []wire.Session{
		{SessionID: alice.in[0].Session, Device: "Unknown device", Browser: "Unknown browser", OS: "Unknown OS", IPAddress: home.Address, CreatedAt: began, LastActive: h.now()},
		{
			SessionID: second.Session, Device: "Desktop", Browser: "Firefox", OS: "Linux", IPAddress: "192.0.2.9",
			CreatedAt: began.Add(time.Minute), LastActive: began.Add(time.Minute), IsCurrent: true,
		},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	_, gone := h.Active(t.Context(), auth.Identity{User: second.User, Session: strings.Repeat("0", 64)})
	sameFault(t, gone, fault.Of(auth.ErrSessionEnded))
}
