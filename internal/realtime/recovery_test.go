package realtime

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/order"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

func mustSealer(t *testing.T, key byte) pidSealer {
	t.Helper()
	p, err := newPIDSealer([32]byte{key}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPIDSaysWhatWasSealedInItAndNothingElse(t *testing.T) {
	sealer, again, other := mustSealer(t, 1), mustSealer(t, 1), mustSealer(t, 2)
	rapid.Check(t, func(rt *rapid.T) {
		at := placeOf(
			auth.Identity{User: id.User{3: rapid.Byte().Draw(rt, "user")}, Session: rapid.String().Draw(rt, "session")},
			wire.Offset{Database: wire.Database{rapid.Byte().Draw(rt, "database")}, Seq: order.Seq(rapid.Int64Min(0).Draw(rt, "seq"))},
		)
		pid, err := sealer.seal(at)
		if err != nil {
			rt.Fatal(err)
		}
		if got, ok := again.open(pid); !ok || got != at {
			rt.Fatalf("after a restart %+v, %v; want %+v", got, ok, at)
		}
		if _, ok := other.open(pid); ok {
			rt.Fatal("another server opened it")
		}
		raw, err := base64.RawURLEncoding.DecodeString(pid)
		if err != nil {
			rt.Fatal(err)
		}
		raw[rapid.IntRange(0, len(raw)-1).Draw(rt, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		if _, ok := sealer.open(base64.RawURLEncoding.EncodeToString(raw)); ok {
			rt.Fatal("a changed one was opened")
		}
	})
}

func FuzzPID(f *testing.F) {
	sealer, err := newPIDSealer([32]byte{1}, rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	pid, err := sealer.seal(placeOf(ann, wire.Offset{Seq: 7}))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", pid, pid[1:], pid + "A", strings.Repeat("A", len(pid)), strings.Repeat("\n", len(pid)), "æ" + pid[2:]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if at, ok := sealer.open(s); ok && s != pid {
			t.Errorf("%q was taken for a pid: %+v", s, at)
		}
	})
}

// failing is a source of randomness that has none.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no randomness") }

func TestAPIDWithoutRandomnessIsAnError(t *testing.T) {
	sealer, err := newPIDSealer([32]byte{1}, failing{})
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := sealer.seal(place{}); err == nil {
		t.Errorf("sealed %q", pid)
	}
}

// told returns so many events of growing numbers after an offset.
func told(after wire.Offset, n int, content string) ([]wire.Outgoing, wire.Offset) {
	var out []wire.Outgoing
	for range n {
		after.Seq++
		out = append(out, wire.MessageNew.At(after.Seq, wire.UserRoom(ann.User), wire.Message{Seq: after.Seq, Content: content}))
	}
	return out, after
}

// commit publishes nothing under a number, so that a look at what was committed before is not
// the last.
func (s *stage) commit(t *testing.T, seq order.Seq) {
	t.Helper()
	ctx, turn := s.line.Begin(t.Context())
	order.Number(ctx, seq)
	begun := make(chan struct{})
	turn.End(func() { close(begun) })
	<-begun
}

// back connects with a pid and an offset and returns what came before the greeting.
func (s *stage) back(t *testing.T, pid, offset string) (c *testkit.Conn, before []testkit.Event, err error) {
	t.Helper()
	d := testkit.Dialer{PID: pid, Offset: offset}
	if c, err = d.Dial(t.Context(), s.url, "token"); err != nil {
		return nil, nil, err
	}
	t.Cleanup(c.Close)
	for {
		e, err := c.Next(t.Context())
		if err != nil {
			return c, before, err
		}
		if e.Name == wire.RoomJoinedEvent.Name() {
			return c, before, nil
		}
		before = append(before, e)
	}
}

func TestRecoveryIsRefusedWhereItIsNotCertain(t *testing.T) {
	s := newStage(t)
	pid := s.mustDial(t).PID()
	s.commit(t, 1_000)
	s.set(func() {
		s.feed = func(after wire.Offset, _ bool) ([]wire.Outgoing, wire.Offset, bool, error) {
			events, upTo := told(after, 1, "missed")
			return events, upTo, after.Seq <= 100, nil // beyond is the future; each of the two looks finds one
		}
	})
	foreign, err := s.pids.seal(placeOf(auth.Identity{User: id.User{1}, Session: ann.Session}, wire.Offset{Database: s.database}))
	if err != nil {
		t.Fatal(err)
	}
	past, err := s.pids.seal(placeOf(auth.Identity{User: ann.User, Session: "before"}, wire.Offset{Database: s.database}))
	if err != nil {
		t.Fatal(err)
	}
	changed := "A" + pid[1:]
	if changed == pid {
		changed = "B" + pid[1:]
	}
	for what, tt := range map[string]struct {
		pid, offset string
		recovered   bool
	}{
		"no offset":                     {pid, "", true},
		"an offset":                     {pid, "01020304.5", true},
		"garbage for a pid":             {"garbage", "01020304.5", false},
		"a pid that is far too long":    {strings.Repeat(pid, 200), "01020304.5", false},
		"a changed pid":                 {changed, "01020304.5", false},
		"the pid of another person":     {foreign, "01020304.5", false},
		"the pid of another session":    {past, "01020304.5", false},
		"an offset that is none":        {pid, "room:joined", false},
		"an offset of the beginning":    {pid, "0", false},
		"a negative offset":             {pid, "01020304.-5", false},
		"an offset beyond numbers":      {pid, "01020304.99999999999999999999", false},
		"an offset of another database": {pid, "01020305.5", false},
		"an offset of the future":       {pid, "01020304.101", false},
	} {
		t.Run(what, func(t *testing.T) {
			c, before, err := s.back(t, tt.pid, tt.offset)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.PID() == tt.pid; got != tt.recovered || (len(before) == 2) != tt.recovered {
				t.Errorf("recovered %v, told %+v before the greeting", got, before)
			}
			if c.PID() == "" {
				t.Error("there is no pid for the next time")
			}
		})
	}
}

func TestTheNewerOfPIDAndOffsetCounts(t *testing.T) {
	s := newStage(t)
	pid, err := s.pids.seal(placeOf(ann, wire.Offset{Database: s.database, Seq: 50}))
	if err != nil {
		t.Fatal(err)
	}
	s.commit(t, 1_000)
	type question struct {
		seq    order.Seq
		partly bool
	}
	for offset, want := range map[string]question{"": {50, false}, "01020304.7": {50, false}, "01020304.50": {50, false}, "01020304.51": {51, true}} {
		var asked []question
		s.set(func() {
			s.feed = func(after wire.Offset, partly bool) ([]wire.Outgoing, wire.Offset, bool, error) {
				asked = append(asked, question{after.Seq, partly})
				after.Seq += 10
				return nil, after, true, nil
			}
		})
		if _, _, err := s.back(t, pid, offset); err != nil {
			t.Fatal(err)
		}
		if want := []question{want, {want.seq + 10, false}}; !slices.Equal(asked, want) {
			t.Errorf("with offset %q asked %+v, want %+v", offset, asked, want)
		}
	}
}

func TestWhatIsPublishedDuringACatchUpComesBehindItAndOnce(t *testing.T) {
	s := newStage(t)
	pid := s.mustDial(t).PID()
	s.commit(t, 1_000)
	asked := 0
	s.set(func() {
		s.feed = func(after wire.Offset, _ bool) ([]wire.Outgoing, wire.Offset, bool, error) {
			if asked++; asked == 2 { // the socket is in its rooms
				s.Publish(
					wire.MessageNew.At(3, wire.UserRoom(ann.User), wire.Message{Content: "told by the feed too"}),
					wire.MessageNew.At(5, wire.UserRoom(ann.User), wire.Message{Content: "live"}),
				)
			}
			events, upTo := told(after, 2, "missed")
			return events, upTo, true, nil
		}
	})

	c, before, err := s.back(t, pid, "")
	if err != nil {
		t.Fatal(err)
	}

	var offsets []string
	for _, e := range before {
		offsets = append(offsets, e.Offset())
	}
	if want := []string{"01020304.1", "01020304.2", "01020304.3", "01020304.4", "01020304.5"}; !slices.Equal(offsets, want) || c.PID() != pid {
		t.Errorf("heard %q before the greeting, want %q; recovered %v", offsets, want, c.PID() == pid)
	}
}

func TestTooMuchToSendAtOnceIsNotRecovered(t *testing.T) {
	s := newStage(t)
	pid := s.mustDial(t).PID()
	for what, tt := range map[string]struct {
		events    int
		content   string
		recovered bool
	}{
		"1,000 messages":                      {1_000, "hello", true},
		"as many events as there is room for": {s.maxCatchUp, "", true},
		"more events than there is room for":  {s.maxCatchUp + 1, "", false},
		"more bytes than there is room for":   {100, strings.Repeat("ä", 10_000), false},
		"as many bytes as there is room for":  {30, strings.Repeat("ä", 10_000), true},
	} {
		t.Run(what, func(t *testing.T) {
			s.set(func() {
				s.feed = func(after wire.Offset, _ bool) ([]wire.Outgoing, wire.Offset, bool, error) {
					events, upTo := told(after, tt.events, tt.content)
					return events, upTo, true, nil
				}
			})
			c, before, err := s.back(t, pid, "")
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			if tt.recovered {
				want = tt.events
			}
			if len(before) != want || (c.PID() == pid) != tt.recovered {
				t.Errorf("told %d events, recovered %v; want %d, %v", len(before), c.PID() == pid, want, tt.recovered)
			}
		})
	}
}

func TestTwoLooksThatFindTooMuchTogetherSendTheClientAway(t *testing.T) {
	s := newStage(t)
	pid := s.mustDial(t).PID()
	s.commit(t, 10_000)
	s.set(func() {
		s.feed = func(after wire.Offset, _ bool) ([]wire.Outgoing, wire.Offset, bool, error) {
			events, upTo := told(after, s.maxCatchUp/2+1, "")
			return events, upTo, true, nil
		}
	})
	if _, before, err := s.back(t, pid, ""); !errors.Is(err, testkit.ErrClosed) || len(before) != 0 {
		t.Errorf("heard %d events, %v; want a closed transport", len(before), err)
	}
	s.free(t)
}

func TestACatchUpThatFailsSendsTheClientAwayOnce(t *testing.T) {
	s := newStage(t)
	pid := s.mustDial(t).PID()
	s.commit(t, 1_000)
	for what, trouble := range map[string]error{"a block came": nil, "the store is away": auth.ErrStoreAway} {
		t.Run(what, func(t *testing.T) {
			asked := 0
			s.set(func() {
				s.feed = func(after wire.Offset, _ bool) ([]wire.Outgoing, wire.Offset, bool, error) {
					if asked++; asked == 1 {
						return nil, after, true, nil
					}
					return nil, wire.Offset{}, false, trouble
				}
			})
			_, before, err := s.back(t, pid, "")
			if !errors.Is(err, testkit.ErrClosed) || len(before) != 0 {
				t.Fatalf("heard %+v, %v; want a closed transport", before, err)
			}
			s.set(func() {
				s.feed = func(after wire.Offset, _ bool) ([]wire.Outgoing, wire.Offset, bool, error) {
					return nil, after, false, nil
				}
			})
			c, _, err := s.back(t, pid, "")
			if err != nil || c.PID() == pid {
				t.Errorf("the next attempt: %v, want a new beginning", err)
			}
		})
	}
}

func TestTroubleOfTheStoreLosesNoState(t *testing.T) {
	s := newStage(t)
	pid := s.mustDial(t).PID()
	s.set(func() {
		s.feed = func(wire.Offset, bool) ([]wire.Outgoing, wire.Offset, bool, error) {
			return nil, wire.Offset{}, false, auth.ErrStoreAway
		}
	})
	_, _, err := s.back(t, pid, "")
	var refused *testkit.RefusedError
	if err == nil || errors.As(err, &refused) {
		t.Fatalf("got %v, want a closed transport", err)
	}
	s.set(func() { s.feed = nil })
	if c, _, err := s.back(t, pid, ""); err != nil || c.PID() != pid {
		t.Errorf("not recovered afterwards: %v", err)
	}
}

func TestASessionThatHasEndedIsToldNothingThatWasMissed(t *testing.T) {
	s := newStage(t)
	pid := s.mustDial(t).PID()
	s.set(func() {
		s.check = auth.ErrSessionEnded // after the verdict, before the rooms
		s.feed = func(after wire.Offset, _ bool) ([]wire.Outgoing, wire.Offset, bool, error) {
			events, upTo := told(after, 1, "secret")
			return events, upTo, true, nil
		}
	})
	d := testkit.Dialer{PID: pid}
	c, err := d.Dial(t.Context(), s.url, "token")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	if e, err := c.Next(t.Context()); err != nil || e.Name != wire.LogoutForced.Name() {
		t.Errorf("heard %+v, %v; want force_logout alone", e, err)
	}
	closed(t, c)
}

// TestOnlyDurableEventsEndInAText sends an example of every event of the catalogue to a socket:
// clients keep the last argument as their offset where it is a text.
func TestOnlyDurableEventsEndInAText(t *testing.T) {
	s := newStage(t)
	c := s.mustDial(t)
	for i, spec := range wire.Events() {
		if spec.Direction != wire.FromServer {
			continue
		}
		raw, err := os.ReadFile(filepath.Join("..", "wire", "testdata", "events", spec.Key()+".json"))
		if err != nil {
			t.Fatal(err)
		}
		out := wire.Outgoing{Rooms: []wire.Room{wire.SocketRoom(c.ID())}, Name: spec.Name, Payload: wire.Raw(raw)}
		if spec.Durable {
			out.Seq = order.Seq(i + 1)
		}

		s.Publish(out)

		e := await(t, c, spec.Name)
		last := e.Args[len(e.Args)-1]
		switch {
		case spec.Durable:
			if want := (wire.Offset{Database: s.database, Seq: out.Seq}).String(); e.Offset() != want || len(e.Args) != 2 {
				t.Errorf("%s ends in %s, want the offset %s", spec.Name, last, want)
			}
		case len(e.Args) != 1 || last.Kind() != '{' && last.Kind() != '[':
			t.Errorf("%s ends in %s, want an object or an array", spec.Name, last)
		}
	}
}
