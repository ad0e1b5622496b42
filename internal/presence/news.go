package presence

import (
	"context"
	"slices"

	"pryde/internal/id"
	"pryde/internal/wire"
)

// maxTogether is how many people are addressed by one event. What it costs to reach each of
// their sockets once grows with the square.
const maxTogether = 64

// A change is that somebody came or went.
type change struct {
	user   id.User
	online bool
}

// A pair is two people, the lower first.
type pair struct{ a, b id.User }

func pairOf(a, b id.User) pair {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return pair{a, b}
}

// news is what there is to announce at one tick, and what was looked up for it.
type news struct {
	changed []id.User // who came or went
	pairs   []pair    // between whom a block came or went
	crowded bool
	listed  []id.User // who is sent the whole list in the place of all that; nil: nobody

	near  map[id.User][]id.User        // in a crowd, who is online of the contacts of those who changed
	apart map[id.User]map[id.User]bool // whom people have blocks with, where it is known
}

// announce tells who came and who went since the last time, and how many are online.
func (s *Service) announce() {
	defer s.announcing.Done()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n, open := s.take()
	if !open {
		return
	}
	unknown := s.findNear(ctx, &n)
	for looks := 1; ; looks++ {
		if n.listed != nil {
			n.listed = s.everybody()
		}
		at := s.blocksSoFar()
		err := s.findApart(ctx, &n)
		out, done := s.compose(n, at, looks >= maxLooks)
		if !done {
			continue
		}
		if unknown = first(unknown, err); unknown != nil {
			s.log.Warn("presence is announced later: who may hear of it could not be looked up", "err", unknown)
		}
		s.publish.Publish(out...)
		s.rest()
		return
	}
}

// take returns what there is to announce; nothing once the service is closed.
func (s *Service) take() (news, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return news{}, false
	}
	s.fill()
	n := news{crowded: len(s.present) >= crowd || s.crowded && len(s.present) > calm}
	for u := range s.dirty {
		if n.crowded && len(n.changed) == maxChanges {
			break
		}
		n.changed = append(n.changed, u)
	}
	for p := range s.retied {
		n.pairs = append(n.pairs, p)
	}
	if !n.crowded && (s.crowded || len(n.changed) > maxChanges) {
		n.listed = []id.User{} // announce fills it in
	}
	return n, true
}

// maxLooks is how often blocks are looked up anew for people who come meanwhile.
const maxLooks = 3

func (s *Service) everybody() []id.User {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]id.User, 0, len(s.present))
	for u := range s.present {
		all = append(all, u)
	}
	return all
}

// findNear looks up who hears of changes in a crowd. The error is the first of those that kept
// it from some.
func (s *Service) findNear(ctx context.Context, n *news) (failed error) {
	if !n.crowded {
		return nil
	}
	n.near = make(map[id.User][]id.User, len(n.changed))
	for _, u := range n.changed {
		contacts, err := s.people.Contacts(ctx, u)
		if failed = first(failed, err); err == nil {
			n.near[u] = s.amongPresent(contacts)
		}
	}
	return failed
}

func (s *Service) amongPresent(people []id.User) []id.User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(people, func(u id.User) bool { return s.present[u] == nil })
}

// findApart looks up the blocks that matter. The error is the first of those that kept it from
// some.
func (s *Service) findApart(ctx context.Context, n *news) (failed error) {
	n.apart = make(map[id.User]map[id.User]bool)
	find := func(u id.User) {
		apart, err := s.people.BlockedWith(ctx, u)
		if failed = first(failed, err); err == nil {
			n.apart[u] = apart
		}
	}
	if n.listed != nil {
		for _, u := range n.listed {
			find(u)
		}
		return failed
	}
	for _, u := range n.changed {
		find(u)
	}
	for _, p := range n.pairs {
		find(p.a)
	}
	return failed
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// compose returns what is told, and forgets it. What could not be looked up is told to nobody,
// and stays for the next time. Where a block has come or gone since, or somebody has come who
// is owed the list, it does nothing; for the latter not when it is the last time.
func (s *Service) compose(n news, blocks int, last bool) (_ []wire.Outgoing, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocks != blocks {
		return nil, false
	}
	complete := n.listed == nil || s.allKnown(n)
	if !complete && len(n.apart) == len(n.listed) && !last {
		return nil, false
	}
	var tail []wire.Outgoing
	if len(s.present) != s.online {
		s.online = len(s.present)
		tail = []wire.Outgoing{wire.LoungeCount.To(wire.Lounge, wire.OnlineCount{Count: s.online})}
	}
	if complete {
		s.crowded = n.crowded
	} else { // everybody whom it is owed gets the list, or nobody
		n = news{crowded: n.crowded}
	}
	changes := s.forget(&n)
	if n.listed != nil {
		return s.lists(n, tail), true
	}
	return s.told(n, changes, tail), true
}

// allKnown reports whether the blocks of everybody who is there now are known. The caller holds
// s.mu.
func (s *Service) allKnown(n news) bool {
	for u := range s.present {
		if _, known := n.apart[u]; !known {
			return false
		}
	}
	return true
}

// forget takes what could be looked up off what there is to announce, and all else off the news.
// It returns the changes that are left. The caller holds s.mu.
func (s *Service) forget(n *news) (changes []change) {
	for _, u := range n.changed {
		_, known := n.apart[u]
		if _, near := n.near[u]; n.listed != nil || known && (near || !n.crowded) {
			delete(s.dirty, u)
			changes = append(changes, change{u, s.present[u] != nil})
		}
	}
	n.pairs = slices.DeleteFunc(n.pairs, func(p pair) bool {
		_, known := n.apart[p.a]
		if known = known || n.listed != nil; known {
			delete(s.retied, p)
		}
		return !known
	})
	return changes
}

// lists returns the list for each who is owed it; those who see everybody share one. The caller
// holds s.mu.
func (s *Service) lists(n news, tail []wire.Outgoing) []wire.Outgoing {
	rooms := make(map[string][]wire.Room) // by list; "" is the shared one
	for _, u := range n.listed {
		own := ""
		if s.roster.names(n.apart[u]) {
			own = string(s.roster.seenBy(u, n.apart[u]))
		}
		rooms[own] = append(rooms[own], wire.UserRoom(u))
	}
	var out []wire.Outgoing
	for own, to := range rooms {
		list := wire.Raw(own)
		if own == "" {
			list = s.roster.everyone()
		}
		event := wire.OnlineUsers.Encoded(wire.Lounge, list)
		event.Volatile = true
		out = append(out, addressed(to, append([]wire.Outgoing{event}, tail...))...)
	}
	return out
}

// told returns the changes for those who may hear of them. The caller holds s.mu.
func (s *Service) told(n news, changes []change, tail []wire.Outgoing) []wire.Outgoing {
	own := s.personal(n, changes)
	rooms := make(map[string][]wire.Room) // by what they hear
	hear := make(map[string][]change)
	for u, hears := range own {
		k := key(hears)
		rooms[k], hear[k] = append(rooms[k], wire.UserRoom(u)), hears
	}
	if !n.crowded {
		k := key(changes)
		hear[k] = changes
		for u := range s.present {
			if _, personal := own[u]; !personal {
				rooms[k] = append(rooms[k], wire.UserRoom(u))
			}
		}
	}
	var out []wire.Outgoing
	for k, to := range rooms {
		events := both(hear[k])
		if !n.crowded {
			events = append(events, tail...)
		}
		out = append(out, addressed(to, events)...)
	}
	if n.crowded {
		out = append(out, tail...) // everybody hears it, and few hear anything else
	}
	return out
}

// personal returns what those people hear who do not hear just what everybody does: outside of
// a crowd all changes, in a crowd none. The caller holds s.mu.
func (s *Service) personal(n news, changes []change) map[id.User][]change {
	own := make(map[id.User][]change)
	if n.crowded {
		for _, c := range changes {
			own[c.user] = append(own[c.user], c)
			for _, u := range n.near[c.user] {
				if !n.apart[c.user][u] {
					own[u] = append(own[u], c)
				}
			}
		}
	} else {
		for u := range s.present {
			hidden := func(c change) bool { return n.apart[c.user][u] }
			if slices.ContainsFunc(changes, hidden) {
				own[u] = slices.DeleteFunc(slices.Clone(changes), hidden)
			}
		}
	}
	for _, p := range n.pairs {
		for _, of := range []pair{{p.a, p.b}, {p.b, p.a}} {
			hears, personal := own[of.a]
			if !personal && !n.crowded {
				hears = slices.Clone(changes)
			}
			c := change{of.b, s.present[of.b] != nil && !n.apart[p.a][p.b]}
			if !slices.Contains(hears, c) {
				hears = append(hears, c)
			}
			own[of.a] = hears
		}
	}
	return own
}

// key is the same for the same changes.
func key(changes []change) string {
	k := make([]byte, 0, len(changes)*(len(id.User{})+1))
	for _, c := range changes {
		k = append(k, c.user[:]...)
		if c.online {
			k = append(k, 1)
		} else {
			k = append(k, 0)
		}
	}
	return string(k)
}

// both returns both families of events about changes, addressed to nobody yet.
func both(changes []change) []wire.Outgoing {
	out := make([]wire.Outgoing, 0, 2*len(changes)+1)
	for _, c := range changes {
		former := wire.UserOffline
		if c.online {
			former = wire.UserOnline
		}
		out = append(out,
			wire.PresenceChanged.To("", wire.PresenceUpdate{UserID: c.user, Online: c.online}),
			former.To("", wire.UserRef{UserID: c.user}))
	}
	return out
}

// addressed sends events to each of these rooms, which hold different people.
func addressed(rooms []wire.Room, events []wire.Outgoing) []wire.Outgoing {
	var out []wire.Outgoing
	for to := range slices.Chunk(rooms, maxTogether) {
		for _, e := range events {
			e.Rooms = to
			out = append(out, e)
		}
	}
	return out
}

// rest ends an announcement. What was kept, or has come meanwhile, has its own.
func (s *Service) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = nil
	if len(s.dirty)+len(s.retied) > 0 {
		s.wake()
	}
}
