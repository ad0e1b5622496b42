// Command zishang is the peer on github.com/zishang520/socket.io, with its default options.
package main

import (
	"fmt"
	"os"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"pryde/bench/peer"
)

func main() {
	server := socket.NewServer(nil, nil)
	server.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
		if s.Handshake().Auth["token"] != peer.Token {
			next(socket.NewExtendedError("invalid token", nil))
			return
		}
		next(nil)
	})
	if err := server.On("connection", func(args ...any) {
		client, ok := args[0].(*socket.Socket)
		if !ok {
			return
		}
		if err := client.On("echo", echo); err != nil {
			client.Disconnect(true)
		}
	}); err != nil {
		fmt.Fprintln(os.Stderr, "zishang:", err)
		os.Exit(1)
	}
	if err := peer.Serve(server.ServeHandler(nil)); err != nil {
		fmt.Fprintln(os.Stderr, "zishang:", err)
		os.Exit(1)
	}
}

// echo answers with what was sent; the last argument is the acknowledgement.
func echo(args ...any) {
	last := len(args) - 1
	if last < 0 {
		return
	}
	if ack, ok := args[last].(socket.Ack); ok {
		ack(args[:last], nil)
	}
}
