package testkit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"
)

// Ports that tests listen on are below those that systems give to whoever connects: while a
// process is away between two runs, none of those is in its place.
const (
	firstPort = 10_000
	ports     = 10_000
	portTries = 100

	dialTimeout = time.Second
)

// FreePort returns a TCP port of 127.0.0.1 that nobody listens on.
func FreePort(ctx context.Context) (int, error) {
	var errs []error
	for range portTries {
		port := firstPort + rand.IntN(ports)
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addrOf(port))
		if err == nil {
			err = l.Close()
		}
		if err == nil {
			return port, nil
		}
		errs = append(errs, err)
	}
	return 0, fmt.Errorf("find a free port: %w", errors.Join(errs...))
}

func addrOf(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Listens tells whether an address takes a TCP connection.
func Listens(ctx context.Context, addr string) bool {
	c, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
