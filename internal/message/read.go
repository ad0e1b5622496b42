package message

import (
	"context"
	"fmt"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

var errNobody = fault.NotFound("USER_NOT_FOUND", "User not found")

// Thread returns the messages with one person, oldest first.
func (s *Service) Thread(ctx context.Context, who auth.Identity, with id.User, q wire.ListQuery) (wire.Page[wire.Message], error) {
	known, err := s.reader(ctx, who, with)
	if err != nil {
		return wire.Page[wire.Message]{}, err
	}
	page, err := s.store.PageBefore(ctx, Between(who.User, with), who.User, q.Before, q.Limit)
	if err != nil {
		return wire.Page[wire.Message]{}, fmt.Errorf("thread: %w", err)
	}
	if _, exists := known[with]; !exists && len(page.Items) == 0 {
		return wire.Page[wire.Message]{}, errNobody
	}
	return s.thread(ctx, who.User, page)
}

// thread shows a part of a conversation, oldest first.
func (s *Service) thread(ctx context.Context, viewer id.User, page Page[Message]) (wire.Page[wire.Message], error) {
	sc, err := s.sceneOf(ctx, viewer, page.Items)
	if err != nil {
		return wire.Page[wire.Message]{}, fmt.Errorf("thread: %w", err)
	}
	out := wire.Page[wire.Message]{Items: sc.showAll(page.Items)}
	if page.More {
		out.Next = page.Items[0].ID.String()
	}
	return out, nil
}

// reader returns how the caller and somebody else look, if the caller may read what they wrote
// to each other. Whose account is gone is not there; what they wrote is.
func (s *Service) reader(ctx context.Context, who auth.Identity, with id.User) (map[id.User]wire.Person, error) {
	known, err := s.people.People(ctx, []id.User{who.User, with})
	if err != nil {
		return nil, fmt.Errorf("look up people: %w", err)
	}
	return known, s.mayMeet(ctx, who.User, with)
}

// mayMeet returns ErrBlocked where one of two people blocks the other.
func (s *Service) mayMeet(ctx context.Context, u, with id.User) error {
	blocked, err := s.people.BlockedWith(ctx, u)
	if err != nil {
		return fmt.Errorf("look up blocks: %w", err)
	}
	if blocked[with] {
		return ErrBlocked
	}
	return nil
}

// mayMeetIn is mayMeet for the participants of a conversation. In a group nobody is hidden from
// anybody: who cannot stand what another one writes there leaves, or has them put out.
func (s *Service) mayMeetIn(ctx context.Context, u id.User, c Conversation) error {
	if c.IsGroup() {
		return nil
	}
	return s.mayMeet(ctx, u, c.Other(u))
}

// Media returns the attachments in the messages with one person, newest first.
func (s *Service) Media(ctx context.Context, who auth.Identity, with id.User, q wire.MediaQuery) (wire.Media, error) {
	known, err := s.reader(ctx, who, with)
	if err != nil {
		return wire.Media{}, err
	}
	page, err := s.store.Media(ctx, Between(who.User, with), who.User, q.Skip, q.Limit)
	if err != nil {
		return wire.Media{}, fmt.Errorf("media: %w", err)
	}
	if _, exists := known[with]; !exists && len(page.Items) == 0 {
		return wire.Media{}, errNobody
	}
	return s.media(page, known), nil
}

func (s *Service) media(page Page[Message], known map[id.User]wire.Person) wire.Media {
	out := wire.Media{HasMore: page.More}
	for _, m := range page.Items {
		out.Media = append(out.Media, wire.MediaItem{
			ID: m.ID, Attachment: s.link(m.Attachment), Sender: person(m.Sender, known), CreatedAt: m.CreatedAt,
		})
	}
	return out
}

// Conversations returns a person's list, newest first. Who blocks whom is not in it, so that a
// page may be shorter than its limit and go on all the same.
func (s *Service) Conversations(ctx context.Context, who auth.Identity, q wire.ListQuery) (wire.Page[wire.Conversation], error) {
	page, err := s.store.Rows(ctx, who.User, q.Before, q.Limit)
	if err != nil {
		return wire.Page[wire.Conversation]{}, fmt.Errorf("conversations: %w", err)
	}
	rows, err := s.rows(ctx, who.User, page.Items)
	if err != nil {
		return wire.Page[wire.Conversation]{}, fmt.Errorf("conversations: %w", err)
	}
	out := wire.Page[wire.Conversation]{Items: rows}
	if page.More {
		out.Next = page.Items[len(page.Items)-1].Last.ID.String()
	}
	return out, nil
}

// rows shows the conversations of a person, without those that a block hides.
func (s *Service) rows(ctx context.Context, u id.User, rows []Row) ([]wire.Conversation, error) {
	blocked, err := s.people.BlockedWith(ctx, u)
	if err != nil {
		return nil, err
	}
	peers := make([]id.User, len(rows))
	for i, r := range rows {
		peers[i] = r.Peer
	}
	known, err := s.people.People(ctx, peers)
	if err != nil {
		return nil, err
	}
	sc := scene{known: known, link: s.link}
	out := make([]wire.Conversation, 0, len(rows))
	for _, r := range rows {
		if !blocked[r.Peer] {
			out = append(out, projectRow(r, sc, s.now()))
		}
	}
	return out, nil
}

// Unread returns how many messages a person has not read, and from whom or in which group. Who
// blocks whom does not count between two people; in a group it does not matter.
func (s *Service) Unread(ctx context.Context, who auth.Identity) (wire.Unread, error) {
	counts, err := s.store.Unread(ctx, who.User)
	if err != nil {
		return wire.Unread{}, fmt.Errorf("unread: %w", err)
	}
	blocked, err := s.people.BlockedWith(ctx, who.User)
	if err != nil {
		return wire.Unread{}, fmt.Errorf("unread: %w", err)
	}
	peers := make([]id.User, 0, len(counts))
	for u := range counts {
		if blocked[u] {
			delete(counts, u)
			continue
		}
		peers = append(peers, u)
	}
	known, err := s.people.People(ctx, peers)
	if err != nil {
		return wire.Unread{}, fmt.Errorf("unread: %w", err)
	}
	var out wire.Unread
	for u, n := range counts {
		p := person(u, known)
		out.TotalUnread += n
		out.UnreadByUser = append(out.UnreadByUser, wire.UnreadByUser{
			UserID: u, Username: p.Username, DisplayName: p.DisplayName, ProfilePhoto: p.ProfilePhoto, Count: n,
		})
	}
	inGroups, err := s.groups.UnreadInGroups(ctx, who.User)
	if err != nil {
		return wire.Unread{}, fmt.Errorf("unread: %w", err)
	}
	for g, n := range inGroups {
		out.TotalUnread += n
		out.UnreadByGroup = append(out.UnreadByGroup, wire.UnreadByGroup{GroupChatID: g, Count: n})
	}
	return out, nil
}
