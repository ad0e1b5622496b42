package app_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"pryde/internal/testkit"
	"pryde/internal/wire"
)

// limitedWorld has the default limits but for those that are given.
func limitedWorld(t *testing.T, rules string) *world {
	return start(t, t.TempDir(), map[string]string{
		"RATE_LIMIT_FACTOR": "1", "RATE_LIMITS": "signup=100/1h," + rules, "TRUSTED_PROXIES": "127.0.0.0/8",
	})
}

// from is a client whose requests a trusted proxy forwards.
func (w *world) from(address string) *testkit.REST {
	r := w.rest()
	r.Header = http.Header{"X-Forwarded-For": {address}}
	return r
}

func TestAMessageCountsTheSameFromEitherDoor(t *testing.T) {
	t.Parallel()
	w := limitedWorld(t, "send_message=10/1h")
	ann, bob := w.signUp(), w.signUp()
	a, b := ann.connect(), bob.connect()
	message := func(name string) wire.NewMessage {
		return wire.NewMessage{RecipientID: bob.id, Content: "hi", TempID: name}
	}
	for i := range 5 {
		if got := ask[wire.Sent](ann, a, "send_message", message(fmt.Sprint("socket", i))); !got.Success {
			t.Fatalf("message %d by socket was refused", i)
		}
		if _, _, err := ann.rest.PostMessage(w.ctx(), wire.PostedMessage{Recipient: bob.id, Content: "hi", TempID: fmt.Sprint("rest", i)}); err != nil {
			t.Fatalf("message %d by REST: %v", i, err)
		}
	}

	refused := ask[wire.Failure](ann, a, "send_message", message("eleventh"))
	told := decode[wire.Failure](t, ann.await(a, "message:error").Payload())
	posted, err := ann.rest.Do(w.ctx(), "POST", "/api/messages", wire.PostedMessage{Recipient: bob.id, Content: "hi"})
	if err != nil {
		t.Fatal(err)
	}

	if refused.Code != "RATE_LIMITED" || refused.TempID != "eleventh" || refused.Message == "" || told != refused {
		t.Errorf("the socket was answered %+v and told %+v", refused, told)
	}
	p := decode[wire.Problem](t, posted.Body)
	after, err := strconv.Atoi(posted.Header.Get("Retry-After"))
	if posted.Status != http.StatusTooManyRequests || p.Error != "Too Many Requests" || p.Code != "RATE_LIMITED" || err != nil || after < 1 || after > 360 || p.RetryAfter < 1 || p.RetryAfter > 60 {
		t.Errorf("REST answered %d %s, Retry-After %q", posted.Status, posted.Body, posted.Header.Get("Retry-After"))
	}
	for name, want := range map[string]string{"RateLimit-Limit": "10", "RateLimit-Remaining": "0", "RateLimit-Policy": "10;w=3600"} {
		if got := posted.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := ask[wire.Sent](bob, b, "send_message", wire.NewMessage{RecipientID: ann.id, Content: "hi"}); !got.Success {
		t.Error("another person was refused too")
	}
}

func TestALimitedMessageIsNotStored(t *testing.T) {
	t.Parallel()
	w := limitedWorld(t, "send_message=1/1h")
	ann, bob := w.signUp(), w.signUp()
	a := ann.connect()
	ask[wire.Sent](ann, a, "send_message", wire.NewMessage{RecipientID: bob.id, Content: "first"})
	ask[wire.Failure](ann, a, "send_message", wire.NewMessage{RecipientID: bob.id, Content: "second"})

	thread, err := bob.rest.Thread(w.ctx(), ann.id)

	if err != nil || len(thread) != 1 || thread[0].Content != "first" {
		t.Errorf("stored %+v, %v", thread, err)
	}
}

func TestLoginsAreCountedByTheAddressBehindTheProxy(t *testing.T) {
	t.Parallel()
	w := limitedWorld(t, "login=2/1h")
	ann := w.signUp()
	good := wire.LogIn{Email: ann.name + "@example.com", Password: password}
	for _, tt := range []struct {
		address string
		want    int
	}{
		{"203.0.113.1", 200}, {"203.0.113.1", 200}, {"203.0.113.1", 429},
		{"203.0.113.2", 200},
		{"198.51.100.7, 203.0.113.1", 429}, // what the client itself says is not believed
		{"2001:db8::1", 200}, {"2001:db8::2", 200}, {"2001:db8::3", 429}, {"2001:db8:0:1::1", 200},
	} {
		got, err := w.from(tt.address).Do(w.ctx(), "POST", "/api/auth/login", good)
		if err != nil || got.Status != tt.want {
			t.Errorf("from %s: answered %d %s, %v; want %d", tt.address, got.Status, got.Body, err, tt.want)
		}
	}
}

func TestMinorsNeitherUseUpSignUpsNorAreRefusedByThem(t *testing.T) {
	t.Parallel()
	w := start(t, t.TempDir(), map[string]string{"RATE_LIMIT_FACTOR": "1", "RATE_LIMITS": "signup=1/1h"})
	minor := form("minor")
	minor.Birthday = time.Now().AddDate(-17, 0, 0).Format(time.DateOnly)
	tooYoung := func() {
		t.Helper()
		got := w.do(w.rest(), "POST", "/api/auth/signup", minor, http.StatusForbidden)
		if p := decode[wire.Problem](t, got.Body); p.Code != "UNDERAGE" || !strings.HasPrefix(got.Header.Get("RateLimit-Policy"), "800;") {
			t.Errorf("answered %s, counted by %s", got.Body, got.Header.Get("RateLimit-Policy"))
		}
	}
	tooYoung()
	tooYoung()

	got := w.do(w.rest(), "POST", "/api/auth/signup", form("adult"), http.StatusCreated)

	if policy := got.Header.Get("RateLimit-Policy"); policy != "1;w=3600" {
		t.Errorf("a sign-up is counted by %s", policy)
	}
	w.do(w.rest(), "POST", "/api/auth/signup", form("adult_2"), http.StatusTooManyRequests)
	tooYoung()
}

func TestRefreshIsCountedBySessionAndNotWithEverythingElse(t *testing.T) {
	t.Parallel()
	w := limitedWorld(t, "refresh=2/1h,global=4/1h")
	var cookies []string
	for _, name := range []string{"refresher_one", "refresher_two"} {
		got, err := w.rest().Do(w.ctx(), "POST", "/api/auth/signup", form(name))
		if err != nil || got.Status != http.StatusCreated {
			t.Fatalf("sign-up answered %d %s, %v", got.Status, got.Body, err)
		}
		cookies = append(cookies, cookieOf(got))
	}
	refresh := func(of int) int {
		r := w.rest()
		r.Header = http.Header{"Cookie": {cookies[of]}}
		got, err := r.Do(w.ctx(), "POST", "/api/refresh", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.Status == http.StatusOK {
			cookies[of] = cookieOf(got)
		}
		return got.Status
	}

	for i, step := range []struct{ of, want int }{{0, 200}, {0, 200}, {0, 429}, {1, 200}, {1, 200}, {1, 429}} {
		if got := refresh(step.of); got != step.want {
			t.Errorf("refresh %d answered %d, want %d", i, got, step.want)
		}
	}
	for i, want := range []int{200, 200, 429} {
		if got, err := w.rest().Do(w.ctx(), "GET", "/api/version", nil); err != nil || got.Status != want {
			t.Errorf("request %d answered %d, %v; want %d", i, got.Status, err, want)
		}
	}
	if got, err := w.rest().Do(w.ctx(), "GET", "/api/health", nil); err != nil || got.Status != http.StatusOK {
		t.Errorf("the health check answered %d, %v", got.Status, err)
	}
}

// cookieOf returns the refresh cookie of an answer, ready to be sent.
func cookieOf(a testkit.Answer) string {
	cookie, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
	return cookie
}

func TestAskingWhoIsOnlineIsLimited(t *testing.T) {
	t.Parallel()
	w := limitedWorld(t, "get_online_users=2/1h")
	ann := w.signUp()
	c, ear := ann.listen()
	for range 3 {
		if err := c.Emit("get_online_users", nil); err != nil {
			t.Fatal(err)
		}
	}

	ask[wire.Pong](ann, c, "ping", nil) // what was sent before it has been answered

	if got := ear.count("online_users"); got != 3 {
		t.Errorf("heard %d lists, want the greeting's and two", got)
	}
}

func TestMessagesOfManyPeopleAreCountedByTheAddressBehindTheProxy(t *testing.T) {
	t.Parallel()
	w := limitedWorld(t, "send_message_address=2/1h")
	ann, bob := w.signUp(), w.signUp()
	const one, other = "203.0.113.1", "203.0.113.2"
	socketFrom := func(p *person, address string) *testkit.Conn {
		d := testkit.Dialer{Header: http.Header{"X-Forwarded-For": {address}}}
		c, err := d.Dial(w.ctx(), w.url, p.token)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	ask[wire.Sent](ann, socketFrom(ann, one), "send_message", wire.NewMessage{RecipientID: bob.id, Content: "1"})
	if got, err := w.from(one).As(bob.token).Do(w.ctx(), "POST", "/api/messages", wire.PostedMessage{Recipient: ann.id, Content: "2"}); err != nil || got.Status != http.StatusCreated {
		t.Fatalf("answered %d %s, %v", got.Status, got.Body, err)
	}

	if got := ask[wire.Failure](ann, socketFrom(ann, one), "send_message", wire.NewMessage{RecipientID: bob.id, Content: "3"}); got.Code != "RATE_LIMITED" {
		t.Errorf("the third message of the address was answered %+v", got)
	}
	if got := ask[wire.Sent](ann, socketFrom(ann, other), "send_message", wire.NewMessage{RecipientID: bob.id, Content: "4"}); !got.Success {
		t.Error("a message from another address was refused")
	}
}

// TestTransportsThatNeverAuthenticateAreFew opens transports and says nothing on them.
func TestTransportsThatNeverAuthenticateAreFew(t *testing.T) {
	t.Parallel()
	w := start(t, t.TempDir(), map[string]string{"SOCKET_MAX_PENDING_PER_ADDRESS": "2", "TRUSTED_PROXIES": "127.0.0.0/8"})
	ann := w.signUp()
	opened := func(address string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/socket.io/?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{
			"X-Forwarded-For": {address}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
		}
		resp, err := w.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp.StatusCode
	}

	for i, want := range []int{101, 101, 429} {
		if got := opened("203.0.113.1"); got != want {
			t.Errorf("transport %d was answered %d, want %d", i, got, want)
		}
	}
	ann.connect() // from elsewhere
}
