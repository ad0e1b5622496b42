// Command engine is the peer on package socketio of this project.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/go-json-experiment/json"

	"pryde/bench/peer"
	"pryde/internal/socketio"
)

func main() {
	if err := peer.Serve(socketio.New(socketio.Config{}, echo{})); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

// echo is what a peer does, as the engine's handler.
type echo struct{}

func (echo) Admit(_ context.Context, h socketio.Handshake) (any, error) {
	var auth struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(h.Auth, &auth); err != nil || auth.Token != peer.Token {
		return nil, &socketio.Refusal{Message: "invalid token"}
	}
	return nil, nil
}

func (echo) Connected(context.Context, *socketio.Socket) {}

func (echo) Event(_ context.Context, _ *socketio.Socket, e *socketio.Event) {
	if e.Name == "echo" {
		e.Reply(e.Args...)
	}
}

func (echo) Disconnected(*socketio.Socket, socketio.Reason) {}
