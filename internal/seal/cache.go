package seal

import (
	"container/list"
	"crypto/cipher"
	"sync"
)

// A dataKey is an unwrapped key that is ready for use.
type dataKey struct {
	id      DataKeyID
	owner   Owner
	retired bool // it opens and does not seal
	aead    cipher.AEAD
}

// A cache keeps the data keys that were used last. It is safe for concurrent use.
type cache struct {
	max int

	mu     sync.Mutex
	ids    map[DataKeyID]*list.Element
	owners map[Owner]*list.Element // of the key in use
	order  *list.List              // of *dataKey, the one used last in front
	turn   uint64                  // counts what made keys of the store other ones
}

func newCache(size int) *cache {
	return &cache{max: size, ids: map[DataKeyID]*list.Element{}, owners: map[Owner]*list.Element{}, order: list.New()}
}

func (c *cache) byID(i DataKeyID) (*dataKey, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.ids[i]
	return c.used(e, ok)
}

func (c *cache) byOwner(o Owner) (*dataKey, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.owners[o]
	return c.used(e, ok)
}

func (c *cache) used(e *list.Element, ok bool) (*dataKey, bool) {
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*dataKey), true
}

// now is the turn in which a key that is about to be read from the store may be added.
func (c *cache) now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.turn
}

// add keeps a key that was read in a turn, and reports false where keys of the store have become
// other ones since: it has to be read again.
func (c *cache) add(k *dataKey, read uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if read != c.turn {
		return false
	}
	if _, ok := c.ids[k.id]; ok {
		return true
	}
	e := c.order.PushFront(k)
	c.ids[k.id] = e
	if !k.retired {
		c.owners[k.owner] = e
	}
	for c.order.Len() > c.max {
		c.drop(c.order.Back())
	}
	return true
}

// forget drops all keys of an owner, also those that are being read right now.
func (c *cache) forget(o Owner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn++
	for e := c.order.Front(); e != nil; {
		next := e.Next()
		if e.Value.(*dataKey).owner == o {
			c.drop(e)
		}
		e = next
	}
}

func (c *cache) drop(e *list.Element) {
	old := c.order.Remove(e).(*dataKey)
	delete(c.ids, old.id)
	if c.owners[old.owner] == e {
		delete(c.owners, old.owner)
	}
}
