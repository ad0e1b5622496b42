package order

import "context"

type queuedKey struct{}

type queued struct {
	release func()
	outer   *queued
}

// OnQueued returns a context in which Queued calls release, and what outer contexts asked
// for. release may be called more than once and must not block.
func OnQueued(ctx context.Context, release func()) context.Context {
	outer, _ := ctx.Value(queuedKey{}).(*queued)
	return context.WithValue(ctx, queuedKey{}, &queued{release, outer})
}

// Queued says that the place of the operation in ctx among the writes is fixed: what stands
// behind it (in a lane, or in the queue of a socket) may go on while this one commits. A
// store calls it when an operation has entered its writer's queue.
func Queued(ctx context.Context) {
	q, _ := ctx.Value(queuedKey{}).(*queued)
	for ; q != nil; q = q.outer {
		q.release()
	}
}
