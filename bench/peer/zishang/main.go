// Command zishang is the peer on github.com/zishang520/socket.io, with its default options.
package main

import (
	"fmt"
	"os"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"pryde/bench/peer"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "zishang:", err)
		os.Exit(1)
	}
}

func serve() error {
	server := socket.NewServer(nil, nil)
	server.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
		if s.Handshake().Auth["token"] != peer.Token {
			next(socket.NewExtendedError("unauthorized", nil))
			return
		}
		next(nil)
	})
	err := server.On("connection", func(args ...any) {
		client, ok := args[0].(*socket.Socket)
		if ok && listen(server, client) != nil {
			client.Disconnect(true)
		}
	})
	if err != nil {
		return err
	}
	return peer.Serve(server.ServeHandler(nil))
}

// listen gives a socket the events of a peer.
func listen(server *socket.Server, client *socket.Socket) error {
	events := map[string]func(args []any) []any{
		"echo": func(args []any) []any { return args },
		"join": func(args []any) []any {
			if room, ok := name(args); ok {
				client.Join(room)
			}
			return nil
		},
		"bcast": func(args []any) []any {
			if room, ok := name(args); ok {
				// It fails on reserved names only.
				_ = server.To(room).Emit("msg", args[1:]...)
			}
			return nil
		},
	}
	for event, answer := range events {
		if err := client.On(event, func(args ...any) { acked(args, answer) }); err != nil {
			return err
		}
	}
	return nil
}

// acked calls back with an answer where the last argument is an acknowledgement.
func acked(args []any, answer func(args []any) []any) {
	last := len(args) - 1
	if last < 0 {
		return
	}
	ack, ok := args[last].(socket.Ack)
	if !ok {
		answer(args)
		return
	}
	ack(answer(args[:last]), nil)
}

// name returns the room that the arguments begin with.
func name(args []any) (socket.Room, bool) {
	if len(args) == 0 {
		return "", false
	}
	text, ok := args[0].(string)
	return socket.Room(text), ok
}
