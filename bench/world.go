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
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

const (
	// signUpsAtOnce is few, since a password costs a core and much memory on purpose.
	signUpsAtOnce = 4
	password      = "Correct-Horse-7"

	// startPatience is enough for a server that makes indexes over a million messages first.
	startPatience = 5 * time.Minute
)

// A world is a running server with data of its own.
type world struct {
	home   *home
	server *testkit.Server
	rest   *testkit.REST
	token  string // opens /metrics
}

// A person has an account in a world.
type person struct {
	id    id.User
	token string
	rest  *testkit.REST
	from  http.Header // says where their connections come from
}

// defaultLimits undoes what keeps rate limits out of the other scenarios.
const defaultLimits = "RATE_LIMIT_FACTOR=1"

// newWorld starts a server without data, with further variables. The caller closes the world.
func (b *bench) newWorld(ctx context.Context, env ...string) (*world, error) {
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	w, err := b.startWorld(ctx, h, env...)
	if err != nil {
		return nil, errors.Join(err, h.remove())
	}
	return w, nil
}

// startWorld is newWorld on a home that may have data.
func (b *bench) startWorld(ctx context.Context, h *home, env ...string) (*world, error) {
	w := &world{home: h, token: secret()}
	var err error
	w.server, err = testkit.StartServer(ctx, testkit.ServerConfig{Binary: b.binary, DataDir: h.dir, Env: append([]string{
		"APP_ENV=development", "LOG_LEVEL=warn", "RATE_LIMIT_FACTOR=100000", "TRUSTED_PROXIES=127.0.0.1", "SERVICE_TOKENS=" + w.token,
		"MONGODB_URI=" + h.uri,
	}, env...), Patience: startPatience})
	if err != nil {
		return nil, err
	}
	// On MongoDB a server is ready before it is the active one.
	if err := w.server.Active(ctx); err != nil {
		return nil, errors.Join(err, w.server.Stop())
	}
	w.rest = &testkit.REST{BaseURL: w.server.BaseURL}
	return w, nil
}

// secret makes 64 random hexadecimal digits.
func secret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// from is how a proxy says that the i-th client is at an address of its own. The server
// believes it of the bench.
func from(i int) http.Header {
	at := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	return http.Header{"X-Forwarded-For": {at.String()}}
}

// as returns a client that sends a header along.
func (w *world) as(header http.Header) *testkit.REST {
	r := *w.rest
	r.Header = header
	return &r
}

// close stops the server and removes its data.
func (w *world) close() error { return errors.Join(w.server.Stop(), w.home.remove()) }

// people signs up n people.
func (w *world) people(ctx context.Context, n int) ([]person, error) {
	out := make([]person, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(signUpsAtOnce)
	for i := range out {
		g.Go(func() error {
			name := username(i)
			rest := w.as(from(i))
			up, err := rest.SignUp(ctx, wire.SignUp{
				FullName: "Bench Person", Username: name, Email: name + "@example.com", Password: password, Birthday: "1990-01-31",
			})
			if err != nil {
				return fmt.Errorf("sign up: %w", err)
			}
			out[i] = person{up.User.ID, up.AccessToken, rest.As(up.AccessToken), rest.Header}
			return nil
		})
	}
	return out, g.Wait()
}

func username(i int) string { return "bench_" + strconv.Itoa(i) }

// dial connects a person; heard takes every event, on the goroutine that reads.
func (w *world) dial(ctx context.Context, p person, heard func(testkit.Event)) (*testkit.Conn, error) {
	c, err := (&testkit.Dialer{OnEvent: heard, Header: p.from}).Dial(ctx, w.server.BaseURL, p.token)
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
