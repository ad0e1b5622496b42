package message

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	recent   *dedup.Cache[Message]
	lanes    *lane.Lanes
	now      func() time.Time
}

// New returns a service.
func New(o Options) *Service {
	return &Service{
		store: o.Store, people: o.People, ids: o.IDs, key: o.Key, database: o.Database, now: o.Now,
		recent: dedup.New[Message](dedup.Options[Message]{TTL: recentFor, MaxWeight: recentBytes, Weigh: weigh, Now: o.Now}),
		lanes:  lane.New(laneCapacity),
	}
}

// weigh estimates the memory that a cached message takes, in bytes.
func weigh(m Message) int { return 512 + len(m.Content) + len(m.Attachment) }

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
	if err := s.people.MayWrite(ctx, d.Sender, d.Recipient); err != nil {
		return wire.Outcome[wire.Delivery]{}, err
	}
	known, err := s.people.People(ctx, []id.User{d.Sender, d.Recipient})
	if err != nil {
		return wire.Outcome[wire.Delivery]{}, fmt.Errorf("send message: %w", err)
	}

	m, again, err := s.append(ctx, d)
	if err != nil {
		return wire.Outcome[wire.Delivery]{}, fmt.Errorf("send message: %w", err)
	}
	if again && (m.Recipient != d.Recipient || m.DeletedAt.IsZero() && m.Fingerprint != d.Fingerprint) {
		return wire.Outcome[wire.Delivery]{}, ErrConflict
	}
	return announced(m, again, in.TempID, project(m, known)), nil
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
	if len(text) > maxRaw {
		return "", ErrTooLong
	}
	text = plaintext.Clean(text)
	if utf8.RuneCountInString(text) > MaxContent {
		return "", ErrTooLong
	}
	return text, nil
}

// append stores a draft once per attempt. Concurrent retries wait for the first.
func (s *Service) append(ctx context.Context, d Draft) (m Message, again bool, err error) {
	store := func() (Message, error) {
		err := s.inLane(ctx, Between(d.Sender, d.Recipient), func(ctx context.Context) (err error) {
			m, again, err = s.store.Append(ctx, d)
			return err
		})
		return m, err
	}
	if d.ClientID == "" {
		m, err = store()
		return m, again, err
	}
	m, waited, err := s.recent.Do(context.WithoutCancel(ctx), d.ID.String(), store)
	return m, again || waited, err
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
