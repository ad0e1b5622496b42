package mongostore

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
)

// Bounds of a generation of a memory, of which two are held.
const (
	maxRemembered       = 8192 // rows and seats, of some 500 bytes
	maxRememberedGroups = 256  // of up to 50 KB
)

// A memory is what the writer knows of committed documents, so that it need not read again what
// it wrote last: nobody else writes them while it holds the lease. It belongs to the writer's
// goroutine.
type memory struct {
	threads recalled[threadKey, *threadDoc]
	groups  recalled[bson.ObjectID, *groupDoc]
	seats   recalled[seatKey, *seatDoc]
	pairs   recalled[convKey, bool] // whether one of the two blocks the other

	// attempts are those of new messages, so that a repeat is found out before it fails its batch.
	attempts recalled[attempt, id.Message]
}

// keep takes over what a committed batch knew.
func (m *memory) keep(u *unit) {
	if u.behind {
		m.forget()
		return
	}
	for k, d := range u.threads {
		if d != nil {
			m.threads.put(k, d, maxRemembered)
		}
	}
	for g, d := range u.groups {
		if d != nil {
			m.groups.put(g, d, maxRememberedGroups)
		}
	}
	for k, d := range u.seats {
		if d != nil {
			m.seats.put(k, d, maxRemembered)
		}
	}
	for k, apart := range u.pairs {
		m.pairs.put(k, apart, maxRemembered)
	}
	for a, of := range u.attempts {
		if !of.IsZero() {
			m.attempts.put(a, of, maxRemembered)
		}
	}
}

// forget drops everything: something has written documents without saying which.
func (m *memory) forget() { *m = memory{} }

// Recalled are the values that were asked for or changed last. Of two generations the older one
// goes when the younger one is full.
type recalled[K comparable, V any] struct{ young, old map[K]V }

func (r *recalled[K, V]) put(k K, v V, most int) {
	if len(r.young) >= most {
		r.young, r.old = nil, r.young
	}
	if r.young == nil {
		r.young = map[K]V{}
	}
	r.young[k] = v
}

func (r *recalled[K, V]) get(k K) (V, bool) {
	v, ok := r.young[k]
	if !ok {
		v, ok = r.old[k]
	}
	return v, ok
}
