package socketio

import (
	"fmt"
	"sync/atomic"

	"pryde/internal/engineio"
)

// An Event is what a client emitted. Its methods are safe for concurrent use, also after the
// handler has returned and the socket has gone. An Event that was not received but made by
// its fields asks for no reply.
type Event struct {
	Name string
	Args [][]byte // raw JSON each, valid; duplicate names are for its reader to refuse; not to be changed

	// Attachments are the binary parts of the event. Where one belongs, Args have an object
	// with the member _placeholder, which is true, and its index as num; each stands once.
	Attachments [][]byte

	Size int // bytes of the packet and its attachments

	socket  *Socket
	job     job
	raw     []byte // until it is decoded
	id      uint64
	asked   bool
	replied atomic.Bool
}

// run decodes the event and calls its handler. A worker calls it. It does what Server.guard
// does, without closures for every event.
func (e *Event) run() {
	returned := false
	defer func() {
		if !returned {
			c := e.socket.seat.client
			c.server.panicked("Event", recover())
			c.fail()
		}
	}()
	e.handle()
	returned = true
}

func (e *Event) handle() {
	c := e.socket.seat.client
	p, err := DecodePacket(e.raw, e.Attachments...)
	if err != nil {
		// What waits came later.
		c.end(ReasonParseError, engineio.StatusPolicyViolation, true)
		return
	}
	if p.Type == PacketAck || p.Type == PacketBinaryAck {
		return // nobody waits for this answer any more
	}
	e.raw, e.Name, e.Args, e.id, e.asked = nil, p.Name, p.Args, p.ID, p.HasID
	e.socket.seat.space.handler.Event(c.server.ctx, e.socket, e)
}

// WantsReply reports whether the client asked for an acknowledgement.
func (e *Event) WantsReply() bool { return e.asked }

// Reply acknowledges the event with the arguments, which are raw JSON. Only the first reply
// counts. It does nothing if the client asked for no acknowledgement or has gone.
func (e *Event) Reply(args ...[]byte) { e.reply(nil, args) }

// ReplyBinary acknowledges the event like Reply, with attachments, which must not change any
// more. The arguments hold one Placeholder for each of them; anything else is an error.
func (e *Event) ReplyBinary(attachments [][]byte, args ...[]byte) error {
	if err := checkAttachments(attachments, args); err != nil {
		return fmt.Errorf("encode reply: %w", err)
	}
	e.reply(attachments, args)
	return nil
}

func (e *Event) reply(attachments, args [][]byte) {
	if !e.asked || e.replied.Swap(true) || e.socket.state.Load() == left {
		return
	}
	space := e.socket.seat.space.name
	if len(attachments) == 0 {
		e.socket.session.Send(replyMessage(space, e.id, nil, args))
		return
	}
	e.socket.send(replyMessages(space, e.id, attachments, args))
}

// replyMessages returns an acknowledgement as it is sent to a socket of a namespace.
func replyMessages(space string, id uint64, attachments, args [][]byte) []engineio.Message {
	return appendAttachments([]engineio.Message{replyMessage(space, id, attachments, args)}, attachments)
}

// replyMessage returns the packet that the attachments follow.
func replyMessage(space string, id uint64, attachments, args [][]byte) engineio.Message {
	p := Packet{Type: PacketAck, Namespace: space, ID: id, HasID: true, Args: args, Attachments: attachments}
	if len(attachments) > 0 {
		p.Type = PacketBinaryAck
	}
	size := maxStart + len(space)
	for _, arg := range args {
		size += max(len(arg), len("null")) + 1
	}
	var room [512]byte
	b := room[:0]
	if size > len(room) {
		b = make([]byte, 0, size)
	}
	return engineio.Text(AppendPacket(b, p))
}

// Advance lets the next packet of the socket be handled although this handler has not
// returned. Only the first call counts, and none after the handler has returned.
func (e *Event) Advance() {
	if e.socket != nil {
		e.socket.seat.line.pass(&e.job)
	}
}
