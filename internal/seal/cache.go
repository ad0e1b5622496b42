package seal

import (
	"container/list"
	"crypto/cipher"
	"sync"
)

// A dataKey is an unwrapped key that is ready for use.
type dataKey struct {
	id    DataKeyID
	owner Owner
	aead  cipher.AEAD
}

// A cache keeps the data keys that were used last. It is safe for concurrent use.
type cache struct {
	max int

	mu     sync.Mutex
	ids    map[DataKeyID]*list.Element
	owners map[Owner]*list.Element
	order  *list.List // of *dataKey, the one used last in front
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

func (c *cache) add(k *dataKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.ids[k.id]; ok {
		return
	}
	e := c.order.PushFront(k)
	c.ids[k.id] = e
	c.owners[k.owner] = e
	for c.order.Len() > c.max {
		c.drop(c.order.Back())
	}
}

func (c *cache) drop(e *list.Element) {
	old := c.order.Remove(e).(*dataKey)
	delete(c.ids, old.id)
	if c.owners[old.owner] == e {
		delete(c.owners, old.owner)
	}
}
