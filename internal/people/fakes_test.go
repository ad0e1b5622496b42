package people_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/wire"
)

var errDown = errors.New("disk on fire at /var/lib")

// store keeps accounts and sessions in memory.
type store struct {
	mu        sync.Mutex
	accounts  map[id.User]people.Account
	sessions  map[string]auth.Session
	factors   map[id.User]factor
	blocks    map[pair]people.Block
	follows   map[pair]bool
	audiences map[id.User]people.Audience
	down      bool
	creating  func() // called before a session is made, without the lock
	created   func() // called after it is made, without the lock
	changing  func() // called before a change of a password or a profile, without the lock
	reads     int    // of accounts by their id
}

// locked returns errDown while the store is down. The caller unlocks.
func (s *store) lock() error {
	s.mu.Lock()
	if s.down {
		return errDown
	}
	return nil
}

func (s *store) CreateAccount(_ context.Context, a people.Account) error {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return err
	}
	for _, other := range s.accounts {
		if strings.EqualFold(other.Email, a.Email) {
			return people.ErrEmailTaken
		}
		if strings.EqualFold(other.Username, a.Username) {
			return people.ErrUsernameTaken
		}
	}
	s.accounts[a.ID] = a
	return nil
}

func (s *store) Account(_ context.Context, u id.User) (people.Account, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return people.Account{}, err
	}
	s.reads++
	a, ok := s.accounts[u]
	if !ok {
		return people.Account{}, people.ErrNoAccount
	}
	return a, nil
}

func (s *store) AccountByLogin(_ context.Context, login string) (people.Account, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return people.Account{}, err
	}
	for _, a := range s.accounts {
		if strings.EqualFold(a.Email, login) || strings.EqualFold(a.Username, login) {
			return a, nil
		}
	}
	return people.Account{}, people.ErrNoAccount
}

func (s *store) Reactivate(_ context.Context, u id.User) error {
	return s.change(u, func(a *people.Account) { a.Active = true })
}

func (s *store) change(u id.User, fn func(*people.Account)) error {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return err
	}
	a, ok := s.accounts[u]
	if !ok {
		return people.ErrNoAccount
	}
	fn(&a)
	s.accounts[u] = a
	return nil
}

func (s *store) CreateSession(_ context.Context, n auth.Session) error {
	if s.creating != nil {
		s.creating()
	}
	if s.created != nil {
		defer func() { s.created() }()
	}
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return err
	}
	s.sessions[n.ID] = n
	return nil
}

func (s *store) Session(_ context.Context, i string) (auth.Session, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return auth.Session{}, err
	}
	n, ok := s.sessions[i]
	if !ok {
		return auth.Session{}, auth.ErrNoSession
	}
	return n, nil
}

func (s *store) RotateSession(_ context.Context, from int, n auth.Session) (bool, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return false, err
	}
	if old := s.sessions[n.ID]; old.Generation != from || !old.RevokedAt.IsZero() {
		return false, nil
	}
	s.sessions[n.ID] = n
	return true, nil
}

func (s *store) RevokeSession(_ context.Context, i string, at time.Time) (bool, error) {
	defer s.mu.Unlock()
	if err := s.lock(); err != nil {
		return false, err
	}
	n, ok := s.sessions[i]
	if !ok || !n.RevokedAt.IsZero() {
		return false, nil
	}
	n.RevokedAt = at
	s.sessions[i] = n
	return true, nil
}

func (s *store) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// ended is a session whose sockets were closed, and whether it was revoked by then.
type ended struct {
	session, reason string
	final, revoked  bool
}

// house is a service with everything under it.
type house struct {
	*people.Service
	store    *store
	sessions *auth.Sessions

	mu    sync.Mutex
	ahead time.Duration
	ended []ended
	apart []bool // whether bob and carol were apart when a block between them came or went
}

func (h *house) Invalidate(us ...id.User) { h.Forget(us...) }

func (h *house) Revoke(session, reason string, final bool) {
	n, err := h.store.Session(context.Background(), session)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = append(h.ended, ended{session, reason, final, err == nil && !n.RevokedAt.IsZero()})
}

func (h *house) onBlock(a, b id.User) {
	with, err := h.BlockedWith(context.Background(), a)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.apart = append(h.apart, err == nil && with[b])
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return noon.Add(h.ahead)
}

// noon is when every test begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ahead += d
}

func open(t testing.TB) *house {
	t.Helper()
	return openWith(t, func(*people.Options) {})
}

// openWith opens a service whose options are changed.
func openWith(t testing.TB, change func(*people.Options)) *house {
	t.Helper()
	h := &house{store: &store{
		accounts: map[id.User]people.Account{}, sessions: map[string]auth.Session{},
		factors: map[id.User]factor{},
		blocks:  map[pair]people.Block{}, follows: map[pair]bool{}, audiences: map[id.User]people.Audience{},
	}}
	sessions, err := auth.New(auth.Options{
		Store: h.store, Accounts: people.NewStandings(h.store, h.now),
		Keys:         auth.Keys{Access: auth.NewSecret([]byte("an access key")), Refresh: auth.NewSecret([]byte("a refresh key"))},
		AccessExpiry: 15 * time.Minute, RefreshExpiry: 30 * 24 * time.Hour, Trust: 5 * time.Minute, Now: h.now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.sessions = sessions
	o := people.Options{
		Store: h.store, Factors: h.store, Ties: h.store, Sessions: sessions, Bus: h, Key: [32]byte{1},
		IDs: id.NewSource(h.now, rand.Reader), Now: h.now, Rand: rand.Reader, OnBlock: h.onBlock,
		Log: slog.New(slog.DiscardHandler),
	}
	change(&o)
	h.Service = people.New(o)
	return h
}

const password = "Correct horse 7!"

var home = auth.Device{UserAgent: "browser", Address: "192.0.2.1"}

func form(name string) wire.SignUp {
	return wire.SignUp{
		FullName: "Alice <b>Liddell</b> ", Username: name, Email: " " + name + "@Example.org", Password: password, Birthday: "1990-05-04",
		DisplayName: "Alice & co", Pronouns: "she/her", Bio: "I <3 tea\nand <i>cake</i>", Identity: "LGBTQ+",
	}
}

// join signs somebody up.
func (h *house) join(t testing.TB, name string) auth.Entered[wire.SignedUp] {
	t.Helper()
	e, err := h.SignUp(t.Context(), form(name), home)
	if err != nil {
		t.Fatalf("sign up: %v", err)
	}
	return e
}

func sameFault(t testing.TB, got error, want *fault.Fault) {
	t.Helper()
	if got == nil {
		t.Errorf("got no error, want %s", want.Code)
		return
	}
	if g := fault.Of(got); g.Kind != want.Kind || g.Code != want.Code || g.Text != want.Text {
		t.Errorf("got %s %s %q, want %s %s %q", g.Kind, g.Code, g.Text, want.Kind, want.Code, want.Text)
	}
}
