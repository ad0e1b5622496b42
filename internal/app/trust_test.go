package app_test

import (
	"net/http"
	"sync"
	"testing"

	"pryde/internal/wire"
)

// again opens another session of somebody.
func (p *person) again() *person {
	p.w.t.Helper()
	in, err := p.rest.LogIn(p.w.ctx(), wire.LogIn{Email: p.name, Password: password})
	if err != nil {
		p.w.t.Fatalf("log in: %v", err)
	}
	return &person{w: p.w, id: p.id, token: in.AccessToken, rest: p.rest.As(in.AccessToken), name: p.name}
}

func TestWithAJournalASessionThatWasGoodCountsWhileTheDatabaseHangs(t *testing.T) {
	t.Parallel()
	w, proxy, _, ann, bob, _ := journaling(t)
	out := ann.again()
	out.post(bob, "of a session that ends")
	out.do(http.StatusOK, "POST", "/api/auth/logout", nil)
	old := w.signUp()
	old.post(bob, "of a session that a new password ends")
	old.again().do(http.StatusOK, "POST", "/api/auth/change-password", wire.PasswordChange{CurrentPassword: password, NewPassword: "Another-Horse-8"})
	never := w.signUp()
	w.stores()
	proxy.Stall()

	ann.post(bob, "over REST")
	socket := ann.connect()
	ann.journals(socket, bob, "over a new socket")

	var asking sync.WaitGroup
	for what, p := range map[string]*person{"logged out": out, "of the old password": old, "never used": never} {
		asking.Go(func() {
			got, err := p.rest.Do(w.ctx(), "POST", "/api/messages", wire.PostedMessage{Recipient: bob.id, Content: what})
			if err != nil || got.Status != http.StatusServiceUnavailable {
				t.Errorf("%s: answered %d %s, %v; want 503", what, got.Status, got.Body, err)
			}
		})
		asking.Go(func() {
			if c, err := w.dial(p.token); err == nil {
				c.Close()
				t.Errorf("%s: a socket was let in", what)
			}
		})
	}
	asking.Wait()

	if err := proxy.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.stores()
	bob.reads(ann, "before", "of a session that ends", "over REST", "over a new socket")
	for _, p := range []*person{out, old} {
		p.do(http.StatusUnauthorized, "GET", "/api/auth/me", nil)
	}
	never.post(bob, "afterwards")
}
