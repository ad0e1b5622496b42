package people_test

import (
	"cmp"
	"context"
	"slices"
	"time"

	"pryde/internal/id"
	"pryde/internal/people"
)

// pair is two people, of whom the first blocks or follows the second.
type pair struct{ from, to id.User }

func (s *store) Bonds(_ context.Context, u id.User) (people.Bonds, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return people.Bonds{}, err
	}
	b := people.Bonds{Audience: cmp.Or(s.audiences[u], people.Everyone)}
	for p := range s.blocks {
		if p.from == u {
			b.Blocks = append(b.Blocks, p.to)
		}
		if p.to == u {
			b.BlockedBy = append(b.BlockedBy, p.from)
		}
	}
	return b, nil
}

func (s *store) AddBlock(_ context.Context, b people.Block) (people.Block, bool, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return people.Block{}, false, err
	}
	first, again := s.blocks[pair{b.Blocker, b.Blocked}]
	if again {
		return first, true, nil
	}
	s.blocks[pair{b.Blocker, b.Blocked}] = b
	return b, false, nil
}

func (s *store) RemoveBlock(_ context.Context, blocker, blocked id.User) error {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return err
	}
	if _, ok := s.blocks[pair{blocker, blocked}]; !ok {
		return people.ErrNoBlock
	}
	delete(s.blocks, pair{blocker, blocked})
	return nil
}

func (s *store) Blocks(_ context.Context, blocker id.User) ([]people.Block, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return nil, err
	}
	var all []people.Block
	for p, b := range s.blocks {
		if p.from == blocker {
			all = append(all, b)
		}
	}
	slices.SortFunc(all, func(a, b people.Block) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return all, nil
}

func (s *store) Contacts(_ context.Context, u id.User, limit int) ([]id.User, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return nil, err
	}
	var all []id.User
	for p := range s.follows {
		if p.from == u && len(all) < limit { // enough for the tests: whom u follows
			all = append(all, p.to)
		}
	}
	return all, nil
}

func (s *store) SetAudience(_ context.Context, u id.User, a people.Audience) error {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return err
	}
	s.audiences[u] = a
	return nil
}

func (s *store) Follow(_ context.Context, follower, following id.User, _ time.Time) (bool, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return false, err
	}
	isNew := !s.follows[pair{follower, following}]
	s.follows[pair{follower, following}] = true
	return isNew, nil
}

func (s *store) Unfollow(_ context.Context, follower, following id.User) (bool, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return false, err
	}
	was := s.follows[pair{follower, following}]
	delete(s.follows, pair{follower, following})
	return was, nil
}

func (s *store) Follows(_ context.Context, follower, following id.User) (bool, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return false, err
	}
	return s.follows[pair{follower, following}], nil
}
