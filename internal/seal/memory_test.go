package seal

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// memoryKeys is a KeyStore in memory.
type memoryKeys struct {
	mu      sync.Mutex
	keys    map[DataKeyID]WrappedKey // retired ones included
	gone    map[Owner]time.Time
	waiting func() // called by KeyByOwner after it has read; may be nil
}

func newMemoryKeys() *memoryKeys {
	return &memoryKeys{keys: map[DataKeyID]WrappedKey{}, gone: map[Owner]time.Time{}}
}

func (m *memoryKeys) AddKey(_ context.Context, k WrappedKey) (WrappedKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, gone := m.gone[k.Owner]; gone {
		return WrappedKey{}, ErrKeyGone
	}
	if old, ok := m.find(k.Purpose, k.Owner); ok {
		return old, nil
	}
	m.keys[k.ID] = k
	return k, nil
}

func (m *memoryKeys) KeyByOwner(_ context.Context, p Purpose, o Owner) (WrappedKey, bool, error) {
	m.mu.Lock()
	k, ok := m.find(p, o)
	waiting := m.waiting
	m.mu.Unlock()
	if waiting != nil {
		waiting()
	}
	return k, ok, nil
}

func (m *memoryKeys) KeyByID(_ context.Context, i DataKeyID) (WrappedKey, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.keys[i]
	return k, ok, nil
}

func (m *memoryKeys) ReplaceKey(_ context.Context, old DataKeyID, k WrappedKey, at time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w, ok := m.keys[old]
	if !ok || !w.RetiredAt.IsZero() {
		return false, nil
	}
	w.RetiredAt = at
	m.keys[old], m.keys[k.ID] = w, k
	return true, nil
}

func (m *memoryKeys) RetiredKeys(context.Context) (keys []WrappedKey, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.keys {
		if !k.RetiredAt.IsZero() {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (m *memoryKeys) DropKey(_ context.Context, i DataKeyID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.keys[i].RetiredAt.IsZero() {
		delete(m.keys, i)
	}
	return nil
}

func (m *memoryKeys) EraseOwner(_ context.Context, o Owner, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, gone := m.gone[o]; !gone {
		m.gone[o] = at
	}
	for i, k := range m.keys {
		if k.Owner == o && k.Purpose == PurposePerson {
			delete(m.keys, i)
		}
	}
	return nil
}

func (m *memoryKeys) ErasedOwners(context.Context) (map[Owner]time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gone := map[Owner]time.Time{}
	for o, at := range m.gone {
		gone[o] = at
	}
	return gone, nil
}

func (m *memoryKeys) KeysBesides(_ context.Context, master KeyID, limit int) (keys []WrappedKey, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.keys {
		if k.Master != master && len(keys) < limit {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (m *memoryKeys) Rewrap(_ context.Context, keys []Rewrapping) (n int, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range keys {
		if k, ok := m.keys[r.From.ID]; ok && bytes.Equal(k.Sealed, r.From.Sealed) {
			m.keys[r.From.ID] = r.To
			n++
		}
	}
	return n, nil
}

func (m *memoryKeys) Masters(context.Context) (map[KeyID]int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	masters := map[KeyID]int{}
	for _, k := range m.keys {
		masters[k.Master]++
	}
	return masters, nil
}

// find returns the key in use. The caller holds m.mu.
func (m *memoryKeys) find(p Purpose, o Owner) (WrappedKey, bool) {
	for _, k := range m.keys {
		if k.Purpose == p && k.Owner == o && k.RetiredAt.IsZero() {
			return k, true
		}
	}
	return WrappedKey{}, false
}
