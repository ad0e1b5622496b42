// Package storetest holds what every store must do, sentence by sentence of the interfaces
// that stores implement. It knows no particular store.
package storetest

import (
	"context"
	"encoding/binary"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/people"
)

// Stores are the parts of one empty database.
type Stores struct {
	Messages message.Store
	Groups   message.GroupStore
	People   people.Store
	Ties     people.Ties
	Factors  people.SecondFactors
	Sessions auth.SessionStore
	// Slow says that every call crosses a network: the property test makes fewer operations.
	Slow bool
}

// Run runs every test. open returns an empty database that the end of the test closes.
func Run(t *testing.T, open func(*testing.T) Stores) {
	t.Run("Messages", func(t *testing.T) { Messages(t, open) })
	t.Run("Groups", func(t *testing.T) { Groups(t, open) })
	t.Run("People", func(t *testing.T) { People(t, open) })
	t.Run("Ties", func(t *testing.T) { Ties(t, open) })
	t.Run("Credentials", func(t *testing.T) { Credentials(t, open) })
	t.Run("SecondFactors", func(t *testing.T) { SecondFactors(t, open) })
	t.Run("Sessions", func(t *testing.T) { Sessions(t, open) })
}

// start is the time at which every test begins.
var start = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func user(n int) (u id.User) {
	u[0] = 0x65
	binary.BigEndian.PutUint32(u[8:], uint32(n))
	return u
}

func messageID(n int) (m id.Message) {
	m[0] = 0x66
	binary.BigEndian.PutUint32(m[8:], uint32(n))
	return m
}

var (
	alice = user(1)
	bob   = user(2)
	carol = user(3)
)

func groupID(n int) (g id.Group) {
	g[0] = 0x67
	binary.BigEndian.PutUint32(g[8:], uint32(n))
	return g
}

// A tester is a test, or one story of a property test.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Error(args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
	Failed() bool
	Context() context.Context
}

// A desk sends and checks messages of one test.
type desk struct {
	t      tester
	store  message.Store
	groups message.GroupStore
	slow   bool
	sent   int
	formed int // groups
}

func newDesk(t *testing.T, open func(*testing.T) Stores) *desk { return deskOf(t, open(t)) }

func deskOf(t *testing.T, s Stores) *desk {
	return &desk{t: t, store: s.Messages, groups: s.Groups, slow: s.Slow}
}

// draft returns a draft that no other resembles, a second after the one before.
func (d *desk) draft(from, to id.User, text string) message.Draft {
	d.sent++
	return message.Draft{
		ID: messageID(d.sent), Sender: from, Recipient: to, Content: text,
		Fingerprint: message.Fingerprint{1, byte(d.sent), byte(d.sent >> 8)},
		At:          start.Add(time.Duration(d.sent) * time.Second),
	}
}

func (d *desk) send(from, to id.User, text string) message.Message {
	d.t.Helper()
	return d.append(d.draft(from, to, text))
}

// append stores a draft that must be new.
func (d *desk) append(draft message.Draft) message.Message {
	d.t.Helper()
	m, again, err := d.store.Append(d.t.Context(), draft)
	if err != nil || again {
		d.t.Fatalf("Append of %q: again %v, error %v; want a new message", draft.Content, again, err)
	}
	return m
}

// seenBy returns who sees a message, sorted.
func (d *desk) seenBy(m id.Message) []id.User {
	d.t.Helper()
	got, err := d.store.SeenBy(d.t.Context(), m)
	if err != nil {
		d.t.Fatalf("SeenBy(%v): %v", m, err)
	}
	slices.SortFunc(got, id.User.Compare)
	return got
}

// find reads a message that must be there.
func (d *desk) find(m id.Message) message.Message {
	d.t.Helper()
	got, err := d.store.Message(d.t.Context(), m)
	if err != nil {
		d.t.Fatalf("Message(%v): %v", m, err)
	}
	return got
}

func (d *desk) markRead(u id.User, m id.Message) message.Message {
	d.t.Helper()
	r, err := d.store.MarkRead(d.t.Context(), u, m, d.now())
	return d.made(r.Message, r.Read, err)
}

func (d *desk) deleteForAll(m id.Message) message.Message {
	d.t.Helper()
	return d.made(d.store.DeleteForAll(d.t.Context(), m, d.now()))
}

func (d *desk) deleteForSelf(m id.Message, u id.User) message.Message {
	d.t.Helper()
	return d.made(d.store.DeleteForSelf(d.t.Context(), m, u, d.now()))
}

func (d *desk) made(m message.Message, changed bool, err error) message.Message {
	d.t.Helper()
	if err != nil || !changed {
		d.t.Fatalf("the change reported %v and error %v; want it made", changed, err)
	}
	return m
}

func (d *desk) now() time.Time { return start.Add(time.Duration(d.sent) * time.Second) }

// page reads the whole conversation as viewer sees it.
func (d *desk) page(a, b, viewer id.User) []message.Message {
	d.t.Helper()
	return d.thread(message.Between(a, b), viewer)
}

// thread is page for a conversation of any kind.
func (d *desk) thread(c message.Conversation, viewer id.User) []message.Message {
	d.t.Helper()
	p, err := d.store.PageBefore(d.t.Context(), c, viewer, id.Message{}, 1000)
	if err != nil || p.More {
		d.t.Fatalf("PageBefore: more %v, error %v; want all of a short conversation", p.More, err)
	}
	return p.Items
}

func (d *desk) rows(u id.User) []message.Row {
	d.t.Helper()
	p, err := d.store.Rows(d.t.Context(), u, id.Message{}, 1000)
	if err != nil || p.More {
		d.t.Fatalf("Rows: more %v, error %v; want all of a short list", p.More, err)
	}
	return p.Items
}

// row is the only row that a person has.
func (d *desk) row(u id.User) message.Row {
	d.t.Helper()
	rows := d.rows(u)
	if len(rows) != 1 {
		d.t.Fatalf("%d rows, want 1", len(rows))
	}
	return rows[0]
}

func (d *desk) unread(u id.User) map[id.User]int {
	d.t.Helper()
	n, err := d.store.Unread(d.t.Context(), u)
	if err != nil {
		d.t.Fatalf("Unread: %v", err)
	}
	return n
}

func (d *desk) since(u id.User, after order.Seq) message.Changes {
	d.t.Helper()
	c, err := d.store.Since(d.t.Context(), u, after, 1000)
	if err != nil {
		d.t.Fatalf("Since(%d): %v", after, err)
	}
	return c
}

// same compares values, an empty list being the same as none.
func same(t tester, what string, got, want any) {
	t.Helper()
	// Most comparisons are of equal values, and explaining a difference is slow.
	if reflect.DeepEqual(got, want) {
		return
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

func ids(messages []message.Message) []id.Message {
	var list []id.Message
	for _, m := range messages {
		list = append(list, m.ID)
	}
	return list
}

// published returns the numbers of what was published, in that order, after every turn has
// ended. end ends the turns.
func published(line *order.Line, end func(publish func(order.Seq) func())) []order.Seq {
	var seqs []order.Seq
	end(func(n order.Seq) func() { return func() { seqs = append(seqs, n) } })
	line.Close()
	return seqs
}

// queuedThenCancelled returns a context that ends as soon as its operation is queued.
func queuedThenCancelled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	return order.OnQueued(ctx, cancel)
}
