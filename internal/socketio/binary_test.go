package socketio

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"testing"
)

// back emits what it was sent, and replies with it.
func back(_ context.Context, s *Socket, e *Event) {
	if e.WantsReply() {
		_ = e.ReplyBinary(e.Attachments, e.Args...) // what was received fits
		return
	}
	if f, err := NewBinaryFrame(e.Name, e.Attachments, e.Args...); err == nil {
		s.Emit(f)
	}
}

func TestBinaryEventsComeBackAsTheyWere(t *testing.T) {
	e := serve(t, Config{}, &stub{event: back}, space{"/chat", &stub{event: back}})
	c := join(t, e)
	c.connectTo("/chat,")

	c.send(`452-["x",{"a":{"_placeholder":true,"num":1}},"s",{"_placeholder":true,"num":0}]`)
	c.sendBinary("\x00\xff", "")
	c.want(`452-["x",{"a":{"_placeholder":true,"num":1}},"s",{"_placeholder":true,"num":0}]`, "binary:\x00\xff", "binary:")

	c.send(`451-/chat,9["x",{"_placeholder":true,"num":0}]`)
	c.sendBinary("two")
	c.want(`461-/chat,9[{"_placeholder":true,"num":0}]`, "binary:two")

	ten, data := []string{`"x"`}, []string(nil)
	for i := range maxAttachments {
		ten = append(ten, string(Placeholder(i)))
		data = append(data, strconv.Itoa(i))
	}
	c.send(`4510-[` + strings.Join(ten, ",") + `]`)
	c.sendBinary(data...)
	c.want(`4510-[` + strings.Join(ten, ",") + `]`)
	for _, d := range data {
		c.want("binary:" + d)
	}
}

func TestPingsAndPongsMayStandBetweenAttachments(t *testing.T) {
	e := serve(t, Config{}, &stub{event: back})
	c := join(t, e)

	c.send(`452-1["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
	c.send("3")
	c.sendBinary("one")
	c.send("3")
	c.sendBinary("two")

	c.want(`462-1[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "binary:one", "binary:two")
}

func TestTheSizeOfAnEventCountsItsAttachments(t *testing.T) {
	const text = `51-1["x",{"_placeholder":true,"num":0}]`
	e := serve(t, Config{}, &stub{event: func(_ context.Context, _ *Socket, e *Event) { e.Reply([]byte(strconv.Itoa(e.Size))) }})
	c := join(t, e)

	c.send("4" + text)
	c.sendBinary("12345")

	c.want("431[" + strconv.Itoa(len(text)+5) + "]")
}

// A pipe hands over one write at a time.
func TestAPacketAndItsAttachmentsLeaveInOneWrite(t *testing.T) {
	f, err := NewBinaryFrame("x", raw("one", strings.Repeat("two", 100)), Placeholder(0), Placeholder(1))
	if err != nil {
		t.Fatal(err)
	}
	want := unmasked(`452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
	for _, data := range f.attachments {
		m := unmasked(string(data))
		m[0] = 0x80 | opBinary
		want = append(want, m...)
	}
	for name, emit := range map[string]func(s *Socket){
		"emitted":   func(s *Socket) { s.Emit(f) },
		"broadcast": func(s *Socket) { s.Namespace().Emit(In(s.ID()), f) },
		"volatile":  func(s *Socket) { s.EmitVolatile(f) },
	} {
		release := make(chan struct{})
		e := servePipes(t, Config{}, &stub{event: func(_ context.Context, s *Socket, _ *Event) { emit(s); <-release }})
		c := join(t, e)
		c.send(`42["x"]`)

		got := make([]byte, 2*len(want))
		n, err := c.conn.Read(got)
		if close(release); err != nil || !bytes.Equal(got[:n], want) {
			t.Errorf("%s: read %d bytes, %v; want %d", name, n, err, len(want))
		}
	}
}

// Whatever follows a head, no more is kept than was announced and is allowed, and what is
// decoded at the end has its attachments where it says.
func FuzzReassembly(f *testing.F) {
	f.Add(`51-["x",{"_placeholder":true,"num":0}]`, "data")
	f.Add(`52-/chat,7["x",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, "a,b")
	f.Add(`61-0[{"_placeholder":true,"num":0}]`, "")
	f.Add(`510-["x"]`, strings.Repeat(",", 20))
	f.Add(`50-["x"]`, "a")
	f.Fuzz(func(t *testing.T, text, rest string) {
		const most = 1000
		h, err := readHead([]byte(text))
		if err != nil || h.attachments == 0 {
			return
		}
		p := &partial{head: h, text: []byte(text), size: len(text)}
		for data := range strings.SplitSeq(rest, ",") {
			complete, ok := p.add([]byte(data), most)
			if !ok {
				return
			}
			if p.size > most || len(p.attachments) > maxAttachments {
				t.Fatalf("%d attachments and %d bytes are kept", len(p.attachments), p.size)
			}
			if complete {
				break
			}
		}
		packet, err := DecodePacket(p.text, p.attachments...)
		switch {
		case err != nil:
		case len(packet.Attachments) != h.attachments:
			t.Fatalf("%d attachments instead of %d", len(packet.Attachments), h.attachments)
		case checkPlaceholders(packet.Args, h.attachments) != nil:
			t.Fatal("placeholders do not fit the attachments")
		}
	})
}
