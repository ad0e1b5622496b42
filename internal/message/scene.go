package message

import (
	"context"
	"maps"

	"pryde/internal/id"
	"pryde/internal/wire"
)

// A scene is what some messages are shown with to one of those who see them: people, what the
// messages reply to, and how far the members of their groups have read. It is read at once for
// all of them.
type scene struct {
	known   map[id.User]wire.Person
	quoted  map[id.Message]Message // as far as the viewer can see it
	reached map[id.Message]reached // for messages of groups, where it was asked for
	link    func(path string) string
}

// shown shows one stored message to somebody who sees it, with its receipts.
func (s *Service) shown(ctx context.Context, viewer id.User, m Message) wire.Message {
	quoted, _ := s.quoted(ctx, viewer, [][]Message{{m}})
	return s.shownWith(ctx, true, m, quoted)
}

// shownWith shows one stored message with what it quotes. What cannot be read is left out: what
// is stored is told and answered all the same.
func (s *Service) shownWith(ctx context.Context, receipts bool, m Message, quoted map[id.Message]Message) wire.Message {
	sc, list := scene{quoted: quoted, link: s.link}, [][]Message{{m}}
	if receipts {
		sc.reached, _ = s.reached(ctx, list)
	}
	sc.known = s.known(ctx, sc.people(list))
	return sc.show(m)
}

// known returns those people who can be looked up now.
func (s *Service) known(ctx context.Context, us []id.User) map[id.User]wire.Person {
	known, err := s.people.People(ctx, us)
	if err == nil {
		return known
	}
	known = make(map[id.User]wire.Person)
	for _, u := range us {
		if one, err := s.people.People(ctx, []id.User{u}); err == nil {
			maps.Copy(known, one)
		}
	}
	return known
}

// sceneOf returns what messages are shown with to somebody who sees them.
func (s *Service) sceneOf(ctx context.Context, viewer id.User, lists ...[]Message) (sc scene, err error) {
	sc.link = s.link
	if sc.quoted, err = s.quoted(ctx, viewer, lists); err != nil {
		return scene{}, err
	}
	if sc.reached, err = s.reached(ctx, lists); err != nil {
		return scene{}, err
	}
	sc.known, err = s.people.People(ctx, sc.people(lists))
	return sc, err
}

// people returns everybody whom the messages show, each once.
func (sc scene) people(lists [][]Message) []id.User {
	seen := make(map[id.User]struct{})
	var out []id.User
	add := func(u id.User) {
		if _, ok := seen[u]; !ok && !u.IsZero() {
			seen[u] = struct{}{}
			out = append(out, u)
		}
	}
	for _, list := range lists {
		for _, m := range list {
			add(m.Sender)
			add(m.Recipient)
			add(sc.quoted[m.ReplyTo].Sender)
			for _, c := range sc.reached[m.ID].read {
				add(c.User)
			}
			for _, c := range sc.reached[m.ID].delivered {
				add(c.User)
			}
		}
	}
	return out
}

// show shows a message as its participants see it.
func (sc scene) show(m Message) wire.Message {
	w := wire.Message{
		ID: m.ID, Seq: m.Seq, Sender: person(m.Sender, sc.known), Content: m.Content,
		Attachment: optional(sc.link(m.Attachment)), VoiceNote: sc.voice(m.Extra), ContentWarning: optional(m.Extra.Warning),
		ReplyTo: mark(m.ReplyTo), Quote: sc.quote(m.ReplyTo), Read: m.Read, Reactions: reactions(m),
		Edited: !m.EditedAt.IsZero(), EditedAt: m.EditedAt, CreatedAt: m.CreatedAt,
	}
	if m.Conversation().IsGroup() {
		w.GroupChat = &m.Group
		r := sc.reached[m.ID]
		w.ReadBy, w.ReadCount, w.Read = readBy(r.read, sc.known), r.readCount, r.readCount > 0
		w.DeliveredTo, w.DeliveredCount = deliveredTo(r.delivered, sc.known), r.deliveredCount
	} else {
		w.Recipient = person(m.Recipient, sc.known)
	}
	if !m.DeletedAt.IsZero() {
		w.IsDeletedForAll, w.IsDeleted, w.DeletedType = true, true, "all"
		w.DeletedForAll = &wire.Deletion{By: m.Sender, At: m.DeletedAt}
		w.ReplyTo, w.Quote = nil, nil
	}
	return w
}

func (sc scene) showAll(ms []Message) []wire.Message {
	out := make([]wire.Message, len(ms))
	for i, m := range ms {
		out[i] = sc.show(m)
	}
	return out
}

func (sc scene) voice(e Extra) *wire.VoiceNote {
	if e.VoiceURL == "" {
		return nil
	}
	return &wire.VoiceNote{URL: sc.link(e.VoiceURL), Duration: e.VoiceSeconds}
}

// last shows the newest message of a conversation in a list.
func (sc scene) last(m Message) *wire.LastMessage {
	w := &wire.LastMessage{
		ID: m.ID, Seq: m.Seq, Sender: m.Sender, Recipient: m.Recipient, Content: m.Content,
		Attachment: optional(sc.link(m.Attachment)), VoiceNote: sc.voice(m.Extra), ContentWarning: optional(m.Extra.Warning),
		ReplyTo: mark(m.ReplyTo), Read: m.Read, Reactions: reactions(m), Edited: !m.EditedAt.IsZero(), EditedAt: m.EditedAt,
		IsDeletedForAll: !m.DeletedAt.IsZero(), CreatedAt: m.CreatedAt,
	}
	if m.Conversation().IsGroup() {
		w.GroupChat = &m.Group
	}
	if w.IsDeletedForAll {
		w.ReplyTo = nil
	}
	return w
}

func reactions(m Message) []wire.Reaction {
	var out []wire.Reaction
	for _, r := range m.Reactions {
		out = append(out, wire.Reaction{User: r.User, Emoji: r.Emoji, CreatedAt: r.At})
	}
	return out
}
