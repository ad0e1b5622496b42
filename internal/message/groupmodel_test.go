package message_test

import (
	"cmp"
	"fmt"
	"slices"

	"pryde/internal/id"
	"pryde/internal/wire"
)

// A circle is a group as a model knows it, by looking at everything that happened each time.
// Places count from 1; 0 is none.
type circle struct {
	id       id.Group
	name     string
	members  []*membership // in the order in which they came
	messages []*utterance
	touched  int // when somebody last wrote, or the group itself changed
}

// A membership is somebody in a group, and what is their own there.
type membership struct {
	user                    id.User
	admin                   bool
	joined                  int // the place of the newest message when they came
	read, delivered         int
	hasRead, hasGot         bool // the mark was moved since they came
	archived, muted, marked bool
}

// An utterance is a message in a group.
type utterance struct {
	id     id.Message
	from   id.User
	text   string
	gone   bool             // deleted for all
	hidden map[id.User]bool // deleted for themselves
	liked  map[id.User]bool
}

func (c *circle) member(u id.User) *membership {
	i := slices.IndexFunc(c.members, func(m *membership) bool { return m.user == u })
	if i < 0 {
		return nil
	}
	return c.members[i]
}

func (c *circle) isAdmin(u id.User) bool {
	m := c.member(u)
	return m != nil && m.admin
}

func (c *circle) join(u id.User) {
	n := len(c.messages)
	c.members = append(c.members, &membership{user: u, joined: n, read: n, delivered: n})
}

// leave takes somebody out. The last admin is followed by whoever came first.
func (c *circle) leave(u id.User) {
	c.members = slices.DeleteFunc(c.members, func(m *membership) bool { return m.user == u })
	if len(c.members) > 0 && !slices.ContainsFunc(c.members, func(m *membership) bool { return m.admin }) {
		c.members[0].admin = true
	}
}

// name is the message at a place.
func (c *circle) at(place int) id.Message {
	if place == 0 {
		return id.Message{}
	}
	return c.messages[place-1].id
}

// visible are the places of what somebody can see.
func (c *circle) visible(u id.User) []int {
	var places []int
	for i, m := range c.messages {
		if c.member(u) != nil && !m.hidden[u] {
			places = append(places, i+1)
		}
	}
	return places
}

func (c *circle) unread(u id.User) int {
	n := 0
	for _, place := range c.visible(u) {
		if m := c.messages[place-1]; m.from != u && !m.gone && place > c.member(u).read {
			n++
		}
	}
	return n
}

// readers are how many have read a message, and how many it has reached.
func (c *circle) readers(place int) (read, got int) {
	for _, m := range c.members {
		if m.user == c.messages[place-1].from || m.joined >= place {
			continue
		}
		if m.hasRead && m.read >= place {
			read++
		}
		if m.hasGot && m.delivered >= place {
			got++
		}
	}
	return read, got
}

// thread is what somebody sees, as text by message.
func (c *circle) thread(u id.User) map[id.Message]string {
	out := map[id.Message]string{}
	for _, place := range c.visible(u) {
		m := c.messages[place-1]
		out[m.id] = likedText(shownText(m.text, m.gone), len(m.liked))
	}
	return out
}

func likedText(text string, likes int) string { return fmt.Sprintf("%s, %d likes", text, likes) }

// row is the group in somebody's list, as text.
func (c *circle) row(u id.User) string {
	m, last, text := c.member(u), id.Message{}, ""
	if places := c.visible(u); len(places) > 0 {
		newest := c.messages[places[len(places)-1]-1]
		last, text = newest.id, newest.text
	}
	return circleText(c.id, c.name, last, text, c.unread(u), len(c.members), m.marked, m.archived, m.muted, c.at(m.read))
}

func circleText(g id.Group, name string, last id.Message, text string, unread, members int, marked, archived, muted bool, read id.Message) string {
	return fmt.Sprintf("%s %q: %s %q, %d unread, %d members, marked %v archived %v muted %v, read %s",
		g, name, last, text, unread, members, marked, archived, muted, read)
}

// shownGroup is a row as the service shows it, as text.
func shownGroup(r wire.GroupRow) string {
	var last, read id.Message
	text := ""
	if r.LastMessage != nil {
		last, text = r.LastMessage.ID, r.LastMessage.Content
	}
	if r.LastReadMessageID != nil {
		read = *r.LastReadMessageID
	}
	return circleText(r.ID, r.Name, last, text, r.UnreadCount, r.MemberCount, r.ManuallyUnread, r.Archived, r.Muted, read)
}

// rows is somebody's list of groups as text, that with the newest message or change first.
func rows(circles []*circle, u id.User) []string {
	circles = slices.Clone(circles)
	slices.SortFunc(circles, func(a, b *circle) int { return cmp.Compare(b.touched, a.touched) })
	var out []string
	for _, c := range circles {
		if c.member(u) != nil {
			out = append(out, c.row(u))
		}
	}
	return out
}
