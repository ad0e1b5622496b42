package order

import (
	"context"
	"sync"
)

// A Counter gives out commit sequence numbers: each is higher than the one before, and the turn
// that takes it has it before the next number is drawn, however many draw at once. Its methods
// are safe for concurrent use.
type Counter struct {
	mu   sync.Mutex
	last Seq
}

// NewCounter returns a counter whose first number comes after last.
func NewCounter(last Seq) *Counter { return &Counter{last: last} }

// Next draws a number for the turn in ctx (see Number), and without one for nobody.
func (c *Counter) Next(ctx context.Context) Seq {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	Number(ctx, c.last)
	return c.last
}

// Raise makes the next number come after last, if it would not anyway.
func (c *Counter) Raise(last Seq) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, last)
}

// Reserve draws n numbers for nobody and returns the first.
func (c *Counter) Reserve(n int) Seq {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.last + 1
	c.last += Seq(n)
	return first
}

// Last returns the highest number that was drawn.
func (c *Counter) Last() Seq {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}
