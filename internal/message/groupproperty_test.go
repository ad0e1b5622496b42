package message_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/wire"
)

// A crowd is one story of four people in two groups, on three devices each.
type crowd struct {
	*rapid.T
	ctx     context.Context
	w       *world
	people  []id.User
	circles []*circle
	devices []*pane
	clock   int // of what happened
}

// TestWhatMembersSeeEqualsARecount lets people do anything in groups, come, go and come back: what
// each is shown, and what each of their devices has learned by sync and by recovering, cut off
// anywhere, is what a model counts; and who is out sees nothing.
func TestWhatMembersSeeEqualsARecount(t *testing.T) {
	now := time.Now()
	w := open(t, t.TempDir(), everybody{}, func(o *message.Options) {
		// No two things happen at once, so that it is certain who came before what was written.
		o.Now = func() time.Time { now = now.Add(time.Millisecond); return now }
	})
	runs := uint32(0)
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		r := &crowd{T: rt, ctx: t.Context(), w: w}
		for i := range byte(4) {
			u := id.User{0: 3, 11: i}
			binary.BigEndian.PutUint32(u[4:], runs)
			r.people = append(r.people, u)
		}
		for range 2 {
			r.found()
		}
		for _, u := range r.people {
			for i := range 3 {
				d := &pane{owner: u, syncs: i == 0}
				r.load(d)
				r.devices = append(r.devices, d)
			}
		}
		for range operationsPerRun {
			r.step()
			r.check()
		}
		for _, d := range r.devices {
			r.update(d, false)
		}
		w.forget()
	})
}

// found makes a group.
func (r *crowd) found() {
	r.Helper()
	founder := rapid.SampledFrom(r.people).Draw(r.T, "founder")
	others := rapid.SliceOfDistinct(rapid.SampledFrom(r.people), rapid.ID[id.User]).Draw(r.T, "members")
	g, err := r.w.create(auth.Identity{User: founder}, wire.NewGroup{Name: "group", MemberIDs: others})
	if err != nil {
		r.Fatal(err)
	}
	c := &circle{id: g.ID, name: "group"}
	c.join(founder)
	c.members[0].admin = true
	for _, u := range others {
		if u != founder {
			c.join(u)
		}
	}
	r.touch(c)
	r.circles = append(r.circles, c)
}

func (r *crowd) touch(c *circle) {
	r.clock++
	c.touched = r.clock
}

// step lets somebody do one thing, or a device learn what happened.
func (r *crowd) step() {
	op := rapid.SampledFrom([]string{
		"send", "send", "send", "edit", "delete", "hide", "read", "read", "deliver", "like", "unlike",
		"add", "add", "remove", "leave", "admin", "rename", "archive", "mute", "mark", "unmark", "clear",
		"update", "update", "cut",
	}).Draw(r.T, "operation")
	switch op {
	case "update", "cut":
		r.update(rapid.SampledFrom(r.devices).Draw(r.T, "device"), op == "cut")
		return
	}
	c := rapid.SampledFrom(r.circles).Draw(r.T, "group")
	who := auth.Identity{User: rapid.SampledFrom(r.people).Draw(r.T, "who")}
	switch op {
	case "send":
		r.send(c, who)
	case "add", "remove", "leave", "admin", "rename":
		r.regroup(op, c, who, rapid.SampledFrom(r.people).Draw(r.T, "whom"))
	case "archive", "mute", "mark", "unmark", "clear":
		r.arrange(op, c, who)
	default:
		if n := len(c.messages); n > 0 {
			r.change(op, c, who, rapid.IntRange(max(1, n-4), n).Draw(r.T, "message"))
		}
	}
}

func (r *crowd) expect(op string, err error, code string) {
	r.Helper()
	if code == "" && err != nil || code != "" && (err == nil || fault.Of(err).Code != code) {
		r.Fatalf("%s: %v, want code %q", op, err, code)
	}
}

// outside is what somebody hears who is not in a group.
func (c *circle) outside(u id.User) string {
	switch {
	case len(c.members) == 0:
		return "GROUP_NOT_FOUND"
	case c.member(u) == nil:
		return "NOT_A_MEMBER"
	}
	return ""
}

func (r *crowd) send(c *circle, who auth.Identity) {
	r.clock++
	in := wire.NewMessage{GroupChatID: c.id, Content: fmt.Sprintf("message %d", r.clock), TempID: fmt.Sprint(r.clock)}
	d, err := r.w.send(who, in)
	r.expect("send", err, c.outside(who.User))
	if err != nil {
		return
	}
	if again, err := r.w.send(who, in); err != nil || !again.Duplicate || again.Message.ID != d.Message.ID {
		r.Fatalf("the repeat answered %+v, %v", again, err)
	}
	c.messages = append(c.messages, &utterance{
		id: d.Message.ID, from: who.User, text: in.Content, hidden: map[id.User]bool{}, liked: map[id.User]bool{},
	})
	r.touch(c)
}

// change does something with the message at a place.
func (r *crowd) change(op string, c *circle, who auth.Identity, place int) {
	m, u := c.messages[place-1], who.User
	want := ""
	switch {
	case c.member(u) == nil, m.hidden[u] && op != "delete" && op != "hide":
		want = "MESSAGE_NOT_FOUND"
	case m.from != u && (op == "edit" || op == "delete"):
		want = "NOT_AUTHORIZED"
	case m.gone && (op == "edit" || op == "like" || op == "unlike"):
		want = "MESSAGE_DELETED"
	}
	var err error
	switch op {
	case "edit":
		_, err = r.w.edit(who, m.id, m.text+"!")
	case "delete":
		_, err = r.w.delete(who, m.id, true)
	case "hide":
		_, err = r.w.delete(who, m.id, false)
	case "read":
		_, err = r.w.read(who, m.id)
	case "deliver":
		_, err = r.w.delivered(who, m.id)
	case "like":
		_, err = r.w.react(who, m.id, "👍")
	case "unlike":
		_, err = r.w.unreact(who, m.id, "👍")
	}
	r.expect(op, err, want)
	if err == nil {
		c.apply(op, c.member(u), m, place)
	}
}

func (c *circle) apply(op string, who *membership, m *utterance, place int) {
	switch {
	case op == "edit":
		m.text += "!"
	case op == "delete":
		m.gone, m.text, m.liked = true, "", map[id.User]bool{}
	case op == "hide":
		m.hidden[who.user] = true
	case op == "like":
		m.liked[who.user] = true
	case op == "unlike":
		delete(m.liked, who.user)
	case m.from == who.user: // one's own message is neither read nor delivered
	case op == "read":
		who.marked = false
		if place > who.read {
			who.read, who.hasRead = place, true
		}
		if place > who.delivered {
			who.delivered, who.hasGot = place, true
		}
	case op == "deliver":
		if place > who.delivered {
			who.delivered, who.hasGot = place, true
		}
	}
}

// regroup changes a group itself.
func (r *crowd) regroup(op string, c *circle, who auth.Identity, whom id.User) {
	before := c.facts()
	want := c.outside(who.User)
	if want == "" && op != "leave" && (op != "remove" || whom != who.User) {
		switch {
		case !c.isAdmin(who.User):
			want = "ADMINS_ONLY"
		case op == "remove" && c.member(whom) == nil, op == "admin" && c.member(whom) == nil:
			want = "MEMBER_NOT_FOUND"
		case op == "admin" && c.isAdmin(whom) && len(c.admins()) == 1:
			want = "LAST_ADMIN"
		}
	}
	var err error
	switch op {
	case "add":
		_, err = r.w.add(who, c.id, whom)
	case "remove":
		_, err = r.w.remove(who, c.id, whom)
	case "leave":
		_, err = r.w.leave(who, c.id)
	case "admin":
		_, err = r.w.role(who, c.id, whom, !c.isAdmin(whom))
	case "rename":
		_, err = r.w.rename(who, c.id, c.name+"'")
	}
	r.expect(op, err, want)
	if err != nil {
		return
	}
	switch op {
	case "add":
		if c.member(whom) == nil {
			c.join(whom)
		}
	case "remove":
		c.leave(whom)
	case "leave":
		c.leave(who.User)
	case "admin":
		c.member(whom).admin = !c.member(whom).admin
	case "rename":
		c.name += "'"
	}
	if c.facts() != before {
		r.touch(c)
	}
	if len(c.members) == 0 {
		r.found()
	}
}

func (c *circle) admins() []id.User {
	var out []id.User
	for _, m := range c.members {
		if m.admin {
			out = append(out, m.user)
		}
	}
	return out
}

// facts are what a group itself is, as text.
func (c *circle) facts() string {
	var us []id.User
	for _, m := range c.members {
		us = append(us, m.user)
	}
	return fmt.Sprint(c.name, us, c.admins())
}

// arrange changes what is a member's own.
func (r *crowd) arrange(op string, c *circle, who auth.Identity) {
	m := c.member(who.User)
	var err error
	set := func(f func(context.Context, auth.Identity, id.Group) (wire.Outcome[wire.ConversationChanged], error)) {
		_, err = do(r.w, func(ctx context.Context) (wire.Outcome[wire.ConversationChanged], error) { return f(ctx, who, c.id) })
	}
	switch op {
	case "archive":
		set(r.w.ArchiveGroup)
	case "mute":
		_, err = do(r.w, func(ctx context.Context) (wire.Outcome[wire.ConversationMuted], error) {
			return r.w.MuteGroup(ctx, who, c.id, wire.Muting{})
		})
	case "mark":
		set(r.w.MarkGroupUnread)
	case "unmark":
		_, err = do(r.w, func(ctx context.Context) (wire.Outcome[wire.ConversationMarkedRead], error) {
			return r.w.UnmarkGroupUnread(ctx, who, c.id)
		})
	case "clear":
		err = r.w.clearGroup(who, c.id)
	}
	r.expect(op, err, c.outside(who.User))
	if err != nil {
		return
	}
	switch op {
	case "archive":
		m.archived = true
	case "mute":
		m.muted = true
	case "mark":
		m.marked = true
	case "unmark":
		m.marked = false
	case "clear":
		m.marked = false
		for _, place := range c.visible(who.User) {
			c.messages[place-1].hidden[who.User] = true
		}
	}
}

// check compares what everybody is shown with the model.
func (r *crowd) check() {
	r.Helper()
	for _, u := range r.people {
		who := auth.Identity{User: u}
		page, err := r.w.Groups(r.ctx, who, wire.GroupQuery{Limit: 100})
		if err != nil {
			r.Fatal(err)
		}
		var got []string
		for _, row := range page.Items {
			got = append(got, shownGroup(row))
		}
		if diff := cmp.Diff(rows(r.circles, u), got); diff != "" {
			r.Fatalf("groups of %s (-want +got):\n%s", u, diff)
		}
		unread, err := r.w.Unread(r.ctx, who)
		if err != nil {
			r.Fatal(err)
		}
		total := 0
		want := map[id.Group]int{}
		for _, c := range r.circles {
			if n := c.unread(u); n > 0 {
				total += n
				want[c.id] = n
			}
		}
		counts := map[id.Group]int{}
		for _, g := range unread.UnreadByGroup {
			counts[g.GroupChatID] = g.Count
		}
		if diff := cmp.Diff(want, counts); diff != "" || unread.TotalUnread != total {
			r.Fatalf("%s has %d unread, want %d (-want +got):\n%s", u, unread.TotalUnread, total, diff)
		}
	}
}
