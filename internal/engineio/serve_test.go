package engineio

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

func TestRequestsAreRefused(t *testing.T) {
	const (
		transport = `{"code":0,"message":"Transport unknown"}`
		session   = `{"code":1,"message":"Session ID unknown"}`
		method    = `{"code":2,"message":"Bad handshake method"}`
		bad       = `{"code":3,"message":"Bad request"}`
		protocol  = `{"code":5,"message":"Unsupported protocol version"}`
	)
	e := serve(t, Config{Polling: true, Node: "n1"}, &stub{})
	p := poll(t, e)
	ours := "&sid=" + p.open.SID
	for name, c := range map[string]struct{ method, query, want string }{
		"no query":                   {"GET", "", transport},
		"no transport":               {"GET", "EIO=4", transport},
		"other transport":            {"GET", "EIO=4&transport=abc", transport},
		"prototype":                  {"GET", "EIO=4&transport=__proto__", transport},
		"constructor":                {"GET", "EIO=4&transport=constructor", transport},
		"WebTransport":               {"GET", "EIO=4&transport=webtransport", transport},
		"no version":                 {"GET", "transport=polling", protocol},
		"version 3":                  {"GET", "EIO=3&transport=polling", protocol},
		"version 99":                 {"GET", "EIO=99&transport=polling", protocol},
		"version abc":                {"GET", "EIO=abc&transport=polling", protocol},
		"version twice":              {"GET", "EIO=4&EIO=4&transport=polling", bad},
		"transport twice":            {"GET", pollQuery + "&transport=polling", bad},
		"hidden key":                 {"GET", pollQuery + "&__proto__=1", bad},
		"key not plain":              {"GET", pollQuery + "&a%5B%24ne%5D=1", bad},
		"long key":                   {"GET", pollQuery + "&" + strings.Repeat("k", 65) + "=1", bad},
		"many keys":                  {"GET", pollQuery + strings.Repeat("&a=1", 16), bad},
		"bad escape":                 {"GET", pollQuery + "&a=%zz", bad},
		"JSONP":                      {"GET", pollQuery + "&j=0", bad},
		"POST opens nothing":         {"POST", pollQuery, method},
		"PUT opens nothing":          {"PUT", pollQuery, method},
		"POST opens no WebSocket":    {"POST", goodQuery, method},
		"WebSocket without upgrade":  {"GET", goodQuery, bad},
		"unknown session":            {"GET", pollQuery + "&sid=n1.aaaaaaaaaaaaaaaaaaaaaa", session},
		"session of another node":    {"GET", pollQuery + "&sid=n2." + strings.TrimPrefix(p.open.SID, "n1."), session},
		"empty session":              {"GET", pollQuery + "&sid=", session},
		"POST to unknown session":    {"POST", pollQuery + "&sid=x", session},
		"session, version 3":         {"GET", "EIO=3&transport=polling" + ours, bad},
		"session, no version":        {"GET", "transport=polling" + ours, bad},
		"session, JSONP":             {"GET", pollQuery + ours + "&j=1", bad},
		"session, PUT":               {"PUT", pollQuery + ours, bad},
		"session, transport unknown": {"GET", "EIO=4&transport=abc" + ours, transport},
		"session, no upgrade":        {"GET", goodQuery + ours, bad},
	} {
		t.Run(name, func(t *testing.T) {
			request := fmt.Sprintf("%s /engine.io/?%s HTTP/1.1\r\nHost: chat.test\r\nContent-Length: 0\r\n\r\n", c.method, c.query)
			got, _ := rawRequest(t, e, request)
			if got.status != http.StatusBadRequest || got.body != c.want || got.kind != "application/json" {
				t.Errorf("answered %d %s %s, want 400 %s", got.status, got.kind, got.body, c.want)
			}
		})
	}
	if !strings.HasPrefix(p.open.SID, "n1.") {
		t.Errorf("id is %q, want the prefix of the node", p.open.SID)
	}
	p.post("4alive")
	if e.Count() != 1 {
		t.Errorf("%d sessions are left, want the one", e.Count())
	}
}

func TestUpgradeOfAnotherVersionIsRefused(t *testing.T) {
	p := poll(t, serve(t, Config{Polling: true}, &stub{}))
	for _, query := range []string{"EIO=3&transport=websocket", "transport=websocket"} {
		got, _ := upgradeRequest(t, p.e, query+"&sid="+p.open.SID)
		if got.status != http.StatusBadRequest || !strings.Contains(got.body, `"code":3`) {
			t.Errorf("%s answered %d %s, want 400 code 3", query, got.status, got.body)
		}
	}
}

func TestHandshakesThatAreNone(t *testing.T) {
	e := serve(t, Config{}, &stub{})
	for name, lines := range map[string]string{
		"no key":           "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
		"two keys":         "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
		"short key":        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhl",
		"old version":      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
		"other protocol":   "Connection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
		"other connection": "Connection: keep-alive\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := rawRequest(t, e, "GET /engine.io/?"+goodQuery+" HTTP/1.1\r\nHost: chat.test\r\n"+lines+"\r\n\r\n")
			if got.status != http.StatusBadRequest || !strings.Contains(got.body, `"code":3`) {
				t.Errorf("answered %d %s, want 400 code 3", got.status, got.body)
			}
		})
	}
}

func TestNoExtensionIsNegotiated(t *testing.T) {
	got, _ := upgradeRequest(t, serve(t, Config{}, &stub{}), goodQuery,
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", "Sec-WebSocket-Protocol: "+strings.Repeat("a,", 1000))
	if got.status != http.StatusSwitchingProtocols {
		t.Fatalf("answered %d", got.status)
	}
	for _, name := range []string{"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"} {
		if v := got.header.Get(name); v != "" {
			t.Errorf("%s is %q, want none", name, v)
		}
	}
}

func TestPollingCanBeOff(t *testing.T) {
	e := serve(t, Config{}, &stub{})
	if got, _ := rawRequest(t, e, get(pollQuery)); got.status != http.StatusBadRequest || !strings.Contains(got.body, `"code":0`) {
		t.Errorf("polling answered %d %s, want 400 code 0", got.status, got.body)
	}
	c := connect(t, e)
	if got, _ := rawRequest(t, e, get(pollQuery+"&sid="+c.open.SID)); got.status != http.StatusBadRequest || !strings.Contains(got.body, `"code":0`) {
		t.Errorf("polling a session answered %d %s, want 400 code 0", got.status, got.body)
	}
}

func TestOrigins(t *testing.T) {
	allow := func(r *http.Request) bool {
		o := r.Header.Get("Origin")
		return o == "" || o == "https://good.test"
	}
	e := serve(t, Config{Polling: true, AllowOrigin: allow}, &stub{})
	with := func(method, query, origin string) answer {
		got, _ := rawRequest(t, e, fmt.Sprintf("%s /engine.io/?%s HTTP/1.1\r\nHost: chat.test\r\nOrigin: %s\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\nContent-Length: 0\r\n\r\n", method, query, origin))
		return got
	}

	for _, method := range []string{"GET", "POST", "OPTIONS"} {
		got := with(method, pollQuery, "https://evil.test")
		if got.status != http.StatusForbidden || got.body != `{"code":4,"message":"Forbidden"}` || got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s of a foreign page answered %d %s %v, want 403 code 4", method, got.status, got.body, got.header)
		}
	}
	if got, _ := upgradeRequest(t, e, goodQuery, "Origin: https://evil.test"); got.status != http.StatusForbidden {
		t.Errorf("WebSocket of a foreign page answered %d, want 403", got.status)
	}
	if got, _ := upgradeRequest(t, e, goodQuery, "Origin: https://good.test"); got.status != http.StatusSwitchingProtocols {
		t.Errorf("WebSocket of a good page answered %d, want 101", got.status)
	}

	for name, got := range map[string]answer{
		"polling": with("GET", pollQuery, "https://good.test"),
		"error":   with("GET", "EIO=3&transport=polling", "https://good.test"),
	} {
		h := got.header
		if h.Get("Access-Control-Allow-Origin") != "https://good.test" || h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Vary") != "Origin" {
			t.Errorf("%s of a good page answered with %v", name, h)
		}
	}
	got := with("OPTIONS", pollQuery, "https://good.test")
	h := got.header
	if got.status != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "https://good.test" ||
		h.Get("Access-Control-Allow-Methods") != "GET, POST" || h.Get("Access-Control-Allow-Headers") != "authorization" {
		t.Errorf("preflight of a good page answered %d with %v", got.status, h)
	}
	if got, _ := rawRequest(t, e, get(pollQuery)); got.status != http.StatusOK || got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("request without Origin answered %d with %v", got.status, got.header)
	}
}

func TestForeignPagesAreRefusedByDefault(t *testing.T) {
	e := serve(t, Config{}, &stub{})
	for _, headers := range [][]string{
		{"Origin: https://evil.test"},
		{"Origin: null"},
		{"Origin: https://chat.test", "Origin: https://evil.test"},
	} {
		if got, _ := upgradeRequest(t, e, goodQuery, headers...); got.status != http.StatusForbidden {
			t.Errorf("%q answered %d, want 403", headers, got.status)
		}
	}
	connect(t, e, "Origin: https://CHAT.test")
}

func TestPendingSessionsAreBounded(t *testing.T) {
	byHeader := func(_ string, forwarded []string) string { return strings.Join(forwarded, ",") }
	e := serve(t, Config{Polling: true, MaxPending: 3, MaxPendingPerAddress: 2, Address: byHeader}, &stub{})
	one, two := connect(t, e, "X-Forwarded-For: a"), connect(t, e, "X-Forwarded-For: a")
	refused := func(address string, want int) {
		t.Helper()
		got, _ := upgradeRequest(t, e, goodQuery, "X-Forwarded-For: "+address)
		if got.status != want || got.header.Get("Retry-After") != "5" {
			t.Errorf("answered %d with Retry-After %q, want %d and 5", got.status, got.header.Get("Retry-After"), want)
		}
	}

	refused("a", http.StatusTooManyRequests)
	s := e.find(one.open.SID)
	if s.Address() != "a" {
		t.Errorf("address is %q", s.Address())
	}
	s.Settle()
	s.Settle()
	connect(t, e, "X-Forwarded-For: a")
	refused("a", http.StatusTooManyRequests)
	connect(t, e, "X-Forwarded-For: b")
	refused("c", http.StatusServiceUnavailable)
	e.find(two.open.SID).Abort(ReasonForcedClose)
	two.closing()
	eventually(t, "the place is free", func() bool { return e.Count() == 3 })
	s.Unsettle()
	refused("c", http.StatusServiceUnavailable)
	s.Settle()
	connect(t, e, "X-Forwarded-For: c")
}

func TestBodiesAreBounded(t *testing.T) {
	large := "4" + strings.Repeat("x", 1000)
	got := make(chan string, 10)
	e := serve(t, Config{Polling: true, MaxPayload: 1000, MaxUnsettled: 100}, &stub{message: func(_ *Session, data []byte, _ bool) { got <- string(data) }})
	p := poll(t, e)

	if a := p.post(large[:101]); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("body too large for a pending session answered %d, want 413", a.status)
	}
	e.find(p.open.SID).Settle()
	if a := p.post(large[:1000]); a.status != http.StatusOK {
		t.Errorf("largest body answered %d", a.status)
	}
	if a := p.post(large); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("body one byte too large answered %d, want 413", a.status)
	}
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 600, strings.Repeat("4", 600))
	chunked := "POST /engine.io/?" + p.query() + " HTTP/1.1\r\nHost: chat.test\r\nTransfer-Encoding: chunked\r\n\r\n"
	if a, _ := rawRequest(t, e, chunked+chunk+chunk); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("endless chunks answered %d, want 413", a.status)
	}
	if a, _ := rawRequest(t, e, chunked+"3\r\n4ab\r\n1\r\nc\r\n0\r\n\r\n"); a.status != http.StatusOK {
		t.Errorf("small chunks answered %d", a.status)
	}
	if first, second := receive(t, got), receive(t, got); len(first) != 999 || second != "abc" {
		t.Errorf("%d bytes and %q were handed over", len(first), second)
	}
}

func TestBinaryBodyClosesTheSession(t *testing.T) {
	closed, left := reasons()
	p := poll(t, serve(t, Config{Polling: true}, &stub{closed: closed}))
	got, _ := rawRequest(t, p.e, "POST /engine.io/?"+p.query()+" HTTP/1.1\r\nHost: chat.test\r\nContent-Type: application/octet-stream\r\nContent-Length: 2\r\n\r\n4a")
	if got.status != http.StatusBadRequest {
		t.Errorf("answered %d, want 400", got.status)
	}
	if got := receive(t, left); got != ReasonTransportError {
		t.Errorf("session left with %q", got)
	}
}

func TestSlowBodyEndsWithTheHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed, left := reasons()
		p := poll(t, servePipes(t, suite(), &stub{closed: closed}))
		conn, err := p.e.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = conn.Write([]byte("POST /engine.io/?" + p.query() + " HTTP/1.1\r\nHost: chat.test\r\nContent-Length: 10\r\n\r\n4a"))
		if got := receive(t, left); got != ReasonPingTimeout {
			t.Errorf("session left with %q", got)
		}
	})
}

func TestLostPollEndsTheSession(t *testing.T) {
	closed, left := reasons()
	p := poll(t, serve(t, Config{Polling: true}, &stub{closed: closed}))
	waiting := p.begin()
	_ = waiting.conn.Close()
	if got := receive(t, left); got != ReasonTransportError {
		t.Errorf("session left with %q", got)
	}
}

func TestNoRandomNumbersNoSession(t *testing.T) {
	e := serve(t, Config{Rand: broken{}}, &stub{})
	if got, _ := upgradeRequest(t, e, goodQuery); got.status != http.StatusServiceUnavailable {
		t.Errorf("answered %d, want 503", got.status)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestIDsAreTheRandomBytes(t *testing.T) {
	e := serve(t, Config{Rand: bytes.NewReader([]byte("0123456789abcdef"))}, &stub{})
	if got := connect(t, e).open.SID; got != "MDEyMzQ1Njc4OWFiY2RlZg" {
		t.Errorf("id is %q", got)
	}
}

func TestIDsAreUnique(t *testing.T) {
	s := New(Config{}, &stub{})
	const ids = 100_000
	seen := make(map[string]bool, ids)
	for range ids {
		id, err := s.NewID()
		if err != nil {
			t.Fatal(err)
		}
		seen[id] = true
	}
	if len(seen) != ids {
		t.Errorf("%d of %d ids are unique", len(seen), ids)
	}
}
