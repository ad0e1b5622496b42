package message

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/order"
	"pryde/internal/wire"
)

// Refusals of a message. The codes are those of the former system.
var (
	ErrNoRecipient = fault.Invalid("MISSING_RECIPIENT", "Recipient ID is required")
	ErrEmpty       = fault.Invalid("EMPTY_MESSAGE", "Message must have content, attachment, or voice note")
	ErrTooLong     = fault.Invalid("MESSAGE_TOO_LONG", fmt.Sprintf("Message is too long (max %d characters)", MaxContent))
	ErrConflict    = fault.Conflict("IDEMPOTENCY_CONFLICT", "This attempt already sent another message")
	errRecipients  = fault.Invalid("INVALID_RECIPIENT", "A message is for a person or a group, not both")
	errAttachment  = fault.Invalid("INVALID_ATTACHMENT", "Invalid attachment")
	errVoice       = fault.Invalid("INVALID_VOICE_NOTE", fmt.Sprintf("A voice note has a url and a duration of 0 to %d seconds", MaxVoice))
	errWarning     = fault.Invalid("CONTENT_WARNING_TOO_LONG", fmt.Sprintf("Content warning is too long (max %d characters)", MaxWarning))
	errClientID    = fault.Invalid("INVALID_TEMP_ID", fmt.Sprintf("_tempId is longer than %d bytes", MaxClientID))
	errOverloaded  = fault.Unavailable("OVERLOADED", "Too many messages at once, please try again", time.Second)
)

// Send stores a message, then announces it to both participants, or to the members of its
// group. What it replies to is quoted as the sender sees it. A retry of an attempt that succeeded
// is answered with the first message and announced to the sender only; to whoever is no longer in
// the group it is refused.
func (s *Service) Send(ctx context.Context, who auth.Identity, in wire.NewMessage) (wire.Outcome[wire.Delivery], error) {
	d, err := s.draft(who.User, in)
	if err != nil {
		return wire.Outcome[wire.Delivery]{}, err
	}
	m, of, again, hidden, err := s.sent(ctx, d)
	if err != nil {
		return wire.Outcome[wire.Delivery]{}, err
	}
	if again && (m.Conversation() != d.Conversation() || m.DeletedAt.IsZero() && m.Fingerprint != d.Fingerprint) {
		return wire.Outcome[wire.Delivery]{}, ErrConflict
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	if !again {
		s.indexed(m)
	}
	hear, err := s.audience(ctx, m)
	if err != nil {
		return wire.Outcome[wire.Delivery]{}, fmt.Errorf("send message: %w", err)
	}
	of = s.fresh(ctx, m, of)
	out := of.announced(m, again, in.TempID, s.shownWith(ctx, again, m, of.quoted()), hear)
	if hidden {
		out.After = nil
	}
	return out, nil
}

// sent stores a draft where its sender may write, and finds what was stored before they lost
// that right. hidden is set where the sender has deleted the message for themselves. of is what it
// replies to, as far as that is known.
func (s *Service) sent(ctx context.Context, d Draft) (m Message, of original, again, hidden bool, err error) {
	if d.Conversation().IsGroup() {
		// What was stored before is not for those either who are no longer in the group.
		if _, err := s.memberOf(ctx, d.Group, d.Sender); err != nil {
			return Message{}, original{}, false, false, err
		}
	}
	of, refused := s.mayWrite(ctx, d)
	if refused == nil {
		refused = s.attach(ctx, d)
	}
	stale := true
	if refused == nil {
		m, again, stale, err = s.append(ctx, d)
	} else if m, again, err = s.store.Attempt(ctx, d); err == nil && !again {
		return Message{}, original{}, false, false, refused
	}
	if err == nil && again && stale {
		m, hidden, err = s.asSeenBy(ctx, d.Sender, m.ID)
	}
	if err != nil {
		return Message{}, original{}, false, false, fmt.Errorf("send message: %w", err)
	}
	return m, of, again, hidden, nil
}

// mayWrite returns what a draft replies to, or a fault where its sender may not write it. In a
// group nobody is asked but the sender's own account: whom they block, and who blocks them, reads
// the group too.
func (s *Service) mayWrite(ctx context.Context, d Draft) (original, error) {
	to := d.Recipient
	if d.Conversation().IsGroup() {
		to = d.Sender
	}
	if err := s.people.MayWrite(ctx, d.Sender, to); err != nil {
		return original{}, err
	}
	return s.original(ctx, d.Conversation(), d.Sender, d.ReplyTo)
}

// asSeenBy reads a message, and whether a participant deleted it for themselves.
func (s *Service) asSeenBy(ctx context.Context, u id.User, of id.Message) (m Message, hidden bool, err error) {
	if m, err = s.store.Message(ctx, of); err != nil {
		return Message{}, false, err
	}
	sees, err := s.sees(ctx, u, m)
	return m, !sees, err
}

// sees reports whether a participant did not delete a message for themselves. Who is not in the
// group sees none of its messages.
func (s *Service) sees(ctx context.Context, u id.User, m Message) (bool, error) {
	if !m.Conversation().IsGroup() {
		seers, err := s.store.SeenBy(ctx, m.ID)
		return slices.Contains(seers, u), err
	}
	some, err := s.store.Some(ctx, m.Conversation(), u, []id.Message{m.ID})
	if errors.Is(err, ErrNotMember) || errors.Is(err, ErrNoGroup) {
		return false, nil
	}
	return len(some) > 0, err
}

// audience returns who hears of a message: the participants, or the members of the group. It is
// asked when the message is stored: who has left meanwhile hears nothing of it, and who has come in
// meanwhile reads it in the thread anyway.
func (s *Service) audience(ctx context.Context, m Message) ([]id.User, error) {
	if !m.Conversation().IsGroup() {
		return m.Conversation().People(), nil
	}
	g, err := s.roster.group(ctx, m.Group)
	if errors.Is(err, ErrNoGroup) {
		return nil, nil
	}
	return g.users(), err
}

// announced tells those who hear of a message, the sender's devices by the name that they gave
// it; of a repeat, these devices alone.
func (of original) announced(m Message, again bool, tempID string, w wire.Message, hear []id.User) wire.Outcome[wire.Delivery] {
	out := wire.Outcome[wire.Delivery]{Reply: wire.Delivery{Message: w, TempID: tempID, Duplicate: again}}
	arrived, mine := wire.MessageNew, wire.MessageSent
	if m.Conversation().IsGroup() {
		arrived, mine = wire.GroupMessageNew, wire.GroupMessageNew
	}
	sent := w
	sent.TempID = tempID
	if again {
		out.After = []wire.Outgoing{mine.To(wire.UserRoom(m.Sender), sent)}
		return out
	}
	others := slices.DeleteFunc(slices.Clone(hear), func(u id.User) bool { return u == m.Sender })
	out.Before = of.tell(arrived, m.Seq, w, others...)
	if slices.Contains(hear, m.Sender) {
		out.After = tell(mine, m.Seq, sent, m.Sender)
	}
	return out
}

// tell addresses one event to all devices of some people. Where there is nobody there is none.
func tell[P any](e wire.ToClient[P], seq order.Seq, p P, to ...id.User) []wire.Outgoing {
	if len(to) == 0 {
		return nil
	}
	out := e.At(seq, wire.UserRoom(to[0]), p)
	for _, u := range to[1:] {
		out.Rooms = append(out.Rooms, wire.UserRoom(u))
	}
	return []wire.Outgoing{out}
}

// A stored message is remembered as it was stored, at an epoch of its conversation.
type stored struct {
	message Message
	epoch   uint64
}

// append stores a draft once per attempt. Concurrent retries wait for the first. A repeat is
// stale where the conversation may have changed since it was remembered.
func (s *Service) append(ctx context.Context, d Draft) (m Message, again, stale bool, err error) {
	c := d.Conversation()
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
