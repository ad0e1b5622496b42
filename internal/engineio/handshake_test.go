package engineio

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCVE2023_31125BadQueriesOfWebSocketsAreAnsweredWithACode(t *testing.T) {
	const (
		transport = `{"code":0,"message":"Transport unknown"}`
		session   = `{"code":1,"message":"Session ID unknown"}`
		bad       = `{"code":3,"message":"Bad request"}`
		protocol  = `{"code":5,"message":"Unsupported protocol version"}`
	)
	e := serve(t, Config{}, &stub{})
	for query, want := range map[string]string{
		"EIO=4&transport=":                      transport,
		"EIO=4&transport=polling":               transport,
		"EIO=4&transport=WebSocket":             transport,
		"EIO=3&transport=websocket":             protocol,
		"EIO=&transport=websocket":              protocol,
		"EIO=04&transport=websocket":            protocol,
		"transport=websocket":                   protocol,
		goodQuery + "&sid=":                     session,
		goodQuery + "&sid=abc":                  session,
		"EIO=4&EIO=4&transport=websocket":       bad,
		goodQuery + "&sid=a&sid=b":              bad,
		"EIO=4&transport[]=websocket":           bad,
		goodQuery + "&a[$ne]=1":                 bad,
		goodQuery + "&=1":                       bad,
		goodQuery + "&%zz=1":                    bad,
		"EIO=4;transport=websocket":             bad,
		goodQuery + strings.Repeat("&a=1", 16):  bad,
		goodQuery + "&j=0":                      bad,
		goodQuery + "&constructor=1&__proto__=": bad,
	} {
		got, _ := upgradeRequest(t, e, query)
		if got.status != http.StatusBadRequest || got.kind != "application/json" || got.body != want {
			t.Errorf("%q answered %d %s %s, want 400 %s", query, got.status, got.kind, got.body, want)
		}
	}
	connect(t, e)
}

func TestQueriesOfOfficialClientsAreTaken(t *testing.T) {
	e := serve(t, Config{Polling: true}, &stub{})
	const more = "&t=Pq3x-1.z&userId=42&app_version="
	if got, _ := upgradeRequest(t, e, goodQuery+more); got.status != http.StatusSwitchingProtocols {
		t.Errorf("WebSocket answered %d %s", got.status, got.body)
	}
	if got, _ := rawRequest(t, e, get(pollQuery+more)); got.status != http.StatusOK {
		t.Errorf("polling answered %d %s", got.status, got.body)
	}
}

func TestRequestsOfProxiesThatAreUpgradesAreTaken(t *testing.T) {
	e := serve(t, Config{}, &stub{})
	got, _ := rawRequest(t, e, "GET /engine.io/?"+goodQuery+" HTTP/1.1\r\nHost: chat.test\r\nConnection: keep-alive, UPGRADE\r\n"+
		"Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if got.status != http.StatusSwitchingProtocols {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}

func TestAddressIsThatOfTheConnectionByDefault(t *testing.T) {
	for remote, want := range map[string]string{"192.0.2.1:5": "192.0.2.1", "[2001:db8::1]:5": "2001:db8::1", "pipe": "pipe"} {
		if got := remoteHost(remote, []string{"198.51.100.7"}); got != want {
			t.Errorf("%s: got %s, want %s", remote, got, want)
		}
	}
}

func TestPollingSessionsThatArePendingAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := suite()
		config.MaxPending, config.MaxPendingPerAddress = 3, 2
		config.Address = func(_ string, forwarded []string) string { return strings.Join(forwarded, ",") }
		e := servePipes(t, config, &stub{})
		from := func(address string) int {
			got, _ := rawRequest(t, e, "GET /engine.io/?"+pollQuery+" HTTP/1.1\r\nHost: chat.test\r\nX-Forwarded-For: "+address+"\r\n\r\n")
			return got.status
		}

		got := []int{from("a"), from("a"), from("a"), from("b"), from("c")}
		want := []int{200, 200, http.StatusTooManyRequests, 200, http.StatusServiceUnavailable}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("answered %v, want %v", got, want)
		}

		// Nobody polls any more, so the heartbeat gives the places back.
		if err := e.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := from("c"); got != http.StatusOK {
			t.Errorf("answered %d when the places are free", got)
		}
	})
}

func TestHandshakeThatIsNotReadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reasons []Reason
		s := New(Config{}, &stub{closed: func(_ *Session, r Reason) { reasons = append(reasons, r) }})
		ours, theirs := net.Pipe()
		defer func() { _ = ours.Close() }()
		began := time.Now()

		s.ServeHTTP(&hijackable{ResponseRecorder: httptest.NewRecorder(), conn: theirs}, upgradeOf(goodQuery))

		if got := time.Since(began); got != 0 {
			t.Errorf("the request was held for %v", got)
		}
		if err := s.Wait(t.Context()); err != nil || s.Count() != 0 || s.pending.all != 0 {
			t.Errorf("%d sessions, %d pending, %v", s.Count(), s.pending.all, err)
		}
		if took := time.Since(began); took > s.config.PingInterval+s.config.PingTimeout+time.Second || len(reasons) != 1 {
			t.Errorf("it took %v, with the reasons %q", took, reasons)
		}
	})
}

// hijackable gives its connection away.
type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (h *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

func upgradeOf(query string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/engine.io/", nil)
	r.URL.RawQuery = query
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	return r
}

// A recorder cannot be hijacked: where it is asked to, a request has been let in.
func FuzzUpgrade(f *testing.F) {
	f.Add("GET", goodQuery, "Upgrade", "websocket", "13", "dGhlIHNhbXBsZSBub25jZQ==", "", "")
	f.Add("GET", "EIO=3&transport=__proto__&sid=", "keep-alive", "h2c", "8", "", "https://evil.test", "")
	f.Add("POST", "%zz;a[$ne]=1", "", "", "", "x", "null", "4a\x1e")
	f.Add("OPTIONS", pollQuery+"&sid=x", "", "", "", "", "", "1")
	f.Fuzz(func(t *testing.T, method, query, connection, upgrade, version, key, origin, body string) {
		s := New(Config{Polling: true}, &stub{})
		r := upgradeOf(query)
		r.Method, r.Body, r.ContentLength = method, io.NopCloser(strings.NewReader(body)), int64(len(body))
		r.Header = http.Header{
			"Connection": {connection}, "Upgrade": {upgrade}, "Sec-Websocket-Version": {version},
			"Sec-Websocket-Key": {key},
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()

		s.ServeHTTP(w, r)

		s.Close()
		if err := s.Wait(t.Context()); err != nil || s.Count() != 0 || s.pending.all != 0 {
			t.Fatalf("%d sessions, %d pending, %v", s.Count(), s.pending.all, err)
		}
		switch w.Code {
		case http.StatusOK, http.StatusInternalServerError:
			if method != http.MethodGet || !strings.Contains(query, "EIO") {
				t.Fatalf("%s %q was let in", method, query)
			}
		case http.StatusNoContent:
			if method != http.MethodOptions {
				t.Fatalf("%s was answered as a preflight", method)
			}
		case http.StatusBadRequest, http.StatusForbidden:
			var told struct {
				Code    *int
				Message string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || told.Code == nil || told.Message == "" {
				t.Fatalf("answered %d %s", w.Code, w.Body)
			}
		default:
			t.Fatalf("answered %d %s", w.Code, w.Body)
		}
	})
}
