package socketio

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
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

func TestCVE2017_16031IdsAreUniqueAndRandom(t *testing.T) {
	s := New(Config{}, &stub{})
	const count = 100_000
	seen := make(map[string]bool, count)
	for range count {
		id, err := s.engine.NewID()
		if err != nil {
			t.Fatal(err)
		}
		if seen[id] || len(id) != 22 || url.QueryEscape(id) != id {
			t.Fatalf("id %q of %d characters", id, len(id))
		}
		seen[id] = true
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

// refused checks for each packet that a joined client which sends it is closed as one that
// breaks the protocol.
func refused(t *testing.T, packets ...string) {
	t.Helper()
	for _, packet := range packets {
		refusedAfter(t, []string{packet})
	}
}

// refusedAfter checks that a joined client which sends the packets, and then the attachments,
// is closed as one that breaks the protocol.
func refusedAfter(t *testing.T, packets []string, attachments ...string) {
	t.Helper()
	reasons := make(chan Reason, 2)
	e := serve(t, Config{}, &stub{
		event:        func(context.Context, *Socket, *Event) { t.Errorf("%.60q: an event was handled", packets) },
		disconnected: func(_ *Socket, r Reason) { reasons <- r },
	})
	c := join(t, e)
	for _, packet := range packets {
		_, _ = c.conn.Write(frame(opText, []byte(packet))) // it may be closed already
	}
	for _, data := range attachments {
		_, _ = c.conn.Write(frame(opBinary, []byte(data)))
	}
	if texts, code := c.end(); len(texts) != 0 || code != 1008 {
		t.Errorf("%.60q: closed with %d after %q", packets, code, texts)
	}
	if got := receive(t, reasons); got != ReasonParseError {
		t.Errorf("%.60q: left because of %q", packets, got)
	}
	lives(t, e)
	receive(t, reasons)
}

func TestCVE2022_2421CVE2023_32695EventNamesAreStrings(t *testing.T) {
	refused(t, `42[{"toString":1}]`, `42[]`, `42{}`, `42`, `42[null]`)
}

func TestCVE2022_2421CVE2023_32695PlaceholdersAreIndexes(t *testing.T) {
	for _, num := range []string{`"splice"`, `-1`, `1e9`, `0.5`, `1`, `null`, `{}`} {
		refusedAfter(t, []string{`451-["x",{"_placeholder":true,"num":` + num + `}]`}, "data")
	}
	refused(t, `4451-["x",{"_placeholder":true,"num":"splice"}]`)
}

func TestCVE2024_38355ReservedEventsAreRefused(t *testing.T) {
	refused(t, `42["connect"]`, `42["connect_error"]`, `42["disconnect"]`, `42["disconnecting"]`,
		`42["newListener"]`, `42["removeListener"]`, `42["error"]`, `421["error",{}]`)
	refusedAfter(t, []string{`451-["error",{"_placeholder":true,"num":0}]`}, "data")
}

func TestCVE2026_33151AnnouncedAttachmentsAreBounded(t *testing.T) {
	refused(t, `45999999-["x"]`, `4511-["x"]`, `46999999-1[]`)
}

func TestCVE2026_33151AttachmentsAreBoundedTogether(t *testing.T) {
	large := strings.Repeat("a", 400_000)
	refusedAfter(t, []string{`453-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]`}, large, large, large)
}

func TestCVE2026_33151AttachmentsHaveToComeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reasons := make(chan Reason, 1)
		e := servePipes(t, Config{PingInterval: time.Hour}, &stub{disconnected: func(_ *Socket, r Reason) { reasons <- r }})
		c := join(t, e)
		c.send(`452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
		c.sendBinary("the first of two")
		began := time.Now()

		c.ended(1013)

		if got, waited := <-reasons, time.Since(began); got != ReasonTransportClose || waited != attachmentTimeout {
			t.Errorf("left because of %q after %v", got, waited)
		}
	})
}

func TestAttachmentsComeRightBehindTheirPacket(t *testing.T) {
	refusedAfter(t, []string{`451-["x",{"_placeholder":true,"num":0}]` + "\x00"}, "data")
	refusedAfter(t, []string{`452-["x"`}, "one", "two")
	for _, packet := range []string{`42["x"]`, "41", "40", `451-["x",{"_placeholder":true,"num":0}]`} {
		refusedAfter(t, []string{`451-["x",{"_placeholder":true,"num":0}]`, packet})
	}
	refusedAfter(t, nil, "an attachment of nothing")
}

func TestCVE2026_69185BinaryPacketsWithoutAttachmentsAreRefused(t *testing.T) {
	refused(t, `450-["x"]`, `460-1[]`, `45-["x"]`)
}

func TestJunkClosesItsSocketOnly(t *testing.T) {
	refused(t, "", "x", "9", "b", "bAAAA", "4", "4x", "49", `42["x"`, `40{}{}`, `40null`, `41{}`, `41[]`,
		`40`, `40{}`, `44{"message":"x"}`, `42/admin,["x"]`, `41/admin,`, `451-/admin,["x",{"_placeholder":true,"num":0}]`,
		"40/a\x1eb,", `40/admin,junk`, `42["x",`+nested(maxDepth)+`]`)
}

func TestNothingIsSaidBeforeTheSocketIsAdmitted(t *testing.T) {
	release := make(chan struct{})
	e := serve(t, Config{}, &stub{
		admit: func(context.Context, Handshake) (Admission, error) { <-release; return Admission{}, nil },
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
