package people_test

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/people"
)

// factor is a second factor in memory.
type factor struct {
	people.SecondFactor
	codes [][32]byte
}

func (s *store) interrupted() {
	if s.changing != nil {
		s.changing()
	}
}

func (s *store) SearchAccounts(_ context.Context, part string, except []id.User, limit int) ([]people.Account, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return nil, err
	}
	var found []people.Account
	for _, a := range s.accounts {
		hit := strings.Contains(strings.ToLower(a.Username), part) || strings.Contains(strings.ToLower(a.DisplayName), part)
		if hit && a.Active && !a.Deleted && !a.Banned && !slices.Contains(except, a.ID) {
			found = append(found, a)
		}
	}
	slices.SortFunc(found, func(a, b people.Account) int { return cmp.Compare(a.Username, b.Username) })
	return found[:min(len(found), limit)], nil
}

func (s *store) UpgradePasswordHash(_ context.Context, u id.User, from, to string) error {
	s.interrupted()
	return s.change(u, func(a *people.Account) {
		if a.PasswordHash == from {
			a.PasswordHash = to
		}
	})
}

// setHash puts any hash in an account.
func (s *store) setHash(u id.User, hash string) error {
	return s.change(u, func(a *people.Account) { a.PasswordHash = hash })
}

func (s *store) ReplacePassword(_ context.Context, u id.User, era int64, hash, keep string, at time.Time) (bool, []string, error) {
	s.interrupted()
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return false, nil, err
	}
	a, n := s.accounts[u], s.sessions[keep]
	if a.PasswordEra != era || n.User != u || !n.RevokedAt.IsZero() {
		return false, nil, nil
	}
	a.PasswordHash, a.PasswordEra = hash, era+1
	s.accounts[u] = a
	return true, s.revokeAll(u, keep, at), nil
}

// revokeAll is called with the lock.
func (s *store) revokeAll(u id.User, except string, at time.Time) (revoked []string) {
	for i, n := range s.sessions {
		if n.User == u && i != except && n.RevokedAt.IsZero() {
			n.RevokedAt = at
			s.sessions[i] = n
			revoked = append(revoked, i)
		}
	}
	slices.Sort(revoked)
	return revoked
}

func (s *store) SetProfile(_ context.Context, a people.Account) (bool, error) {
	s.interrupted()
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return false, err
	}
	old, ok := s.accounts[a.ID]
	if !ok || old.Revision != a.Revision || old.Deleted {
		return false, nil
	}
	old.DisplayName, old.ProfilePhoto, old.Details, old.Revision = a.DisplayName, a.ProfilePhoto, a.Details, a.Revision+1
	s.accounts[a.ID] = old
	return true, nil
}

func (s *store) Deactivate(_ context.Context, u id.User, at time.Time) ([]string, error) {
	return s.leave(u, at, func(a *people.Account) { a.Active = false })
}

func (s *store) DeleteAccount(_ context.Context, u id.User, at time.Time) ([]string, error) {
	return s.leave(u, at, func(a *people.Account) {
		*a = people.Account{ID: a.ID, Username: a.Username, Role: a.Role, Active: a.Active, CreatedAt: a.CreatedAt, Deleted: true, PasswordEra: a.PasswordEra + 1}
	})
}

func (s *store) leave(u id.User, at time.Time, change func(*people.Account)) ([]string, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return nil, err
	}
	a, ok := s.accounts[u]
	if !ok {
		return nil, people.ErrNoAccount
	}
	change(&a)
	s.accounts[u] = a
	return s.revokeAll(u, "", at), nil
}

func (s *store) SessionsOf(_ context.Context, u id.User, limit int) ([]auth.Session, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return nil, err
	}
	var live []auth.Session
	for _, n := range s.sessions {
		if n.User == u && n.RevokedAt.IsZero() {
			live = append(live, n)
		}
	}
	slices.SortFunc(live, func(a, b auth.Session) int { return b.LastActive.Compare(a.LastActive) })
	return live[:min(len(live), limit)], nil
}

func (s *store) RevokeSessions(_ context.Context, u id.User, except string, at time.Time) ([]string, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return nil, err
	}
	return s.revokeAll(u, except, at), nil
}

func (s *store) TrimSessions(_ context.Context, u id.User, keep int, _, at time.Time) (ended []string, err error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return nil, err
	}
	var live []auth.Session
	for _, n := range s.sessions {
		if n.User == u && n.RevokedAt.IsZero() {
			live = append(live, n)
		}
	}
	slices.SortFunc(live, func(a, b auth.Session) int { return b.LastActive.Compare(a.LastActive) })
	for _, n := range live[min(keep, len(live)):] {
		n.RevokedAt = at
		s.sessions[n.ID] = n
		ended = append(ended, n.ID)
	}
	return ended, nil
}

func (s *store) TouchSession(_ context.Context, i string, at time.Time) error {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return err
	}
	n := s.sessions[i]
	n.LastActive = at
	s.sessions[i] = n
	return nil
}

func (s *store) SecondFactor(_ context.Context, u id.User) (people.SecondFactor, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return people.SecondFactor{}, err
	}
	f, ok := s.factors[u]
	if !ok {
		return people.SecondFactor{}, people.ErrNoSecondFactor
	}
	f.Left = len(f.codes)
	return f.SecondFactor, nil
}

func (s *store) OfferSecondFactor(_ context.Context, u id.User, f people.SecondFactor, codes [][32]byte) (bool, error) {
	return s.changeFactor(u, func(old *factor) bool {
		if old.InForce {
			return false
		}
		*old = factor{f, codes}
		return true
	})
}

func (s *store) EnforceSecondFactor(_ context.Context, u id.User, f people.SecondFactor) (bool, error) {
	return s.changeFactor(u, func(old *factor) bool {
		if old.InForce || old.Mark != f.Mark {
			return false
		}
		old.InForce, old.LastStep, old.Offered = true, f.LastStep, nil
		return true
	})
}

func (s *store) SpendStep(_ context.Context, u id.User, step int64) (bool, error) {
	return s.changeFactor(u, func(f *factor) bool {
		if !f.InForce || step <= f.LastStep {
			return false
		}
		f.LastStep = step
		return true
	})
}

func (s *store) SpendBackupCode(_ context.Context, u id.User, code [32]byte) (bool, error) {
	return s.changeFactor(u, func(f *factor) bool {
		i := slices.Index(f.codes, code)
		if !f.InForce || i < 0 {
			return false
		}
		f.codes = slices.Delete(slices.Clone(f.codes), i, i+1)
		return true
	})
}

func (s *store) RemoveSecondFactor(_ context.Context, u id.User) error {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return err
	}
	delete(s.factors, u)
	return nil
}

func (s *store) changeFactor(u id.User, change func(*factor) bool) (bool, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return false, err
	}
	f := s.factors[u]
	if !change(&f) {
		return false, nil
	}
	s.factors[u] = f
	return true, nil
}
