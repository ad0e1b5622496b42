package main

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"

	"pryde/internal/wire"
)

type asyncMessage struct {
	Name        string             `json:"name"`
	Title       string             `json:"title"`
	Summary     string             `json:"summary,omitzero"`
	Description string             `json:"description,omitzero"`
	Payload     *jsonschema.Schema `json:"payload,omitzero"`
	Examples    []asyncExample     `json:"examples,omitempty"`
}

type asyncExample struct {
	Payload jsontext.Value `json:"payload"`
}

type ref struct {
	Ref string `json:"$ref"`
}

type asyncOperation struct {
	Action   string      `json:"action"`
	Channel  ref         `json:"channel"`
	Summary  string      `json:"summary"`
	Messages []ref       `json:"messages"`
	Reply    *asyncReply `json:"reply,omitzero"`
}

type asyncReply struct {
	Channel  ref   `json:"channel"`
	Messages []ref `json:"messages"`
}

const (
	durableText = "Tells of something stored. A recovery offset, a string, follows as the last argument; " +
		"what was missed after it can be asked for."
	ackText     = "The acknowledgement, if the client asks for one."
	failureName = "failure"
)

// asyncAPI writes the description of the socket, from the side of the server.
func asyncAPI(c *catalogue) ([]byte, error) {
	d, err := c.describe(components)
	if err != nil {
		return nil, err
	}
	w := &asyncWriter{c: c, d: d}
	for _, e := range c.events {
		if err := w.add(e); err != nil {
			return nil, err
		}
	}
	if err := w.message(failureName, asyncMessage{
		Name: failureName, Title: "Failure", Summary: "Acknowledges an event that was refused.", Payload: d.Failure(),
	}, ""); err != nil {
		return nil, err
	}
	return document(object{
		{"asyncapi", "3.0.0"},
		{"info", object{
			{"title", "pryde"},
			{"version", "1.0.0"},
			{"description", "The socket: Socket.IO v5 over Engine.IO v4. The client sends its access token in the " +
				"CONNECT packet as auth.token. An event is an EVENT packet: a JSON array of its name and its payload. " +
				"The answer holds a pid: a client that connects again sends it as auth.pid, with the last argument of the last " +
				"durable event that it heard as auth.offset, and is told what it missed where the answer holds the same pid again. " +
				"An event with an id is acknowledged with an ACK packet of that id, which carries the reply, or a Failure."},
		}},
		{"servers", object{{"development", object{
			{"host", "localhost:9000"}, {"pathname", "/socket.io/"}, {"protocol", "ws"},
		}}}},
		{"defaultContentType", "application/json"},
		{"channels", object{{"socket", object{
			{"address", "/"},
			{"description", "The namespace of every event."},
			{"messages", w.channel},
		}}}},
		{"operations", w.operations},
		{"components", object{{"messages", w.messages}, {"schemas", d.Shapes}}},
	})
}

type asyncWriter struct {
	c                             *catalogue
	d                             *wire.Description
	channel, messages, operations object
}

func (w *asyncWriter) add(e *wire.EventSpec) error {
	op := asyncOperation{
		Action: "send", Channel: ref{"#/channels/socket"}, Summary: e.Doc, Messages: []ref{inChannel(e.Key())},
	}
	m := asyncMessage{Name: e.Name, Title: e.Name, Summary: e.Doc, Payload: w.d.Payload(e)}
	m.Description = strings.TrimSpace(besides(e))
	if e.Durable {
		m.Description = durableText
	}
	if err := w.message(e.Key(), m, "events/"+e.Key()+".json"); err != nil {
		return err
	}
	if e.Direction == wire.FromClient {
		op.Action = "receive"
	}
	if ack := w.d.Ack(e); ack != nil {
		key := e.Key() + ".ack"
		op.Reply = &asyncReply{Channel: op.Channel, Messages: []ref{inChannel(key), inChannel(failureName)}}
		m := asyncMessage{Name: e.Name, Title: e.Name + " (acknowledgement)", Summary: ackText, Payload: ack}
		if err := w.message(key, m, "events/"+key+".json"); err != nil {
			return err
		}
	}
	w.operations = append(w.operations, member{e.Key(), op})
	return nil
}

// message adds a message with its example, which has a file where path is not empty.
func (w *asyncWriter) message(key string, m asyncMessage, path string) error {
	if path != "" {
		example, err := w.c.example(path)
		if err != nil {
			return err
		}
		if example != nil {
			m.Examples = []asyncExample{{example}}
		}
	}
	w.messages = append(w.messages, member{key, m})
	w.channel = append(w.channel, member{key, ref{"#/components/messages/" + key}})
	return nil
}

func inChannel(key string) ref { return ref{"#/channels/socket/messages/" + key} }
