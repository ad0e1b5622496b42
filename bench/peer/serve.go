// Package peer runs bare servers on different Socket.IO engines as child processes, so that
// the engines can be compared under one load. A peer admits clients that show Token. It
// acknowledges the event "echo" with its arguments, "join" after it put the socket into the
// room of that name, and "bcast" after it sent what follows the name of a room to all of that
// room as "msg"; it does nothing else.
package peer

import (
	"context"
	"encoding/json"
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
// ends when standard input does: a peer does not outlive the program that started it. Beside
// h it tells at /stats what the process uses.
func Serve(h http.Handler) error {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", h)
	mux.HandleFunc("GET /stats", tellStats)
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

// Stats are what a peer tells of its own process.
type Stats struct {
	ResidentKB     int64 `json:"rss_kb"` // KiB
	ProcessorMicro int64 `json:"cpu_us"` // microseconds, in the system too
}

func tellStats(w http.ResponseWriter, _ *http.Request) {
	resident, err1 := residentOf(os.Getpid())
	processor, err2 := processorOf(os.Getpid())
	if err1 != nil || err2 != nil {
		http.Error(w, "the system does not tell", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Stats{resident >> 10, processor.Microseconds()})
}
