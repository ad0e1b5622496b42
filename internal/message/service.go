package message

import (
	"context"
	"errors"
	"hash/fnv"
	"sync/atomic"
	"time"

	"pryde/internal/dedup"
	"pryde/internal/id"
	"pryde/internal/lane"
	"pryde/internal/order"
	"pryde/internal/wire"
)

// Limits of what comes from outside.
const (
	MaxContent    = 10_000 // characters of a message, not bytes
	MaxAttachment = 2_048  // bytes of the URL or path
	MaxClientID   = 128    // bytes
	MaxVoice      = 3_600  // seconds of a voice note
	MaxWarning    = 50     // characters of a content warning
)

const (
	// maxRaw is the longest text that is looked at before it is cleaned, in bytes.
	maxRaw = 64 << 10
	// saveTimeout bounds how long a change waits for its place among the writes, and what is read
	// after it to tell of it.
	saveTimeout = 10 * time.Second
	// repeatWindow is how long an unnamed message with the same content counts as a retry of
	// the first.
	repeatWindow = 5 * time.Second
	// recentFor is how long retries are answered from memory.
	recentFor = 5 * time.Minute
	// recentBytes bounds that memory.
	recentBytes = 32 << 20
	// laneCapacity is how many operations may wait for one conversation.
	laneCapacity = 256
)

// People answers who exists and how they look.
type People interface {
	// People returns those of the accounts that exist.
	People(ctx context.Context, us []id.User) (map[id.User]wire.Person, error)
	// MayWrite returns a fault where from may not write to to.
	MayWrite(ctx context.Context, from, to id.User) error
	// BlockedWith returns everybody whom u blocks or who blocks u. It is only looked at.
	BlockedWith(ctx context.Context, u id.User) (map[id.User]bool, error)
}

// Files keep what people uploaded.
type Files interface {
	// Attach notes that a message is going to have the files at these paths, and that they are the
	// owner's. It is a fault where one of them is not, or not there. The same again changes nothing,
	// and nothing has to be undone where the message is never stored.
	Attach(ctx context.Context, owner id.User, m id.Message, paths ...string) error
	// Detach notes that a message has no files any more.
	Detach(ctx context.Context, m id.Message) error
	// Link returns the path by which whoever sees a message can fetch a file of it for a while. What
	// is no path of an upload stays as it is.
	Link(path string) string
}

// An Index is told of messages whose words may be looked for.
type Index interface {
	// Changed takes note of a message that was stored, edited or deleted for all. It never blocks.
	Changed(m Message)
}

// Options are what a service is made of. All but Files and Index are required.
type Options struct {
	Store    Store
	Groups   GroupStore
	People   People
	Files    Files // nil: attachments are taken and shown as they are
	Index    Index // nil: nobody looks for words
	IDs      *id.Source
	Key      [32]byte // names messages and recognises attempts
	Database wire.Database
	Now      func() time.Time
}

// Service is the one place where messages are sent, changed and read. Both doors call it. It
// promises: what is announced or acknowledged is stored; one attempt is at most one message,
// also across a restart; what a person missed is repaired by loading, never by guessing.
type Service struct {
	store    Store
	groups   GroupStore
	roster   *roster
	people   People
	files    Files
	index    Index
	ids      *id.Source
	key      [32]byte
	database wire.Database
	recent   *dedup.Cache[stored]
	epochs   [1 << 10]atomic.Uint64 // of conversations, by their hash; each change moves one
	lanes    *lane.Lanes
	now      func() time.Time
}

// New returns a service.
func New(o Options) *Service {
	return &Service{
		store: o.Store, groups: o.Groups, roster: newRoster(o.Groups), people: o.People, files: o.Files, index: o.Index, ids: o.IDs, key: o.Key, database: o.Database, now: o.Now,
		recent: dedup.New[stored](dedup.Options[stored]{TTL: recentFor, MaxWeight: recentBytes, Weigh: weigh, Now: o.Now}),
		lanes:  lane.New(laneCapacity),
	}
}

// weigh estimates the memory that a cached message takes, in bytes.
func weigh(s stored) int {
	m := s.message
	return 512 + len(m.Content) + len(m.Attachment) + len(m.Extra.VoiceURL) + len(m.Extra.Warning)
}

// indexed tells who looks for words that a message is new or other than it was.
func (s *Service) indexed(m Message) {
	if s.index != nil {
		s.index.Changed(m)
	}
}

// epoch is what every change to a conversation moves. Few conversations share one, and then
// read a little more than they need.
func (s *Service) epoch(c Conversation) *atomic.Uint64 {
	h := fnv.New32a()
	_, _ = h.Write(c.key()) // a hash does not fail
	return &s.epochs[h.Sum32()%uint32(len(s.epochs))]
}

// change is inLane for what changes messages that may be remembered.
func (s *Service) change(ctx context.Context, c Conversation, fn func(context.Context) error) error {
	err := s.inLane(ctx, c, fn)
	s.epoch(c).Add(1) // also when it failed: it may be stored all the same
	return err
}

// inLane runs fn when the operations that came before it in the same conversation have their
// place among the writes. The caller's leaving does not end it: others may wait for the
// same change, and what is queued may be stored.
func (s *Service) inLane(ctx context.Context, c Conversation, fn func(context.Context) error) error {
	ctx, cancel := settled(ctx)
	defer cancel()
	err := s.lanes.Do(ctx, string(c.key()), func(ctx context.Context, advance func()) error {
		return fn(order.OnQueued(ctx, advance))
	})
	if errors.Is(err, lane.ErrFull) {
		return errOverloaded
	}
	return err
}

// settled returns a context for a change, and for what is read once it is stored to tell of it: the
// caller's leaving does not end it.
func settled(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
}

// key names a conversation in memory.
func (c Conversation) key() []byte {
	if c.IsGroup() {
		return c.Group[:]
	}
	return append(c.Low[:], c.High[:]...)
}
