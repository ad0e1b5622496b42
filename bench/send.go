package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

// ackTimeout bounds the wait for one acknowledgement.
const ackTimeout = 30 * time.Second

// text is what people write, about as long as a line in a chat.
const text = "hello there, this is about as long as what people write to each other when they make a plan for the evening"

// ask sends a message and does not wait. name is the client's own name for the attempt.
func ask(c *testkit.Conn, to id.User, name string) (*testkit.Pending, error) {
	return c.Ask(wire.SendMessage.Name(), wire.NewMessage{RecipientID: to, Content: text + " " + name, TempID: name})
}

// An answer is the acknowledgement of a message.
type answer struct {
	Success   bool       `json:"success"`
	MessageID id.Message `json:"messageId"`
	Duplicate bool       `json:"duplicate"`
	Code      string     `json:"code"`
}

// answered waits for the acknowledgement of a message.
func answered(ctx context.Context, p *testkit.Pending) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	raw, err := p.Wait(ctx)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, fmt.Errorf("read acknowledgement: %w", err)
	}
	return a, nil
}

// stored returns the message that an answer names. One that is no success is an error.
func (a answer) stored() (id.Message, error) {
	if !a.Success || a.Duplicate || a.MessageID.IsZero() {
		return id.Message{}, fmt.Errorf("refused or taken for a repeat: %q", a.Code)
	}
	return a.MessageID, nil
}

// acked waits for the acknowledgement of a message. An answer that is no success is an error.
func acked(ctx context.Context, p *testkit.Pending) (id.Message, error) {
	a, err := answered(ctx, p)
	if err != nil {
		return id.Message{}, err
	}
	return a.stored()
}

// name makes the name of an attempt; the sender's part keeps names of one person apart.
func name(sender string, n int) string { return sender + "-" + strconv.Itoa(n) }
