package message

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"pryde/internal/auth"
	"pryde/internal/dedup"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/lane"
	"pryde/internal/order"
	"pryde/internal/plaintext"
	"pryde/internal/wire"
)

// Limits of what comes from outside.
const (
	MaxContent    = 10_000 // characters of a message, not bytes
	MaxAttachment = 2_048  // bytes of the URL or path
	MaxClientID   = 128    // bytes
)

const (
	// maxRaw is the longest text that is looked at before it is cleaned, in bytes.
	maxRaw = 64 << 10
	// saveTimeout bounds how long a change waits for its place among the writes.
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

// Options are what a service is made of. All are required.
type Options struct {
	Store    Store
	People   People
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
	people   People
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
		store: o.Store, people: o.People, ids: o.IDs, key: o.Key, database: o.Database, now: o.Now,
		recent: dedup.New[stored](dedup.Options[stored]{TTL: recentFor, MaxWeight: recentBytes, Weigh: weigh, Now: o.Now}),
		lanes:  lane.New(laneCapacity),
	}
}

// weigh estimates the memory that a cached message takes, in bytes.
func weigh(s stored) int { return 512 + len(s.message.Content) + len(s.message.Attachment) }

// Refusals of a message. The codes are those of the former system.
var (
	ErrNoRecipient = fault.Invalid("MISSING_RECIPIENT", "Recipient ID is required")
	ErrEmpty       = fault.Invalid("EMPTY_MESSAGE", "Message must have content, attachment, or voice note")
	ErrTooLong     = fault.Invalid("MESSAGE_TOO_LONG", fmt.Sprintf("Message is too long (max %d characters)", MaxContent))
	ErrConflict    = fault.Conflict("IDEMPOTENCY_CONFLICT", "This attempt already sent another message")
	errAttachment  = fault.Invalid("INVALID_ATTACHMENT", "Invalid attachment")
	errClientID    = fault.Invalid("INVALID_TEMP_ID", fmt.Sprintf("_tempId is longer than %d bytes", MaxClientID))
	errOverloaded  = fault.Unavailable("OVERLOADED", "Too many messages at once, please try again", time.Second)
)

// Send stores a message, then announces it to both participants. A retry of an attempt that
// succeeded is answered with the first message and announced to the sender only.
func (s *Service) Send(ctx context.Context, who auth.Identity, in wire.NewMessage) (wire.Outcome[wire.Delivery], error) {
	d, err := s.draft(who.User, in)
	if err != nil {
		return wire.Outcome[wire.Delivery]{}, err
	}
	m, again, hidden, err := s.sent(ctx, d)
	if err != nil {
		return wire.Outcome[wire.Delivery]{}, err
	}
	if again && (m.Recipient != d.Recipient || m.DeletedAt.IsZero() && m.Fingerprint != d.Fingerprint) {
		return wire.Outcome[wire.Delivery]{}, ErrConflict
	}
	known, err := s.people.People(ctx, []id.User{d.Sender, d.Recipient})
	if err != nil {
		return wire.Outcome[wire.Delivery]{}, fmt.Errorf("send message: %w", err)
	}
	out := announced(m, again, in.TempID, project(m, known))
	if hidden {
		out.After = nil
	}
	return out, nil
}

// sent stores a draft where its sender may write, and finds what was stored before they lost
// that right. hidden is set where the sender has deleted the message for themselves.
func (s *Service) sent(ctx context.Context, d Draft) (m Message, again, hidden bool, err error) {
	refused := s.people.MayWrite(ctx, d.Sender, d.Recipient)
	stale := true
	if refused == nil {
		m, again, stale, err = s.append(ctx, d)
	} else if m, again, err = s.store.Attempt(ctx, d); err == nil && !again {
		return Message{}, false, false, refused
	}
	if err == nil && again && stale {
		m, hidden, err = s.asSeenBy(ctx, d.Sender, m.ID)
	}
	if err != nil {
		return Message{}, false, false, fmt.Errorf("send message: %w", err)
	}
	return m, again, hidden, nil
}

// asSeenBy reads a message, and whether a participant deleted it for themselves.
func (s *Service) asSeenBy(ctx context.Context, u id.User, of id.Message) (m Message, hidden bool, err error) {
	if m, err = s.store.Message(ctx, of); err != nil {
		return Message{}, false, err
	}
	seers, err := s.store.SeenBy(ctx, of)
	return m, !slices.Contains(seers, u), err
}

// announced tells the recipient and the sender's devices of a message, or the sender's
// devices alone of a repeat.
func announced(m Message, again bool, tempID string, w wire.Message) wire.Outcome[wire.Delivery] {
	out := wire.Outcome[wire.Delivery]{Reply: wire.Delivery{Message: w, TempID: tempID, Duplicate: again}}
	sent := w
	sent.TempID = tempID
	if again {
		out.After = []wire.Outgoing{wire.MessageSent.To(wire.UserRoom(m.Sender), sent)}
		return out
	}
	if m.Sender != m.Recipient {
		out.Before = []wire.Outgoing{wire.MessageNew.At(m.Seq, wire.UserRoom(m.Recipient), w)}
	}
	out.After = []wire.Outgoing{wire.MessageSent.At(m.Seq, wire.UserRoom(m.Sender), sent)}
	return out
}

// draft checks what was sent and gives it its name.
func (s *Service) draft(from id.User, in wire.NewMessage) (Draft, error) {
	if in.RecipientID.IsZero() {
		return Draft{}, ErrNoRecipient
	}
	text, err := content(in.Content)
	if err != nil {
		return Draft{}, err
	}
	attachment := strings.TrimSpace(in.Attachment)
	switch {
	case len(attachment) > MaxAttachment:
		return Draft{}, errAttachment
	case text == "" && attachment == "":
		return Draft{}, ErrEmpty
	case len(in.TempID) > MaxClientID:
		return Draft{}, errClientID
	}
	d := Draft{
		Sender: from, Recipient: in.RecipientID, Content: text, Attachment: attachment,
		ClientID: in.TempID, RepeatWindow: repeatWindow, At: s.now(),
		Fingerprint: fingerprint(s.key, in.RecipientID, text, attachment),
	}
	if d.ClientID == "" {
		d.ID = id.New[id.Message](s.ids)
	} else {
		d.ID = id.Derive(s.key[:], from, d.ClientID)
	}
	return d, nil
}

// content cleans a text and checks its length.
func content(text string) (string, error) {
	if text = strings.TrimSpace(text); len(text) > maxRaw {
		return "", ErrTooLong
	}
	text = plaintext.Clean(text)
	if utf8.RuneCountInString(text) > MaxContent {
		return "", ErrTooLong
	}
	return text, nil
}

// A stored message is remembered as it was stored, at an epoch of its conversation.
type stored struct {
	message Message
	epoch   uint64
}

// append stores a draft once per attempt. Concurrent retries wait for the first. A repeat is
// stale where the conversation may have changed since it was remembered.
func (s *Service) append(ctx context.Context, d Draft) (m Message, again, stale bool, err error) {
	c := Between(d.Sender, d.Recipient)
	store := func() (stored, error) {
		epoch := s.epoch(c).Load()
		err := s.inLane(ctx, c, func(ctx context.Context) (err error) {
			m, again, err = s.store.Append(ctx, d)
			return err
		})
		return stored{m, epoch}, err
	}
	if d.ClientID == "" {
		_, err = store()
		return m, again, true, err
	}
	known, waited, err := s.recent.Do(context.WithoutCancel(ctx), d.ID.String(), store)
	return known.message, again || waited, !waited || known.epoch != s.epoch(c).Load(), err
}

// epoch is what every change to a conversation moves. Few conversations share one, and then
// read a little more than they need.
func (s *Service) epoch(c Conversation) *atomic.Uint64 {
	h := fnv.New32a()
	_, _ = h.Write(c.Low[:]) // a hash does not fail
	_, _ = h.Write(c.High[:])
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	err := s.lanes.Do(ctx, string(append(c.Low[:], c.High[:]...)), func(ctx context.Context, advance func()) error {
		return fn(order.OnQueued(ctx, advance))
	})
	if errors.Is(err, lane.ErrFull) {
		return errOverloaded
	}
	return err
}
