// Package peer runs bare echo servers on different Socket.IO engines as child processes and
// loads them with one raw client, so that the engines can be compared. A peer admits clients
// that show Token and answers the event "echo" with its argument; it does nothing else.
package peer

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// Token is what a client has to show in the CONNECT packet.
const Token = "let-me-in"

// Serve serves h on a free port of 127.0.0.1, prints the address on a line of its own, and
// ends when standard input does: a peer does not outlive the program that started it.
func Serve(h http.Handler) error {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", h)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	if err := <-served; err != http.ErrServerClosed { //nolint:errorlint // Serve returns it bare
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
