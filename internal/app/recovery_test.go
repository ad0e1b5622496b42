package app_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pryde/internal/testkit"
	"pryde/internal/wire"
)

// A place is where a client stood when its connection ended.
type place struct{ pid, offset string }

// back connects as a client does that comes back. It returns what came before the greeting.
func (p *person) back(at place) (c *testkit.Conn, before []testkit.Event) {
	p.w.t.Helper()
	d := testkit.Dialer{PID: at.pid, Offset: at.offset, OnFrame: func(dir testkit.Direction, event string, raw jsontext.Value) {
		if dir == testkit.In {
			p.w.validate(event, raw)
		}
	}}
	c, err := d.Dial(p.w.ctx(), p.w.url, p.token)
	if err != nil {
		p.w.t.Fatalf("connect again: %v", err)
	}
	p.w.t.Cleanup(c.Close)
	for {
		e, err := c.Next(p.w.ctx())
		if err != nil {
			p.w.t.Fatalf("connect again: %v", err)
		}
		if e.Name == wire.RoomJoinedEvent.Name() {
			break
		}
		before = append(before, e)
	}
	p.await(c, wire.OnlineUsers.Name())
	return c, before
}

// lines are events as text: name, what it is about, and whether its offset is not below the one
// before it.
func lines(t *testing.T, events []testkit.Event, last string) []string {
	t.Helper()
	var out []string
	before, err := wire.ParseOffset(last)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		at, err := wire.ParseOffset(e.Offset())
		if err != nil || at.Database != before.Database || at.Seq < before.Seq {
			t.Errorf("%s with offset %q after %s", e.Name, e.Offset(), before)
		}
		before = at
		line := e.Name
		if strings.HasPrefix(e.Name, "message:new") || e.Name == "message:sent" || e.Name == "message:edited" {
			line += " " + decode[wire.Message](t, e.Payload()).Content
		}
		out = append(out, line)
	}
	return out
}

func TestWhatWasMissedIsToldOnComingBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := start(t, dir, nil)
	ann, bob := w.signUp(), w.signUp()
	b := bob.connect()
	edited, gone, hidden := ann.post(bob, "draft"), ann.post(bob, "gone"), ann.post(bob, "hidden")
	var at place
	for range 3 {
		at = place{b.PID(), bob.await(b, "message:new").Offset()}
	}
	b.Close()
	phone := bob.connect()
	ann.post(bob, "one")
	ann.do(http.StatusOK, "PUT", "/api/messages/"+edited.ID.String(), wire.EditedContent{Content: "final"})
	two := bob.post(ann, "two")
	ann.do(http.StatusOK, "DELETE", "/api/messages/"+gone.ID.String()+"?deleteForAll=true", nil)
	bob.do(http.StatusOK, "DELETE", "/api/messages/"+hidden.ID.String()+"?deleteForAll=false", nil)
	ann.post(bob, "three")
	bob.do(http.StatusOK, "PUT", "/api/messages/"+edited.ID.String()+"/read", nil)
	ann.do(http.StatusOK, "PUT", "/api/messages/"+two.ID.String()+"/delivered", nil)
	want := []string{
		"message:new one", "message:edited final", "message:sent two", "message:deleted", "message:deleted", "message:new three",
		"message:read", "message:delivered",
	}

	for _, again := range []string{"at once", "once more", "after a restart"} {
		if again == "after a restart" {
			phone.Close()
			if err := w.stop(); err != nil {
				t.Fatal(err)
			}
			w = start(t, dir, nil)
			ann, bob = ann.at(w), bob.at(w)
		}
		c, before := bob.back(at)
		if got := lines(t, before, at.offset); !slices.Equal(got, want) || c.PID() != at.pid {
			t.Errorf("%s: told %q, recovered %v; want %q", again, got, c.PID() == at.pid, want)
		}
		sent := ann.post(bob, again)
		if live := decode[wire.Message](t, bob.await(c, "message:new").Payload()); live.ID != sent.ID {
			t.Errorf("%s: the first live message is %q", again, live.Content)
		}
		want = append(want[:len(want)-2:len(want)-2], "message:new "+again, "message:read", "message:delivered")
		c.Close()
	}
}

// at is the person at another server on the same data.
func (p *person) at(w *world) *person {
	return &person{w: w, id: p.id, token: p.token, rest: w.rest().As(p.token), name: p.name}
}

func TestAClientThatHeardNothingRecoversByItsPIDAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	ann.post(bob, "known")
	b := bob.connect()
	at := place{pid: b.PID()}
	b.Close()
	if c, before := bob.back(at); c.PID() != at.pid || len(before) != 0 {
		t.Errorf("told %d events, recovered %v", len(before), c.PID() == at.pid)
	}

	m := ann.post(bob, "missed")

	c, before := bob.back(at)
	if len(before) != 1 || decode[wire.Message](t, before[0].Payload()).ID != m.ID || c.PID() != at.pid {
		t.Errorf("told %+v, recovered %v", before, c.PID() == at.pid)
	}
}

func TestNobodyRecoversWhatIsNotTheirsOrNotCertain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob, eve := w.signUp(), w.signUp(), w.signUp()
	b := bob.connect()
	ann.post(bob, "known")
	at := place{b.PID(), bob.await(b, "message:new").Offset()}
	b.Close()
	ann.post(bob, "secret")
	second, err := bob.rest.LogIn(w.ctx(), wire.LogIn{Email: bob.name + "@example.com", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := &person{w: w, id: bob.id, token: second.AccessToken, rest: bob.rest.As(second.AccessToken), name: bob.name}
	database, _, _ := strings.Cut(at.offset, ".")
	for what, tt := range map[string]struct {
		who *person
		at  place
	}{
		"another person":                {eve, at},
		"another session":               {elsewhere, at},
		"an offset of the future":       {bob, place{at.pid, database + ".1000000"}},
		"an offset of another database": {bob, place{at.pid, "00000000.1"}},
		"an offset that is none":        {bob, place{at.pid, "message:new"}},
		"a pid that is none":            {bob, place{"pid", at.offset}},
		"a pid that is too long":        {bob, place{strings.Repeat(at.pid, 100), at.offset}},
		"no pid":                        {bob, place{"", at.offset}},
	} {
		t.Run(what, func(t *testing.T) {
			c, before := tt.who.back(tt.at)
			if len(before) != 0 || c.PID() == tt.at.pid || c.PID() == "" {
				t.Errorf("told %+v, pid %q for %q", before, c.PID(), tt.at.pid)
			}
		})
	}
	eve.block(bob)
	if c, before := bob.back(at); len(before) != 1 || c.PID() != at.pid {
		t.Errorf("a block of a stranger: told %d events, recovered %v", len(before), c.PID() == at.pid)
	}
	ann.block(bob)
	if c, before := bob.back(at); len(before) != 0 || c.PID() == at.pid {
		t.Errorf("a block in the conversation: told %d events, recovered %v", len(before), c.PID() == at.pid)
	}
}

func TestMoreThanASocketTakesIsNotRecovered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	b := bob.connect()
	at := place{pid: b.PID()}
	b.Close()
	long := strings.Repeat("ä", 10_000)
	for i := range 60 {
		ann.post(bob, fmt.Sprint(i, long[10:]))
	}

	c, before := bob.back(at)

	if len(before) != 0 || c.PID() == at.pid {
		t.Errorf("told %d events, recovered %v", len(before), c.PID() == at.pid)
	}
	ann.post(bob, "live")
	if got := decode[wire.Message](t, bob.await(c, "message:new").Payload()).Content; got != "live" {
		t.Errorf("heard %.20q", got)
	}
}

// A wanderer is a client that loses its connection again and again.
type wanderer struct {
	at    place
	heard []string
	fault string
	last  wire.Offset
	full  chan struct{} // closed when everything has been heard
	want  int
}

func (v *wanderer) hear(e testkit.Event) {
	if e.Offset() == "" || v.fault != "" {
		return
	}
	at, err := wire.ParseOffset(e.Offset())
	// Who has only written so far is told with it that nothing is marked as unread.
	if receipt := e.Name == wire.MessageWasRead.Name(); receipt && err == nil && at.Seq >= v.last.Seq {
		v.last, v.at.offset = at, e.Offset()
		return
	}
	if err != nil || at.Seq <= v.last.Seq {
		v.fault = fmt.Sprintf("%s with offset %s after %s (%v)", e.Name, e.Offset(), v.last, err)
		return
	}
	v.last, v.at.offset = at, e.Offset()
	m, err := wire.Decode[wire.Message](e.Payload())
	if err != nil {
		v.fault = err.Error()
		return
	}
	v.heard = append(v.heard, m.Content)
	if len(v.heard) == v.want {
		close(v.full)
	}
}

// TestClientsThatComeAndGoMissNothingAndHearNothingTwice lets 64 clients of 4 people reconnect
// while each of the 4 writes to all others: each client hears every message once, in growing
// order.
func TestClientsThatComeAndGoMissNothingAndHearNothingTwice(t *testing.T) {
	t.Parallel()
	const people, clients, each, reconnects = 4, 16, 40, 8
	turns := make(chan struct{}, 8) // how many reconnect at once: with too many, the server lets some load instead
	w := newWorld(t)
	var all []*person
	for range people {
		all = append(all, w.signUp())
	}
	var wanderers []*wanderer
	var writers, walks sync.WaitGroup
	started := make(chan struct{})
	for _, p := range all {
		// What a person sends and gets: to three people, and from three.
		for range clients {
			v := &wanderer{full: make(chan struct{}), want: 2 * (people - 1) * each}
			wanderers = append(wanderers, v)
			d := &testkit.Dialer{OnEvent: v.hear}
			c, err := d.Dial(w.ctx(), w.url, p.token)
			if err != nil {
				t.Fatal(err)
			}
			v.at.pid = c.PID()
			walks.Go(func() {
				defer func() { c.Close() }() // what it heard is read when its goroutine has ended
				<-started
				for i := range reconnects {
					turns <- struct{}{}
					c.Close() // its goroutine has ended
					d.PID, d.Offset = v.at.pid, v.at.offset
					again, err := d.Dial(w.ctx(), w.url, p.token)
					<-turns
					if err != nil {
						t.Errorf("connect again: %v", err)
						return
					}
					if c = again; c.PID() != v.at.pid {
						t.Errorf("not recovered at the %d. time, from %q", i+1, d.Offset)
						return
					}
				}
				select {
				case <-v.full:
				case <-w.ctx().Done():
					t.Error("not everything was heard")
				}
			})
		}
		writers.Go(func() {
			<-started
			for i := range each {
				for _, to := range all {
					if to == p {
						continue
					}
					name := fmt.Sprintf("%s to %s: %d", p.name, to.name, i)
					if _, _, err := p.rest.PostMessage(w.ctx(), wire.PostedMessage{Recipient: to.id, Content: name, TempID: name}); err != nil {
						t.Errorf("post %s: %v", name, err)
					}
				}
			}
		})
	}
	close(started)
	writers.Wait()
	walks.Wait()

	for i, v := range wanderers {
		if v.fault != "" {
			t.Errorf("client %d heard %s", i, v.fault)
		}
		heard := slices.Clone(v.heard)
		slices.Sort(heard)
		if once := len(slices.Compact(heard)); once != v.want || len(v.heard) != v.want {
			t.Errorf("client %d heard %d messages, %d different ones, want %d", i, len(v.heard), once, v.want)
		}
	}
}

func TestPollingIsServedUnlessConfiguredOtherwise(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]int{"": http.StatusOK, "true": http.StatusOK, "false": http.StatusBadRequest} {
		t.Run("POLLING="+setting, func(t *testing.T) {
			vars := map[string]string{}
			if setting != "" {
				vars["POLLING"] = setting
			}
			w := start(t, t.TempDir(), vars)
			status, opened := w.poll("GET", "", "")
			if status != want {
				t.Errorf("answered %d %s, want %d", status, opened, want)
			}
			if want != http.StatusOK {
				if opened != `{"code":0,"message":"Transport unknown"}` {
					t.Errorf("answered %s", opened)
				}
			} else {
				var open struct {
					SID      string   `json:"sid"`
					Upgrades []string `json:"upgrades"`
				}
				if err := json.Unmarshal([]byte(strings.TrimPrefix(opened, "0")), &open); err != nil || !slices.Equal(open.Upgrades, []string{"websocket"}) {
					t.Errorf("opened with %s, %v", opened, err)
				}
				if status, answer := w.poll("POST", "&sid="+open.SID, "1"); status != http.StatusOK {
					t.Errorf("the end was answered %d %s", status, answer)
				}
				if status, answer := w.poll("GET", "&sid="+open.SID, ""); status != http.StatusOK && status != http.StatusBadRequest {
					t.Errorf("after the end %d %s", status, answer)
				}
			}
			w.signUp().connect()
		})
	}
}

// poll makes one request of the polling transport.
func (w *world) poll(method, query, body string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.ctx(), method, w.url+"/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}
