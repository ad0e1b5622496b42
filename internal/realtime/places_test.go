package realtime

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/limit"
	"pryde/internal/order"
	"pryde/internal/wire"
)

// free fails where a place among those who recover has not been given back.
func (s *stage) free(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for n := range maxRecovering {
		select {
		case s.resumes <- struct{}{}:
		case <-ctx.Done():
			t.Fatalf("%d places are lost", maxRecovering-n)
		}
	}
	for range maxRecovering {
		<-s.resumes
	}
}

func TestWhoFindsNoPlaceIsNotRecovered(t *testing.T) {
	s := newStage(t)
	pid := s.mustDial(t).PID()
	for range maxRecovering {
		s.resumes <- struct{}{}
	}
	if c, _, err := s.back(t, pid, ""); err != nil || c.PID() == pid {
		t.Errorf("beyond the bound: %v, want a new beginning", err)
	}
	<-s.resumes
	if c, _, err := s.back(t, pid, ""); err != nil || c.PID() != pid {
		t.Errorf("within the bound: not recovered, %v", err)
	}
	for range maxRecovering - 1 {
		<-s.resumes
	}
	s.free(t)
}

func TestOnePlaceIsTakenForBothLooksAndGivenBackWhateverHappens(t *testing.T) {
	s := newStage(t)
	pid := s.mustDial(t).PID()
	s.commit(t, 1_000)
	for what, tt := range map[string]struct {
		ends  error // of the session, found out between the looks
		looks []func() (bool, error)
	}{
		"recovered":                       {nil, []func() (bool, error){can, can}},
		"not certain":                     {nil, []func() (bool, error){cannot}},
		"trouble of the store":            {nil, []func() (bool, error){trouble}},
		"a bug":                           {nil, []func() (bool, error){bug}},
		"not certain at the second look":  {nil, []func() (bool, error){can, cannot}},
		"a bug at the second look":        {nil, []func() (bool, error){can, bug}},
		"a session that ended in between": {auth.ErrSessionEnded, []func() (bool, error){can}},
	} {
		t.Run(what, func(t *testing.T) {
			asked := 0
			s.set(func() {
				s.check = tt.ends
				s.feed = func(after wire.Offset, _ bool) ([]wire.Outgoing, wire.Offset, bool, error) {
					if got := len(s.resumes); got != 1 || asked == len(tt.looks) {
						t.Errorf("look %d with %d places taken, want %d looks with 1", asked+1, got, len(tt.looks))
						return nil, wire.Offset{}, false, nil
					}
					asked++
					ok, err := tt.looks[asked-1]()
					return nil, after, ok, err
				}
			})
			c, _, err := s.back(t, pid, "")
			if err == nil {
				c.Close()
			}
			s.free(t)
			if asked != len(tt.looks) {
				t.Errorf("looked %d times, want %d", asked, len(tt.looks))
			}
		})
	}
}

// What a look for missed events may come to.
func can() (bool, error)     { return true, nil }
func cannot() (bool, error)  { return false, nil }
func trouble() (bool, error) { return false, auth.ErrStoreAway }
func bug() (bool, error)     { panic("a bug") }

func TestThePlaceOfAClientThatLeftMeanwhileIsGivenBack(t *testing.T) {
	s := newStage(t)
	pid, err := s.pids.seal(placeOf(ann, wire.Offset{Database: s.database}))
	if err != nil {
		t.Fatal(err)
	}
	looking, gone := make(chan struct{}), make(chan struct{})
	s.set(func() {
		s.feed = func(after wire.Offset, _ bool) ([]wire.Outgoing, wire.Offset, bool, error) {
			close(looking)
			<-gone
			return nil, after, true, nil
		}
	})
	left := s.opened(t)
	left.post(`40{"token":"token","pid":"` + pid + `"}`)
	<-looking
	left.post("1")
	if got := len(s.resumes); got != 1 {
		t.Errorf("%d places are taken, want 1", got)
	}

	close(gone)

	s.free(t)
	left.fetch()
	if got := s.Server().Count(); got != 0 {
		t.Errorf("%d sockets, want none", got)
	}
}

func TestRecoveriesOfAUserAreLimited(t *testing.T) {
	s := newStage(t)
	pid := s.mustDial(t).PID()
	question := limit.Recovery + " " + ann.User.String()
	if slices.Contains(s.questions(), question) {
		t.Error("a client that starts anew was counted")
	}

	c, _, err := s.back(t, pid, "")
	if err != nil || c.PID() != pid || !slices.Contains(s.questions(), question) {
		t.Errorf("within the limit: %v, asked %q", err, s.questions())
	}
	s.set(func() {
		s.limited = limit.Recovery
		s.feed = func(after wire.Offset, _ bool) ([]wire.Outgoing, wire.Offset, bool, error) {
			t.Error("looked up beyond the limit")
			return nil, after, true, nil
		}
	})
	if c, _, err := s.back(t, pid, ""); err != nil || c.PID() == pid {
		t.Errorf("beyond the limit: %v, want a new beginning", err)
	}
}

func (s *stage) questions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func TestNobodyLooksTwiceWhereNothingBeganToBePublished(t *testing.T) {
	s := newStage(t)
	pid := s.mustDial(t).PID()
	s.commit(t, 4)
	for upTo, want := range map[order.Seq]int{3: 2, 4: 1, 5: 1} {
		asked := 0
		s.set(func() {
			s.feed = func(after wire.Offset, _ bool) ([]wire.Outgoing, wire.Offset, bool, error) {
				asked++
				after.Seq = upTo
				return nil, after, true, nil
			}
		})
		if _, _, err := s.back(t, pid, ""); err != nil {
			t.Fatal(err)
		}
		if asked != want {
			t.Errorf("up to %d: looked %d times, want %d", upTo, asked, want)
		}
	}
}

// TestWhatIsBeingPublishedIsLookedUp recovers a client while an event is on its way that the
// rooms heard before its socket was there.
func TestWhatIsBeingPublishedIsLookedUp(t *testing.T) {
	s := newStage(t)
	pid := s.mustDial(t).PID()
	ctx, turn := s.line.Begin(t.Context())
	order.Number(ctx, 1)
	heard, caughtUp := make(chan struct{}), make(chan struct{})
	turn.End(func() {
		close(heard)
		<-caughtUp
	})
	<-heard
	first := true
	s.set(func() {
		s.feed = func(after wire.Offset, _ bool) ([]wire.Outgoing, wire.Offset, bool, error) {
			if first {
				first = false
				return nil, after, true, nil
			}
			events, upTo := told(after, 1, "on its way")
			return events, upTo, true, nil
		}
	})

	c, before, err := s.back(t, pid, "")
	close(caughtUp)

	if err != nil || len(before) != 1 || c.PID() != pid {
		t.Errorf("told %d events, %v, want the one on its way", len(before), err)
	}
}

// A poller is a client of the polling transport.
type poller struct {
	t   *testing.T
	url string
}

// opened returns a poller with a session.
func (s *stage) opened(t *testing.T) *poller {
	t.Helper()
	p := &poller{t, s.url + "/socket.io/?EIO=4&transport=polling"}
	_, rest, ok := strings.Cut(p.do(http.MethodGet, ""), `"sid":"`)
	sid, _, found := strings.Cut(rest, `"`)
	if !ok || !found {
		t.Fatal("no session was opened")
	}
	p.url += "&sid=" + sid
	return p
}

func (p *poller) post(body string) {
	p.t.Helper()
	if got := p.do(http.MethodPost, body); got != "ok" {
		p.t.Errorf("posting was answered %q", got)
	}
}

// fetch polls once more, which a session waits for that its client has ended.
func (p *poller) fetch() { p.ask(http.MethodGet, "") }

func (p *poller) do(method, body string) string {
	p.t.Helper()
	status, answer := p.ask(method, body)
	if status != http.StatusOK {
		p.t.Fatalf("%s was answered %d %q", method, status, answer)
	}
	return answer
}

func (p *poller) ask(method, body string) (status int, answer string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// A greeter says when a socket has caught up.
type greeter struct {
	*stage
	greeted chan struct{}
}

func (g greeter) Connected(who auth.Identity) []wire.Outgoing {
	defer close(g.greeted)
	return g.stage.Connected(who)
}

// TestAFullCatchUpLeavesRoomForWhatHappensBeforeTheNextPoll fills what a client may be told
// to the last event and adds what happens live, during the catch-up and after it, while the
// client fetches nothing.
func TestAFullCatchUpLeavesRoomForWhatHappensBeforeTheNextPoll(t *testing.T) {
	for what, content := range map[string]string{"events": "", "bytes": strings.Repeat("a", 20_000)} {
		t.Run(what, func(t *testing.T) {
			s := newStage(t)
			g := greeter{s, make(chan struct{})}
			s.Greet(g)
			pid, err := s.pids.seal(placeOf(ann, wire.Offset{Database: s.database}))
			if err != nil {
				t.Fatal(err)
			}
			one, _ := told(wire.Offset{}, 1, content)
			_, size, err := s.frame(one[0])
			if err != nil {
				t.Fatal(err)
			}
			missed := min(s.maxCatchUp, s.maxCatchUpBytes/(size+8)) // the numbers grow
			live := missed / 8
			s.commit(t, 100_000)
			first := true
			s.set(func() {
				s.feed = func(after wire.Offset, _ bool) ([]wire.Outgoing, wire.Offset, bool, error) {
					if first {
						first = false
						events, upTo := told(after, missed, content)
						return events, upTo, true, nil
					}
					events, _ := told(after, live, content)
					s.Publish(events...)
					return nil, after, true, nil
				}
			})
			p := s.opened(t)

			p.post(`40{"token":"token","pid":"` + pid + `"}`)
			<-g.greeted
			events, _ := told(wire.Offset{Seq: order.Seq(missed + live)}, live, content)
			s.Publish(events...)

			var heard []string
			for want := missed + 2*live; len(heard) < want; {
				for packet := range strings.SplitSeq(p.do(http.MethodGet, ""), "\x1e") {
					if strings.Contains(packet, wire.MessageNew.Name()) {
						heard = append(heard, packet[strings.LastIndex(packet, "01020304."):])
					}
				}
			}
			for i, offset := range heard {
				if want := fmt.Sprintf("01020304.%d\"]", i+1); offset != want {
					t.Fatalf("event %d ends in %s, want %s", i+1, offset, want)
				}
			}
			p.post("1")
			p.fetch()
		})
	}
}
