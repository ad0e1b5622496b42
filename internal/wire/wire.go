// Package wire is the vocabulary of the wire: the events that cross the socket
// (catalogue.go), the routes of the REST door (routes.go), and the shapes that both carry
// (shapes.go and its neighbours). The TypeScript types, the OpenAPI and AsyncAPI documents
// and the event table are generated from it. It knows no rule of the product.
package wire

import (
	"reflect"

	"pryde/internal/id"
	"pryde/internal/order"
)

// ToClient is an event that the server sends, carrying a P.
type ToClient[P any] struct{ spec *EventSpec }

// ToServer is an event that a client sends, carrying an In and acknowledged with an Ack.
type ToServer[In, Ack any] struct{ spec *EventSpec }

// None is the payload or acknowledgement of an event that has none.
type None struct{}

// Name returns the event's name on the wire.
func (e ToClient[P]) Name() string { return e.spec.Name }

// Spec returns the event's description.
func (e ToServer[In, Ack]) Spec() *EventSpec { return e.spec }

// Name returns the event's name on the wire.
func (e ToServer[In, Ack]) Name() string { return e.spec.Name }

// Room names a set of sockets. A socket is in each room at most once.
type Room string

// UserRoom holds every socket of one user.
func UserRoom(u id.User) Room { return Room("user_" + u.String()) }

// SocketRoom holds the one socket with this id.
func SocketRoom(socket string) Room { return Room(socket) }

// Lounge holds every socket in the global chat.
const Lounge Room = "global_chat"

// An Outgoing is an event addressed and ready to send.
type Outgoing struct {
	Rooms   []Room // the union of these rooms hears it, each socket once
	Except  []Room // sockets in these rooms do not
	Name    string
	Payload any
	Seq     order.Seq // the commit that it tells of; 0 for what is not stored

	// Volatile events pass over a socket that is too slow to take them.
	Volatile bool
}

// To addresses an event that tells of nothing stored (typing, presence, counts).
func (e ToClient[P]) To(r Room, p P) Outgoing {
	return Outgoing{Rooms: []Room{r}, Name: e.spec.Name, Payload: p, Volatile: e.spec.Volatile}
}

// Encoded addresses an event like To, with a payload that is the JSON of a P already.
func (e ToClient[P]) Encoded(r Room, p Raw) Outgoing {
	return Outgoing{Rooms: []Room{r}, Name: e.spec.Name, Payload: p, Volatile: e.spec.Volatile}
}

// At addresses an event that tells of the commit with this number. It reaches sockets with
// that number as its recovery offset.
func (e ToClient[P]) At(seq order.Seq, r Room, p P) Outgoing {
	return Outgoing{Rooms: []Room{r}, Name: e.spec.Name, Payload: p, Seq: seq}
}

// An Outcome is what an operation did: its reply, and the events that tell others of it. The
// doors hand the events to the dispatcher, and nothing else publishes what is stored.
type Outcome[R any] struct {
	Reply  R
	Before []Outgoing // published before the reply leaves
	After  []Outgoing // published after it
}

// A Publisher sends events that tell of nothing stored to whoever is connected now. It
// never blocks on a slow client. What is stored is published by the dispatcher alone.
type Publisher interface {
	Publish(out ...Outgoing)
}

// A Page is a part of a list. Over REST its items are the body, and Next is the header
// X-Next-Cursor.
type Page[T any] struct {
	Items []T
	Next  string // the parameter before of the page behind this one; empty at the end
}

// A ListQuery asks for a part of a list.
type ListQuery struct {
	Before id.Message // only what is older; zero: from the newest
	Limit  int        // rows, 1 to 100
}

// A Direction says who sends an event.
type Direction string

// The directions of events.
const (
	FromServer Direction = "fromServer"
	FromClient Direction = "fromClient"
)

// An EventSpec describes one event to the generator and to the tests.
type EventSpec struct {
	Name      string
	Direction Direction
	Doc       string
	Durable   bool         // carries a recovery offset as its last argument
	Volatile  bool         // is left out for a socket that is too slow to take it
	Payload   reflect.Type // None for an event without one
	Ack       reflect.Type // nil for events of the server; None where nothing is acknowledged
	FailsAs   *EventSpec   // the event that tells of a refusal besides the acknowledgement; nil where none does
	AnswersAs *EventSpec   // the event that answers where no acknowledgement was asked for; nil where none does
	Budgets   []Budget     // that an event of a client counts against, in the order in which they are asked
}

// A catalogue holds what has been declared, in order.
type catalogue struct {
	events []*EventSpec
	routes []*RouteSpec
}

var declared catalogue

// Events returns every event, in the order of the catalogue.
func Events() []*EventSpec { return declared.events }

// Routes returns every route, in the order of the catalogue.
func Routes() []*RouteSpec { return declared.routes }

func toClient[P any](name, doc string) ToClient[P] {
	s := &EventSpec{Name: name, Direction: FromServer, Doc: doc, Payload: reflect.TypeFor[P]()}
	declared.events = append(declared.events, s)
	return ToClient[P]{s}
}

// durable declares an event that tells of something stored.
func durable[P any](name, doc string) ToClient[P] {
	e := toClient[P](name, doc)
	e.spec.Durable = true
	return e
}

// volatile declares an event that is worth nothing once a newer one of its kind is there.
func volatile[P any](name, doc string) ToClient[P] {
	e := toClient[P](name, doc)
	e.spec.Volatile = true
	return e
}

func toServer[In, Ack any](name, doc string, more ...func(*EventSpec)) ToServer[In, Ack] {
	s := &EventSpec{Name: name, Direction: FromClient, Doc: doc, Payload: reflect.TypeFor[In](), Ack: reflect.TypeFor[Ack](), Budgets: []Budget{{name, PerUser}}}
	for _, m := range more {
		m(s)
	}
	declared.events = append(declared.events, s)
	return ToServer[In, Ack]{s}
}

func failsAs(e ToClient[Failure]) func(*EventSpec) { return func(s *EventSpec) { s.FailsAs = e.spec } }

func answersAs[P any](e ToClient[P]) func(*EventSpec) {
	return func(s *EventSpec) { s.AnswersAs = e.spec }
}
