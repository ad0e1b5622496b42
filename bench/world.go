package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

const (
	// signUpsAtOnce is few, since a password costs a core and much memory on purpose.
	signUpsAtOnce = 4
	password      = "Correct-Horse-7"
)

// A world is a running server with a data folder of its own.
type world struct {
	dir    string
	server *testkit.Server
	rest   *testkit.REST
	token  string // opens /metrics
}

// A person has an account in a world.
type person struct {
	id    id.User
	token string
	rest  *testkit.REST
}

// newWorld starts a server on an empty folder below b.dir. The caller closes the world.
func (b *bench) newWorld(ctx context.Context) (*world, error) {
	dir, err := os.MkdirTemp(b.dir, "data-")
	if err != nil {
		return nil, err
	}
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return nil, err
	}
	w := &world{dir: dir, token: hex.EncodeToString(secret[:])}
	w.server, err = testkit.StartServer(ctx, testkit.ServerConfig{Binary: b.binary, DataDir: dir, Env: []string{
		"APP_ENV=development", "LOG_LEVEL=warn", "RATE_LIMIT_FACTOR=100000", "SERVICE_TOKENS=" + w.token,
	}})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	w.rest = &testkit.REST{BaseURL: w.server.BaseURL}
	return w, nil
}

// close stops the server and removes its data.
func (w *world) close() error { return errors.Join(w.server.Stop(), os.RemoveAll(w.dir)) }

// people signs up n people.
func (w *world) people(ctx context.Context, n int) ([]person, error) {
	out := make([]person, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(signUpsAtOnce)
	for i := range out {
		g.Go(func() error {
			name := "bench_" + strconv.Itoa(i)
			up, err := w.rest.SignUp(ctx, wire.SignUp{
				FullName: "Bench Person", Username: name, Email: name + "@example.com", Password: password, Birthday: "1990-01-31",
			})
			if err != nil {
				return fmt.Errorf("sign up: %w", err)
			}
			out[i] = person{up.User.ID, up.AccessToken, w.rest.As(up.AccessToken)}
			return nil
		})
	}
	return out, g.Wait()
}

// dial connects a person; heard takes every event, on the goroutine that reads.
func (w *world) dial(ctx context.Context, p person, heard func(testkit.Event)) (*testkit.Conn, error) {
	c, err := (&testkit.Dialer{OnEvent: heard}).Dial(ctx, w.server.BaseURL, p.token)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return c, nil
}

func ignore(testkit.Event) {}

// dialAll connects each person once. The sockets are closed with closeAll.
func (w *world) dialAll(ctx context.Context, people []person) ([]*testkit.Conn, error) {
	var conns []*testkit.Conn
	for _, p := range people {
		c, err := w.dial(ctx, p, ignore)
		if err != nil {
			closeAll(conns)
			return nil, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func closeAll(conns []*testkit.Conn) {
	for _, c := range conns {
		c.Close()
	}
}

// maxBody bounds one answer, in bytes.
const maxBody = 16 << 20

// get reads a page into a buffer, with one header that opens it. The connection is kept for
// the next.
func (w *world) get(ctx context.Context, path, header, value string, body *bytes.Buffer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.BaseURL+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set(header, value)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", path, resp.StatusCode)
	}
	body.Reset()
	_, err = body.ReadFrom(io.LimitReader(resp.Body, maxBody))
	return err
}

// metrics returns what /metrics shows, by name and labels as they are written there.
func (w *world) metrics(ctx context.Context) (map[string]float64, error) {
	var body bytes.Buffer
	if err := w.get(ctx, "/metrics", "X-Service-Token", w.token, &body); err != nil {
		return nil, err
	}
	out := make(map[string]float64)
	for lines := bufio.NewScanner(&body); lines.Scan(); {
		text := lines.Text()
		at := strings.LastIndexByte(text, ' ')
		if at < 0 || text[0] == '#' {
			continue
		}
		v, err := strconv.ParseFloat(text[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
		out[text[:at]] = v
	}
	return out, nil
}

// Names of metrics that are read.
const (
	processorSeconds = "process_cpu_seconds_total"
	sendSum          = `pryde_socket_event_seconds_sum{event="send_message"}`
	sendCount        = `pryde_socket_event_seconds_count{event="send_message"}`
)
