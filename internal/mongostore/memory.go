package mongostore

// maxRemembered bounds a generation of a memory: twice as many rows, of some 500 bytes, are held.
const maxRemembered = 8192

// A memory is what the writer knows of committed documents, so that it need not read again what
// it wrote last: nobody else writes them while it holds the lease. It belongs to the writer's
// goroutine.
type memory struct {
	threads recalled[threadKey, *threadDoc]
	pairs   recalled[convKey, bool] // whether one of the two blocks the other
}

// keep takes over what a committed batch knew.
func (m *memory) keep(u *unit) {
	if u.behind {
		m.forget()
		return
	}
	for k, d := range u.threads {
		if d != nil {
			m.threads.put(k, d)
		}
	}
	for k, apart := range u.pairs {
		m.pairs.put(k, apart)
	}
}

// forget drops everything: something has written documents without saying which.
func (m *memory) forget() { *m = memory{} }

// Recalled are the values that were asked for or changed last. Of two generations the older one
// goes when the younger one is full.
type recalled[K comparable, V any] struct{ young, old map[K]V }

func (r *recalled[K, V]) put(k K, v V) {
	if len(r.young) >= maxRemembered {
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
