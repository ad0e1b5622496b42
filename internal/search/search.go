// Package search finds the messages of a person by whole words, although the texts are sealed.
// It knows neither doors nor databases, and not what a message looks like to those who read it:
// it answers with ids.
//
// What it finds is looked up in the true texts, as the person may read them at that moment. An
// index only says where to look: a segment for every 256 messages of a person, sealed with
// their key, made in the background. What no segment covers yet is read through.
package search

import (
	"bytes"
	"cmp"
	"context"
	"errors"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/order"
)

// Bounds of a query and its answer.
const (
	MaxQuery = 200 // characters
	MaxLimit = 100 // messages of a page
)

// A Query is what somebody looks for.
type Query struct {
	Text   string     // every word of it has to be in a message; what has no space in it, in one piece
	Before id.Message // only older ones; zero: all
	Limit  int        // 1 to MaxLimit
}

// Found are messages that hold what was looked for, newest first.
type Found struct {
	IDs  []id.Message
	Next id.Message // the Before of the next page; zero where nothing follows
	// Complete is false where the answer took too long to look at everything: older messages may
	// be missing until the index is made.
	Complete bool
}

// Refusals of a query.
var (
	ErrQuery = fault.Invalid("INVALID_QUERY", "q needs 1 to 200 characters, a letter or a digit among them")
	ErrLimit = fault.Invalid("INVALID_LIMIT", "limit must be a number from 1 on")
)

// A Talk names a conversation as the stores do: the ids of both people, the lower one first, or
// 12 zero bytes and the id of a group.
type Talk [24]byte

// Between returns the conversation of two people.
func Between(a, b id.User) (t Talk) {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	copy(t[:], a[:])
	copy(t[id.Size:], b[:])
	return t
}

// InGroup returns the conversation of a group.
func InGroup(g id.Group) (t Talk) {
	copy(t[id.Size:], g[:])
	return t
}

// Group returns the group whose conversation it is, and whether it is that of one.
func (t Talk) Group() (id.Group, bool) {
	var low id.User
	copy(low[:], t[:])
	var g id.Group
	copy(g[:], t[id.Size:])
	return g, low.IsZero()
}

// People returns the two people, or the same one twice; zero ones for a group.
func (t Talk) People() (low, high id.User) {
	if _, group := t.Group(); group {
		return low, high
	}
	copy(low[:], t[:])
	copy(high[:], t[id.Size:])
	return low, high
}

// A State is how far a conversation is.
type State struct {
	Talk Talk
	Last order.Seq // not below the place of the newest message that the person can see
}

// A Stretch is a part of a conversation: what lies behind one place and before another.
type Stretch struct {
	Talk          Talk
	After, Before order.Seq
	Last          order.Seq // the Last of its State
}

// A Ref is where a message is.
type Ref struct {
	Talk Talk
	ID   id.Message
	Seq  order.Seq
}

// Compare orders messages of all conversations by their places, and where those are equal, as they
// may be between conversations of a former system, by the conversations.
func (r Ref) Compare(s Ref) int {
	return cmp.Or(cmp.Compare(r.Seq, s.Seq), bytes.Compare(r.Talk[:], s.Talk[:]))
}

// end is the place in a conversation before which everything comes before r.
func (r Ref) end(t Talk) order.Seq {
	if bytes.Compare(t[:], r.Talk[:]) < 0 {
		return r.Seq + 1
	}
	return r.Seq
}

// A Text is a message as far as the search looks at it.
type Text struct {
	Ref
	Changed order.Seq // of its last commit
	Content string    // empty where it is deleted for all, or cannot be read any more
	Gone    bool      // one of the two
}

// A Head is how far the index of a person is.
type Head struct {
	Version int64  // of this state, from 1 on; 0 where the person has no index
	Next    int64  // the number of the next new segment
	State   []byte // sealed by the store
}

// A Segment tells where words are in some messages of a person. The store seals Filter and List
// with the person's key.
type Segment struct {
	Number      int64     // of the person's, running
	First, Last order.Seq // places of its oldest and its newest message
	Messages    int
	Filter      []byte // which words are in it
	List        []byte // which messages, and which words are in which
}

// What a store answers.
var (
	// ErrMoved says that the head is not the one that was to be replaced.
	ErrMoved = errors.New("the index has changed")
	// ErrUnreadable says that a part of the index does not open: the key that it was sealed with
	// is not the person's any more, or it is damaged.
	ErrUnreadable = errors.New("the index cannot be opened")
)

// A Store keeps the indexes and reads messages. What it returns of messages is what the person
// can see: of conversations in which they take part, without what they deleted for themselves.
type Store interface {
	// SearchHead returns how far the index of a person is.
	SearchHead(ctx context.Context, owner id.User) (Head, error)
	// SaveSearch replaces the head whose version is one less than that of h, and in the same commit
	// stores segments, in place of those with the same number, and removes others. It is ErrMoved
	// where the head is another one; where h.Version is 1 there must be none.
	SaveSearch(ctx context.Context, owner id.User, h Head, put []Segment, drop []int64) error
	// SegmentFilters returns segments without their lists, by Last and then Number, the highest
	// first: those behind one in that order (zero: from the start).
	SegmentFilters(ctx context.Context, owner id.User, behind Segment, limit int) ([]Segment, error)
	// SegmentLists returns segments without their filters, in no order. Those that are gone are
	// left out.
	SegmentLists(ctx context.Context, owner id.User, numbers []int64) ([]Segment, error)
	// SegmentsAt returns the numbers of the segments in whose range a place is.
	SegmentsAt(ctx context.Context, owner id.User, at order.Seq) ([]int64, error)

	// DropSegments removes the index of a person. It begins anew when they search again.
	DropSegments(ctx context.Context, owner id.User) error
	// DropSegmentsAround removes the indexes of a person and of everybody who could read what they
	// wrote.
	DropSegmentsAround(ctx context.Context, u id.User) error
	// DropSegmentsBefore removes the segments whose newest message has a place below one.
	DropSegmentsBefore(ctx context.Context, before order.Seq) error

	// SearchersIn returns the members of a group who have an index.
	SearchersIn(ctx context.Context, g id.Group) ([]id.User, error)
	// SearchTalks returns the conversations of a person; more is set where there are more than
	// limit, or some that cannot be read yet.
	SearchTalks(ctx context.Context, owner id.User, limit int) (talks []State, more bool, err error)
	// SearchMessages returns the newest messages of some stretches, newest first, or the oldest
	// ones, oldest first. The order is that of Ref.Compare.
	SearchMessages(ctx context.Context, owner id.User, in []Stretch, newest bool, limit int) ([]Text, error)
	// SearchChanged returns messages that were changed after they were stored, by commits after a
	// number, in the order of Changed. They are all there are of commits up to the number that it
	// returns.
	SearchChanged(ctx context.Context, owner id.User, after order.Seq, limit int) ([]Text, order.Seq, error)
	// SearchTexts returns messages, in no order.
	SearchTexts(ctx context.Context, owner id.User, of []Ref) ([]Text, error)
	// SearchPlace returns where a message is of a conversation in which the person takes part, or a
	// fault of kind not found.
	SearchPlace(ctx context.Context, owner id.User, m id.Message) (Ref, error)
}
