package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"pryde/bench/engine-figures/load"
	"pryde/bench/peer"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

const (
	// socketsEach is how many sockets one person has, half of what the server allows by
	// default: those of the wave before may still be leaving.
	socketsEach = 10
	// signUpsAtOnce is few, since a password costs a core and much memory on purpose.
	signUpsAtOnce = 4
	password      = "Correct-Horse-7"
	readyTimeout  = 30 * time.Second
	readyPoll     = 20 * time.Millisecond
)

// A product is the data of the whole product with people in it.
type product struct {
	data   string
	tokens []string
}

// idleProduct measures what idle connections to the whole product cost. Its process is a
// fresh one, so that what the passwords of the sign-ups took is not there to be used again.
func (b *bench) idleProduct(ctx context.Context, _ *system) (map[string]float64, error) {
	if b.product == nil {
		p, err := b.signUp(ctx, (b.idle+socketsEach-1)/socketsEach)
		if err != nil {
			return nil, err
		}
		b.product = p
	}
	p, err := b.startProduct(ctx, b.product.data, 1)
	if err != nil {
		return nil, err
	}
	server, err := client(p, load.Target{Tokens: b.product.tokens})
	if err != nil {
		return nil, err
	}
	defer server.close()
	return b.idleOn(ctx, server, b.idle, b.waves, "product")
}

// startProduct starts the binary with limits that one client does not reach.
func (b *bench) startProduct(ctx context.Context, data string, processors int) (*peer.Process, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	p, err := peer.Command{
		Path: b.binary, Address: address, Processors: processors, CPUs: cpus(processors),
		Env: []string{
			"HOST=127.0.0.1", "PORT=" + port, "DATA_DIR=" + data, "APP_ENV=development", "LOG_LEVEL=error",
			"RATE_LIMIT_FACTOR=100000", "SOCKET_MAX_PENDING_PER_ADDRESS=100000", "ACCESS_TOKEN_EXPIRY=24h",
		},
	}.Start(ctx)
	if err != nil {
		return nil, err
	}
	if err := ready(ctx, "http://"+address+"/readyz"); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// ready waits until the page is answered with success.
func ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("the server did not get ready: %w", errors.Join(err, context.Cause(ctx)))
		}
	}
}

// signUp fills a data folder with people.
func (b *bench) signUp(ctx context.Context, n int) (*product, error) {
	data, err := os.MkdirTemp(b.tmp, "data-")
	if err != nil {
		return nil, err
	}
	out := &product{data: data, tokens: make([]string, n)}
	p, err := b.startProduct(ctx, out.data, 2)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	rest := &testkit.REST{BaseURL: "http://" + p.Address}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(signUpsAtOnce)
	for i := range n {
		g.Go(func() error {
			name := "idle_" + strconv.Itoa(i)
			up, err := rest.SignUp(ctx, wire.SignUp{
				FullName: "Idle Person", Username: name, Email: name + "@example.com", Password: password, Birthday: "1990-01-31",
			})
			if err != nil {
				return fmt.Errorf("sign up: %w", err)
			}
			out.tokens[i] = up.AccessToken
			return nil
		})
	}
	return out, g.Wait()
}
