package socketio

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pryde/internal/engineio"
)

// ErrGone says that the socket left before it answered.
var ErrGone = errors.New("the socket has left")

// An Answer is what a client acknowledged an event with. It is like the arguments and the
// attachments of an Event.
type Answer struct {
	Args        [][]byte
	Attachments [][]byte
}

// A question waits for the answers of the sockets that were asked, one of each.
type question struct {
	id      uint64
	answers chan given // has room for all
}

// given is what one socket did about a question.
type given struct {
	socket      *Socket
	gone        bool
	raw         []byte
	attachments [][]byte
}

// Ask sends the event and waits for the client's acknowledgement. The error is that of ctx,
// which has to have a deadline, or ErrGone, or says that the answer was none, which closes the
// connection. The zero Frame asks nobody.
//
// A handler may ask its own socket. But a client that has sent as many events as may wait for
// handlers is not read before the handler returns, or lets the next event begin by
// Event.Advance.
func (s *Socket) Ask(ctx context.Context, f Frame) (Answer, error) {
	q := &question{id: s.seat.space.asks.Add(1), answers: make(chan given, 1)}
	if f.body == nil || !s.expect(q) {
		return Answer{}, ErrGone
	}
	s.send(f.messages(nil, s.seat.space.name, q.id, true))
	select {
	case g := <-q.answers:
		return g.decode()
	case <-ctx.Done():
		if s.release(q.id) == nil {
			// It has been answered meanwhile.
			return (<-q.answers).decode()
		}
		return Answer{}, fmt.Errorf("ask: %w", ctx.Err())
	}
}

// expect lets the socket answer the question. It reports false when the socket has left.
func (s *Socket) expect(q *question) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() == left {
		return false
	}
	s.asked = append(s.asked, q)
	return true
}

// release returns the question that the socket was to answer, which it may not any more; nil
// when it was to answer none of this id.
func (s *Socket) release(id uint64) *question {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.asked, func(q *question) bool { return q.id == id })
	if i < 0 {
		return nil
	}
	q := s.asked[i]
	if s.asked = slices.Delete(s.asked, i, i+1); len(s.asked) == 0 {
		s.asked = nil
	}
	return q
}

// answered gives an answer to who waits for it. It reports false when nobody does.
func (s *Socket) answered(id uint64, raw []byte, attachments [][]byte) bool {
	q := s.release(id)
	if q == nil {
		return false
	}
	q.answers <- given{socket: s, raw: raw, attachments: attachments}
	return true
}

func (g given) decode() (Answer, error) {
	if g.gone {
		return Answer{}, ErrGone
	}
	p, err := DecodePacket(g.raw, g.attachments...)
	if err != nil {
		g.socket.seat.client.end(ReasonParseError, engineio.StatusPolicyViolation, true)
		return Answer{}, fmt.Errorf("decode answer: %w", err)
	}
	return Answer{Args: p.Args, Attachments: p.Attachments}, nil
}
