// Package powercut is a file system that can lose its power. It keeps files in memory, each
// as processes see it and as the disk has it for sure: fsync and fdatasync of a file make its
// content durable, fsync of a directory the names in it, and nothing else does. Cut forgets
// the rest, as real disks do: of the 4 KiB pages that were written and not synced a random
// subset survives, some torn at 512-byte sectors; of creations, renames and removals a
// random number of the oldest. It knows nothing of what is stored on it.
package powercut

import (
	"errors"
	"time"
)

// ErrUnavailable is in the chain of the error of a machine that cannot mount FUSE.
var ErrUnavailable = errors.New("FUSE cannot be mounted here")

// Options say how a disk behaves.
type Options struct {
	Seed      uint64        // settles what a cut keeps
	SyncDelay time.Duration // how long each sync takes at least; widens the window in which a cut hurts
}
