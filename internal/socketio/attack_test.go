package socketio

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"
)

// endGoroutine ends the worker under the handler that calls it.
func endGoroutine() { runtime.Goexit() }

func TestCVE2020_36048OversizedPacketsCloseTheTransport(t *testing.T) {
	reasons := make(chan Reason, 1)
	e := serve(t, Config{MaxPayload: 1000}, &stub{
		event:        func(_ context.Context, _ *Socket, e *Event) { e.Reply() },
		disconnected: func(_ *Socket, r Reason) { reasons <- r },
	})
	c := join(t, e)
	fits := `421["x","` + strings.Repeat("a", 1000-len(`421["x",""]`)) + `"]`

	c.send(fits)
	c.want("431[]")
	c.send(fits + " ")

	c.ended(1009)
	if got := receive(t, reasons); got != ReasonTransportError {
		t.Errorf("left because of %q", got)
	}
	lives(t, e)
}

func TestCVE2020_36048ABodyIsNotRead(t *testing.T) {
	s := New(Config{}, &stub{})
	body := strings.NewReader(strings.Repeat("a", 10<<20))
	w := httptest.NewRecorder()

	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/socket.io/?EIO=4&transport=polling", body))

	if w.Code != http.StatusBadRequest || body.Len() != 10<<20 {
		t.Errorf("answered %d and left %d bytes of the body", w.Code, body.Len())
	}
}

func TestCVE2020_28481ForeignOriginsAreForbidden(t *testing.T) {
	allowed := func(r *http.Request) bool { return r.Header.Get("Origin") != "https://evil.test" }
	tests := []struct {
		name    string
		allow   func(*http.Request) bool
		headers []string
		want    int
	}{
		{"no browser", nil, nil, 101},
		{"own host", nil, []string{"Origin: https://chat.test"}, 101},
		{"foreign", nil, []string{"Origin: https://evil.test"}, 403},
		{"own host as a prefix", nil, []string{"Origin: https://chat.test.evil.test"}, 403},
		{"null", nil, []string{"Origin: null"}, 403},
		{"two", nil, []string{"Origin: https://chat.test", "Origin: https://evil.test"}, 403},
		{"configured", allowed, []string{"Origin: https://app.test"}, 101},
		{"foreign to the configured", allowed, []string{"Origin: https://evil.test"}, 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := serve(t, Config{AllowOrigin: test.allow}, &stub{})

			got, c := request(t, e, goodQuery, test.headers...)

			if got.status != test.want {
				t.Fatalf("answered %d, want %d", got.status, test.want)
			}
			if test.want == http.StatusForbidden {
				if want := `{"code":4,"message":"Forbidden"}`; got.body != want {
					t.Errorf("body is %s, want %s", got.body, want)
				}
				return
			}
			c.recv()
		})
	}
}

func TestCVE2020_28481AForeignPreflightIsForbidden(t *testing.T) {
	s := New(Config{}, &stub{})
	r := httptest.NewRequest(http.MethodOptions, "/socket.io/?EIO=4&transport=polling", nil)
	r.Header.Set("Origin", "https://evil.test")
	w := httptest.NewRecorder()

	s.ServeHTTP(w, r)

	if w.Code != http.StatusForbidden || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("answered %d with %v", w.Code, w.Header())
	}
}

func TestCVE2017_16031IdsAreUniqueAndRandom(t *testing.T) {
	s := New(Config{}, &stub{})
	const count = 100_000
	seen := make(map[string]bool, count)
	for range count {
		id, err := s.newID()
		if err != nil {
			t.Fatal(err)
		}
		if seen[id] || len(id) != 22 || url.QueryEscape(id) != id {
			t.Fatalf("id %q of %d characters", id, len(id))
		}
		seen[id] = true
	}
}

type noRandom struct{}

func (noRandom) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestWithoutRandomnessNobodyIsLetIn(t *testing.T) {
	e := serve(t, Config{Rand: noRandom{}}, &stub{})

	if got, _ := request(t, e, goodQuery); got.status != http.StatusServiceUnavailable {
		t.Errorf("answered %d, want 503", got.status)
	}
}

func TestCVE2023_31125BadQueriesAreAnsweredWithACode(t *testing.T) {
	const (
		transport = `{"code":0,"message":"Transport unknown"}`
		session   = `{"code":1,"message":"Session ID unknown"}`
		bad       = `{"code":3,"message":"Bad request"}`
		version   = `{"code":5,"message":"Unsupported protocol version"}`
	)
	tests := map[string]string{
		"":                                      transport,
		"EIO=4":                                 transport,
		"EIO=4&transport=":                      transport,
		"EIO=4&transport=polling":               transport,
		"EIO=4&transport=webtransport":          transport,
		"EIO=4&transport=__proto__":             transport,
		"EIO=4&transport=constructor":           transport,
		"EIO=4&transport=WebSocket":             transport,
		"EIO=3&transport=websocket":             version,
		"EIO=99&transport=websocket":            version,
		"EIO=&transport=websocket":              version,
		"EIO=04&transport=websocket":            version,
		"transport=websocket":                   version,
		"EIO=4&transport=websocket&sid=":        session,
		"EIO=4&transport=websocket&sid=abc":     session,
		"EIO=4&EIO=4&transport=websocket":       bad,
		"EIO=4&transport=websocket&transport=x": bad,
		"EIO=4&transport=websocket&sid=a&sid=b": bad,
		"EIO=4&transport[]=websocket":           bad,
		"EIO=4&transport=websocket&a[$ne]=1":    bad,
		"EIO=4&transport=websocket&__proto__=1": bad,
		"EIO=4&transport=websocket&=1":          bad,
		"EIO=4&transport=websocket&%zz=1":       bad,
		"EIO=4;transport=websocket":             bad,
		"EIO=4&transport=websocket&" + strings.Repeat("a", maxKeyLength+1) + "=1": bad,
		"EIO=4&transport=websocket" + strings.Repeat("&a=1", maxQueryKeys):        bad,
	}
	e := serve(t, Config{}, &stub{})
	for query, want := range tests {
		got, _ := request(t, e, query)
		if want := (answer{status: http.StatusBadRequest, kind: "application/json", body: want}); got != want {
			t.Errorf("%q answered %+v, want %+v", query, got, want)
		}
	}
	lives(t, e)
}

func TestQueriesOfOfficialClientsAreTaken(t *testing.T) {
	e := serve(t, Config{}, &stub{})

	got, c := request(t, e, "EIO=4&transport=websocket&t=Pq3x-1.z&userId=42&app_version=")

	if got.status != http.StatusSwitchingProtocols {
		t.Fatalf("answered %d", got.status)
	}
	c.recv()
}

func TestCVE2026_102599AnUpgradeMustSpeakTheSameVersion(t *testing.T) {
	e := serve(t, Config{}, &stub{})
	join(t, e)

	for _, query := range []string{"EIO=3&transport=websocket", "transport=websocket", "transport=websocket&sid=x"} {
		if got, _ := request(t, e, query); got.status != http.StatusBadRequest {
			t.Errorf("%q answered %d, want 400", query, got.status)
		}
	}
}

func TestRequestsThatAreNoUpgradeAreAnsweredWithACode(t *testing.T) {
	const bad = `{"code":3,"message":"Bad request"}`
	good := map[string]string{
		"Connection": "keep-alive, Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	}
	tests := []struct {
		name, method, header, value, want string
	}{
		{"plain", "GET", "Connection", "keep-alive", bad},
		{"to another protocol", "GET", "Upgrade", "h2c", bad},
		{"of another version", "GET", "Sec-WebSocket-Version", "8", bad},
		{"without a key", "GET", "Sec-WebSocket-Key", "", bad},
		{"with a short key", "GET", "Sec-WebSocket-Key", "YQ==", bad},
		{"with a key that is no base64", "GET", "Sec-WebSocket-Key", "%%%", bad},
		{"by POST", "POST", "Upgrade", "websocket", `{"code":2,"message":"Bad handshake method"}`},
	}
	s := New(Config{}, &stub{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, "/socket.io/?"+goodQuery, nil)
			for name, value := range good {
				r.Header.Set(name, value)
			}
			r.Header.Set(test.header, test.value)
			w := httptest.NewRecorder()

			s.ServeHTTP(w, r)

			if w.Code != http.StatusBadRequest || w.Body.String() != test.want {
				t.Errorf("answered %d %s, want 400 %s", w.Code, w.Body, test.want)
			}
		})
	}
}

func TestCVE2022_21676CVE2022_41940BrokenUpgradesLeaveNothing(t *testing.T) {
	e := serve(t, Config{}, &stub{})
	whole := "GET /socket.io/?" + goodQuery + " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	for _, sent := range []string{
		"", whole[:20], whole[:len(whole)-2], whole, whole + "\x81", whole + "\x81\xff\x00",
		whole + "\x81\x05hello", whole + "\xff\xff\xff\xff", whole + "\x80\x80\x00\x00\x00\x00", whole + "\x09\x80\x00\x00\x00\x00",
	} {
		for _, reset := range []bool{true, false} {
			conn, err := e.dial()
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, sent)
			if reset {
				_ = conn.(*net.TCPConn).SetLinger(0)
			}
			_ = conn.Close()
		}
	}

	lives(t, e)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.Drain(ctx); err != nil {
		t.Errorf("something is left: %v", err)
	}
}

// refused checks that a joined client is closed as one that breaks the protocol.
func refused(t *testing.T, packets ...string) {
	t.Helper()
	reasons := make(chan Reason, 1)
	e := serve(t, Config{}, &stub{
		event:        func(_ context.Context, _ *Socket, e *Event) { t.Errorf("event %q was handled", e.Name) },
		disconnected: func(_ *Socket, r Reason) { reasons <- r },
	})
	for _, packet := range packets {
		c := join(t, e)
		c.send(packet)
		c.ended(1008)
		if got := receive(t, reasons); got != ReasonParseError {
			t.Errorf("%.60q: left because of %q", packet, got)
		}
	}
	lives(t, e)
	receive(t, reasons)
}

func TestCVE2022_2421CVE2023_32695EventNamesAreStrings(t *testing.T) {
	refused(t,
		`4451-["x",{"_placeholder":true,"num":"splice"}]`, `451-["x",{"_placeholder":true,"num":"splice"}]`,
		`451-["x",{"_placeholder":true,"num":-1}]`, `451-["x",{"_placeholder":true,"num":1e9}]`,
		`451-["x",{"_placeholder":true,"num":0.5}]`, `42[{"toString":1}]`, `42[]`, `42{}`, `42`, `42[null]`)
}

func TestCVE2024_38355ReservedEventsAreRefused(t *testing.T) {
	refused(t, `42["connect"]`, `42["connect_error"]`, `42["disconnect"]`, `42["disconnecting"]`,
		`42["newListener"]`, `42["removeListener"]`, `42["error"]`, `421["error",{}]`)
}

func TestCVE2026_33151AnnouncedAttachmentsAreNotAwaited(t *testing.T) {
	refused(t, `45999999-["x"]`, `4511-["x"]`, `451-["x",{"_placeholder":true,"num":0}]`, `461-1[{"_placeholder":true,"num":0}]`)
}

func TestCVE2026_69185BinaryPacketsWithoutAttachmentsAreRefused(t *testing.T) {
	refused(t, `450-["x"]`, `460-1[]`)
}

func TestJunkClosesItsSocketOnly(t *testing.T) {
	refused(t, "", "x", "9", "b", "bAAAA", "4", "4x", "49", `42["x"`, "42[\"\xff\"]", "4\xff",
		`40`, `40{}`, `44{"message":"x"}`, `42/admin,["x"]`, `41/admin,`, `42["x",`+nested(maxDepth)+`]`)
}

func TestBinaryMessagesCloseTheTransport(t *testing.T) {
	e := serve(t, Config{}, &stub{})
	c := join(t, e)

	c.write(frame(opBinary, []byte(`42["x"]`)))

	c.ended(1008)
	lives(t, e)
}

func TestNothingIsSaidBeforeTheSocketIsAdmitted(t *testing.T) {
	release := make(chan struct{})
	e := serve(t, Config{}, &stub{
		admit: func(context.Context, Handshake) (any, error) { <-release; return nil, nil },
		connected: func(context.Context, *Socket) {
			t.Error("a client that broke the protocol was connected")
		},
	})
	for _, packet := range []string{`42["x"]`, "40", "41", "431[]"} {
		c := open(t, e)
		c.send("40")
		c.send(packet)
		c.ended(1008)
	}
	for _, packet := range []string{`42["x"]`, "41", "431[]"} {
		c := open(t, e)
		c.send(packet)
		c.ended(1008)
	}
	close(release)
}

func TestEnginePacketsThatMeanNothingHereAreIgnored(t *testing.T) {
	e := serve(t, Config{}, &stub{event: func(_ context.Context, _ *Socket, e *Event) { e.Reply() }})
	c := join(t, e)

	for _, packet := range []string{"0{}", "5", "6", "3", "3probe", `421["x"]`} {
		c.send(packet)
	}

	c.want("431[]")
}

func TestEnginePacketsThatEndTheTransport(t *testing.T) {
	for packet, want := range map[string]struct {
		code   int
		reason Reason
	}{
		"1":      {1000, ReasonTransportClose},
		"2":      {1008, ReasonTransportError},
		"2probe": {1008, ReasonTransportError},
	} {
		reasons := make(chan Reason, 1)
		e := serve(t, Config{}, &stub{disconnected: func(_ *Socket, r Reason) { reasons <- r }})
		c := join(t, e)

		c.send(packet)

		c.ended(want.code)
		if got := receive(t, reasons); got != want.reason {
			t.Errorf("%s: left because of %q, want %q", packet, got, want.reason)
		}
	}
}

// The giant lengths are those that a signed integer takes for negative and the largest one.
func TestCVE2016_10542GiantFramesAreRefusedBeforeAllocating(t *testing.T) {
	for _, size := range []string{"\x7f\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff", "\x80\x00\x00\x00\x00\x00\x00\x00"} {
		reasons := make(chan Reason, 1)
		e := serve(t, Config{MaxPayload: 10_000}, &stub{disconnected: func(_ *Socket, r Reason) { reasons <- r }})
		c := join(t, e)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)

		c.write([]byte("\x81\xff" + size + "\x00\x00\x00\x00" + strings.Repeat("a", 20_000)))

		if got := receive(t, reasons); got != ReasonTransportError {
			t.Errorf("left because of %q", got)
		}
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
			t.Errorf("%d bytes were allocated", grown)
		}
		lives(t, e)
	}
}

func TestCVE2021_32640LongProtocolHeadersAreReadInLinearTime(t *testing.T) {
	e := serve(t, Config{}, &stub{})
	began := time.Now()

	got, c := request(t, e, goodQuery, "Sec-WebSocket-Protocol: b"+strings.Repeat(" ", 300_000)+"x")

	if got.status != http.StatusSwitchingProtocols || time.Since(began) > 5*time.Second {
		t.Fatalf("answered %d after %v", got.status, time.Since(began))
	}
	c.recv()
}

func TestCompressionIsNotAgreedOn(t *testing.T) {
	reasons := make(chan Reason, 1)
	e := serve(t, Config{}, &stub{disconnected: func(_ *Socket, r Reason) { reasons <- r }})

	got, c := request(t, e, goodQuery, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
	c.recv()
	c.connect()
	c.write([]byte("\xc1\x80\x00\x00\x00\x00")) // RSV1 marks a compressed message

	if got.deflated {
		t.Error("an extension was agreed on")
	}
	if got := receive(t, reasons); got != ReasonTransportError {
		t.Errorf("left because of %q", got)
	}
}

func TestFramesWithoutAMaskAreRefused(t *testing.T) {
	reasons := make(chan Reason, 1)
	e := serve(t, Config{}, &stub{disconnected: func(_ *Socket, r Reason) { reasons <- r }})
	c := join(t, e)

	c.write([]byte("\x81\x0742[\"x\"]"))

	if got := receive(t, reasons); got != ReasonTransportError {
		t.Errorf("left because of %q", got)
	}
}

func FuzzUpgrade(f *testing.F) {
	f.Add("GET", goodQuery, "Upgrade", "websocket", "13", "dGhlIHNhbXBsZSBub25jZQ==", "")
	f.Add("GET", "EIO=3&transport=__proto__&sid=", "keep-alive", "h2c", "8", "", "https://evil.test")
	f.Add("POST", "%zz;a[$ne]=1", "", "", "", "x", "null")
	f.Fuzz(func(t *testing.T, method, query, connection, upgrade, version, key, origin string) {
		s := New(Config{}, &stub{})
		r := httptest.NewRequest(http.MethodGet, "/socket.io/", nil)
		r.Method, r.URL.RawQuery = method, query
		r.Header = http.Header{
			"Connection": {connection}, "Upgrade": {upgrade}, "Sec-Websocket-Version": {version},
			"Sec-Websocket-Key": {key}, "Origin": {origin},
		}
		rejected := s.examine(r)
		if rejected == nil {
			if !strings.EqualFold(method, "GET") || !strings.Contains(query, "EIO") {
				t.Fatalf("%s %q was let in", method, query)
			}
			return
		}
		w := httptest.NewRecorder()
		rejected.write(w)
		var body struct {
			Code    int
			Message string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Message == "" || w.Code != 400 && w.Code != 403 {
			t.Fatalf("answered %d %s", w.Code, w.Body)
		}
	})
}
