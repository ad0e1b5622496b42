package sqlitestore

import (
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var masterKey = seal.Key{1, 2, 3}

func ringOf(t testing.TB, key seal.Key) *seal.Ring {
	t.Helper()
	r, err := seal.NewRing(key.ID(), map[seal.KeyID]seal.Key{key.ID(): key})
	if err != nil {
		t.Fatalf("make a key ring: %v", err)
	}
	return r
}

// An opened store and the keys under it; close may be called before the test ends.
type opened struct {
	*Store
	keys   *Keys
	closed bool
}

func tryOpen(t testing.TB, dir string, key seal.Key) (*opened, error) {
	t.Helper()
	keys, err := OpenKeys(t.Context(), filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatalf("open the keys: %v", err)
	}
	s, err := Open(t.Context(), Options{Dir: dir, Vault: seal.New(ringOf(t, key), keys, rand.Reader), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		if err := keys.Close(); err != nil {
			t.Errorf("close the keys: %v", err)
		}
		return nil, err
	}
	o := &opened{Store: s, keys: keys}
	t.Cleanup(func() { o.close(t) })
	return o, nil
}

func open(t testing.TB, dir string) *opened {
	t.Helper()
	o, err := tryOpen(t, dir, masterKey)
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	return o
}

func (o *opened) close(t testing.TB) {
	t.Helper()
	if o.closed {
		return
	}
	o.closed = true
	if err := o.Store.Close(); err != nil {
		t.Errorf("close the store: %v", err)
	}
	if err := o.keys.Close(); err != nil {
		t.Errorf("close the keys: %v", err)
	}
}

var start = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func user(n int) (u id.User) {
	u[0] = 'u'
	binary.BigEndian.PutUint32(u[8:], uint32(n))
	return u
}

func messageID(n int) (m id.Message) {
	m[0] = 'm'
	binary.BigEndian.PutUint32(m[8:], uint32(n))
	return m
}

func send(t testing.TB, s *Store, n int, from, to id.User, text string) message.Message {
	t.Helper()
	m, again, err := s.Append(t.Context(), message.Draft{
		ID: messageID(n), Sender: from, Recipient: to, Content: text, At: start.Add(time.Duration(n) * time.Second),
	})
	if err != nil || again {
		t.Fatalf("append message %d: again %v, error %v", n, again, err)
	}
	return m
}
