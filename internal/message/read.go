package message

import (
	"context"
	"fmt"
	"slices"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// maxSync is how many rows a sync carries at most; beyond it a reload is due.
const maxSync = 1_000

var (
	errNobody = fault.NotFound("USER_NOT_FOUND", "User not found")
	errOffset = fault.Invalid("INVALID_OFFSET", "since is no offset")
)

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
	out := wire.Page[wire.Message]{Items: projectAll(page.Items, known)}
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
	out := wire.Media{HasMore: page.More}
	for _, m := range page.Items {
		out.Media = append(out.Media, wire.MediaItem{
			ID: m.ID, Attachment: m.Attachment, Sender: person(m.Sender, known), CreatedAt: m.CreatedAt,
		})
	}
	return out, nil
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
	out := make([]wire.Conversation, 0, len(rows))
	for _, r := range rows {
		if !blocked[r.Peer] {
			out = append(out, projectRow(r, known, s.now()))
		}
	}
	return out, nil
}

// Unread returns how many messages a person has not read, and from whom. Who blocks whom does
// not count.
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
	return out, nil
}

// Sync returns what changed for a person after an offset. An offset of another database or
// of the future, more than 1,000 changed rows, and more than MaxChangeBytes of messages ask for
// a reload.
func (s *Service) Sync(ctx context.Context, who auth.Identity, since string) (wire.Sync, error) {
	after, err := wire.ParseOffset(since)
	if err != nil {
		return wire.Sync{}, errOffset.Because(err)
	}
	foreign := after != (wire.Offset{}) && after.Database != s.database
	if foreign {
		after = wire.Offset{}
	}
	c, err := s.store.Since(ctx, who.User, after.Seq, maxSync)
	if err != nil {
		return wire.Sync{}, fmt.Errorf("sync: %w", err)
	}
	future := after.Seq > c.Seq
	if future {
		if c, err = s.store.Since(ctx, who.User, 0, maxSync); err != nil {
			return wire.Sync{}, fmt.Errorf("sync: %w", err)
		}
	}
	return s.synced(ctx, who, c, foreign || future || c.Reload)
}

func (s *Service) synced(ctx context.Context, who auth.Identity, c Changes, reload bool) (wire.Sync, error) {
	rows, err := s.rows(ctx, who.User, c.Rows)
	if err != nil {
		return wire.Sync{}, fmt.Errorf("sync: %w", err)
	}
	unread, err := s.Unread(ctx, who)
	if err != nil {
		return wire.Sync{}, err
	}
	out := wire.Sync{
		Seq: wire.Offset{Database: s.database, Seq: c.Seq}, Reload: reload,
		Conversations: rows, Counts: wire.Counts{Messages: unread.TotalUnread},
	}
	if reload {
		return out, nil
	}
	blocked, err := s.people.BlockedWith(ctx, who.User)
	if err != nil {
		return wire.Sync{}, fmt.Errorf("sync: %w", err)
	}
	hidden := func(m Message) bool { return blocked[m.Conversation().Other(who.User)] }
	c.New, c.Changed = slices.DeleteFunc(c.New, hidden), slices.DeleteFunc(c.Changed, hidden)
	known, err := s.people.People(ctx, participants(c.New, c.Changed))
	if err != nil {
		return wire.Sync{}, fmt.Errorf("sync: %w", err)
	}
	out.Messages = projectAll(c.New, known)
	out.Changed = projectAll(c.Changed, known)
	for _, g := range c.Deleted {
		if blocked[g.Peer] {
			continue
		}
		out.Deleted = append(out.Deleted, wire.DeletedMessage{MessageID: g.ID, DeleteForAll: g.ForAll, ConversationWith: g.Peer})
	}
	return out, nil
}

// participants returns everybody who wrote or received one of the messages, each once.
func participants(lists ...[]Message) []id.User {
	seen := make(map[id.User]struct{})
	var out []id.User
	for _, list := range lists {
		for _, m := range list {
			for _, u := range [...]id.User{m.Sender, m.Recipient} {
				if _, ok := seen[u]; !ok {
					seen[u] = struct{}{}
					out = append(out, u)
				}
			}
		}
	}
	return out
}
