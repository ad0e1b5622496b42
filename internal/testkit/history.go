// Package testkit holds what tests and load programs need to treat the server as a black
// box: a raw Socket.IO client and a REST client, the real binary as a child process, and a
// history of what clients did and saw with a checker that judges it. It knows no package of
// the product but its vocabulary.
package testkit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pryde/internal/order"
)

// A Kind says what an entry of a history tells.
type Kind string

// The kinds of entries, and the fields that each fills besides Kind and At.
const (
	Joined    Kind = "joined"    // an account was made and acknowledged: User
	LockedOut Kind = "lockedOut" // the server no longer knows an account or its session: User, Note
	Connected Kind = "connected" // a socket hears events of its user from now on: Client, Connection, User; Since, where it was told what came after
	Tried     Kind = "tried"     // an attempt is about to leave, once per transmission: Client, Connection, Attempt, Sender, Recipient or Group, Tag
	Acked     Kind = "acked"     // it succeeded: Client, Connection, Attempt, Message, Duplicate
	Refused   Kind = "refused"   // it was refused: Client, Connection, Attempt, Code
	Saw       Kind = "saw"       // a durable event arrived: Client, Connection, User, Event and the message
	Synced    Kind = "synced"    // an answer to "what did I miss": Client, Connection, User, Since, Seq, Reload, Items
	Formed    Kind = "formed"    // a group was made, whose members stay: Group, Members
	Crashed   Kind = "crashed"   // the server was ended by force: Note
	Marked    Kind = "marked"    // everything up to a message is read, as was acknowledged: Client, User, Peer or Group, Message
	Stored    Kind = "stored"    // a whole thread, read at the end: User (the reader), Peer or Group, Items
	Listed    Kind = "listed"    // a whole list of conversations, read at the end: User, Rows
)

// An Item is a message as somebody sent, saw or read it. People and messages are named by
// their ids. A tag is the text of a message; each attempt of a run has its own.
type Item struct {
	Message   string    `json:"message,omitzero"`
	Seq       order.Seq `json:"seq,omitzero"` // of its commit; in a Saw entry the offset of the event; 0 where it is unknown
	Sender    string    `json:"sender,omitzero"`
	Recipient string    `json:"recipient,omitzero"`
	Group     string    `json:"group,omitzero"` // where it is to a group, instead of a recipient
	Tag       string    `json:"tag,omitzero"`
	CreatedAt time.Time `json:"createdAt,omitzero"`
}

// A Row is a conversation as it stands in somebody's list.
type Row struct {
	Peer   string `json:"peer"`          // or the group
	Last   string `json:"last,omitzero"` // the newest message
	Read   string `json:"read,omitzero"` // up to here the person has read
	Unread int    `json:"unread,omitzero"`
}

// An Entry is one thing that happened, as one client knows it.
type Entry struct {
	Kind       Kind      `json:"kind"`
	At         time.Time `json:"at,omitzero"`
	Client     string    `json:"client,omitzero"`     // one device
	Connection int       `json:"connection,omitzero"` // counts the sockets of a client from 1; 0 is the REST door
	User       string    `json:"user,omitzero"`
	Peer       string    `json:"peer,omitzero"`
	Attempt    string    `json:"attempt,omitzero"`
	Event      string    `json:"event,omitzero"`
	Duplicate  bool      `json:"duplicate,omitzero"`
	Code       string    `json:"code,omitzero"`
	Since      order.Seq `json:"since,omitzero"`
	Reload     bool      `json:"reload,omitzero"`
	Note       string    `json:"note,omitzero"`
	Item
	Items []Item `json:"items,omitzero"`
	Rows  []Row  `json:"rows,omitzero"`
	// Members are those of a group that was made.
	Members []string `json:"members,omitzero"`
}

// A History is what a run did, in the order in which it was recorded. Its methods are safe
// for concurrent use. An entry about something that leaves a client is added before it
// leaves, one about something that arrives after it arrived; the checker relies on that.
type History struct {
	now func() time.Time

	mu      sync.Mutex
	entries []Entry
}

// NewHistory returns an empty history that stamps its entries with now.
func NewHistory(now func() time.Time) *History { return &History{now: now} }

// Add records one entry, at the present time where it has none.
func (h *History) Add(e Entry) {
	if e.At.IsZero() {
		e.At = h.now()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries = append(h.entries, e)
}

// Entries returns a copy of what was recorded, in order.
func (h *History) Entries() []Entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Entry(nil), h.entries...)
}

// Count returns how many entries of a kind were recorded.
func (h *History) Count(k Kind) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for i := range h.entries {
		if h.entries[i].Kind == k {
			n++
		}
	}
	return n
}

// Write writes the history as JSON, one entry a line.
func (h *History) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	for i, e := range h.Entries() {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("write entry %d: %w", i, err)
		}
		if _, err := b.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("write entry %d: %w", i, err)
		}
	}
	return b.Flush()
}

// ReadHistory reads what Write wrote.
func ReadHistory(r io.Reader) (*History, error) {
	h := NewHistory(time.Now)
	d := jsontext.NewDecoder(bufio.NewReader(r))
	for {
		var e Entry
		err := json.UnmarshalDecode(d, &e)
		if errors.Is(err, io.EOF) {
			return h, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read entry %d: %w", len(h.entries), err)
		}
		h.entries = append(h.entries, e)
	}
}
