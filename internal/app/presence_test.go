package app_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

// ear remembers what a socket heard, in order.
type ear struct {
	mu    sync.Mutex
	heard []string // names
	raw   []jsontext.Value
}

func (e *ear) hear(event string, raw jsontext.Value) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard, e.raw = append(e.heard, event), append(e.raw, slices.Clone(raw))
}

func (e *ear) count(event string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range e.heard {
		if name == event {
			n++
		}
	}
	return n
}

// last returns the payload of the last event with this name.
func (e *ear) last(event string) jsontext.Value {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, name := range slices.Backward(e.heard) {
		if args, err := wire.Decode[[]jsontext.Value](e.raw[i]); name == event && err == nil && len(args) > 1 {
			return args[1]
		}
	}
	return nil
}

// first returns the names of the first events.
func (e *ear) first(n int) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard[:min(n, len(e.heard))])
}

// about returns the names of the presence events about a person.
func (e *ear) about(u id.User) (names []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, name := range e.heard {
		if name != "presence:update" && name != "user_online" && name != "user_offline" {
			continue
		}
		args, err := wire.Decode[[]jsontext.Value](e.raw[i])
		if err != nil || len(args) < 2 {
			continue
		}
		if ref, err := wire.Decode[wire.UserRef](args[1]); err == nil && ref.UserID == u {
			names = append(names, name)
		}
	}
	return names
}

// listen connects and remembers what is heard from the start.
func (p *person) listen() (*testkit.Conn, *ear) {
	p.w.t.Helper()
	var e ear
	d := testkit.Dialer{OnFrame: func(dir testkit.Direction, event string, raw jsontext.Value) {
		if dir == testkit.In {
			p.w.validate(event, raw)
			e.hear(event, raw)
		}
	}}
	c, err := d.Dial(p.w.ctx(), p.w.url, p.token)
	if err != nil {
		p.w.t.Fatalf("connect: %v", err)
	}
	p.w.t.Cleanup(c.Close)
	p.await(c, "online_users")
	return c, &e
}

func TestComingIsAnnouncedOnceWhateverTheNumberOfSockets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob, eve := w.signUp(), w.signUp(), w.signUp()
	b, heard := bob.listen()
	first, own := ann.listen()
	ann.connect()
	awaitPresence(bob, b, ann.id)
	awaitPresence(ann, first, ann.id)
	first.Close()
	ann.connect()
	ann.connect()

	eve.connect()
	awaitPresence(bob, b, eve.id)

	want := []string{"presence:update", "user_online"}
	if got := heard.about(ann.id); !slices.Equal(got, want) {
		t.Errorf("bob heard %q of ann, want %q", got, want)
	}
	if got := own.about(ann.id); !slices.Equal(got, want) {
		t.Errorf("ann heard %q of herself, want %q", got, want)
	}
	if got := own.first(3); !slices.Equal(got, []string{"room:joined", "global_chat:online_count", "online_users"}) {
		t.Errorf("ann was greeted with %q", got)
	}
}

// awaitPresence returns when a socket has heard of somebody.
func awaitPresence(p *person, c *testkit.Conn, of id.User) {
	p.w.t.Helper()
	for decode[wire.UserRef](p.w.t, p.await(c, "user_online").Payload()).UserID != of {
	}
}

func TestNobodySeesAcrossABlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob, eve := w.signUp(), w.signUp(), w.signUp()
	b, bobHeard := bob.listen()
	a, annHeard := ann.listen()
	e, eveHeard := eve.listen()
	awaitPresence(bob, b, eve.id)
	awaitPresence(ann, a, eve.id)
	awaitPresence(eve, e, eve.id)

	bob.block(ann)
	for p, c := range map[*person]*testkit.Conn{ann: a, bob: b} {
		if gone := decode[wire.UserRef](t, p.await(c, "user_offline").Payload()).UserID; gone != ann.id && gone != bob.id || gone == p.id {
			t.Errorf("a block showed %s that %s went", p.name, gone)
		}
	}
	bobKnew, annKnew, eveKnew := bobHeard.about(ann.id), annHeard.about(bob.id), eveHeard.about(ann.id)
	b.Close()
	b, again := bob.listen()
	if list := decode[[]id.User](t, again.last("online_users")); slices.Contains(list, ann.id) || !slices.Contains(list, eve.id) {
		t.Errorf("bob was greeted with %v: with ann, or without eve", list)
	}
	if err := a.Emit("get_online_users", nil); err != nil {
		t.Fatal(err)
	}
	if list := decode[[]id.User](t, ann.await(a, "online_users").Payload()); slices.Contains(list, bob.id) || !slices.Contains(list, eve.id) {
		t.Errorf("ann asked and was told %v: with bob, or without eve", list)
	}
	ned := w.signUp()
	ned.connect()
	awaitPresence(bob, b, ned.id)
	awaitPresence(ann, a, ned.id)
	if got := append(again.about(ann.id), bobHeard.about(ann.id)[len(bobKnew):]...); len(got) > 0 {
		t.Errorf("bob heard %q of ann", got)
	}
	if got := annHeard.about(bob.id)[len(annKnew):]; len(got) > 0 {
		t.Errorf("ann heard %q of bob", got)
	}
	if got := eveHeard.about(ann.id); !slices.Equal(got, eveKnew) {
		t.Errorf("eve heard %q of ann, before the block %q", got, eveKnew)
	}

	bob.do(200, "DELETE", "/api/blocks/"+ann.id.String(), nil)
	awaitPresence(bob, b, ann.id)
	awaitPresence(ann, a, bob.id)
}

func TestEverybodyIsOnTheListThatTheyGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var people []id.User
	for range 3 {
		p := w.signUp()
		people = append(people, p.id)
		c, err := w.dial(p.token)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()

		got := decode[[]id.User](t, p.await(c, "online_users").Payload())

		slices.SortFunc(got, id.User.Compare)
		slices.SortFunc(people, id.User.Compare)
		if !slices.Equal(got, people) {
			t.Errorf("listed %v, want %v", got, people)
		}
	}
}
