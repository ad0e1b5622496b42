package journalstore

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/id"
	"pryde/internal/message"
)

func records() []record {
	w := message.Waiting{
		Message: message.Message{
			ID: id.Message{1}, Seq: 77, Changed: 77, Sender: id.User{2}, Recipient: id.User{3},
			Fingerprint: message.Fingerprint{4}, CreatedAt: time.UnixMilli(1_714_564_800_123).UTC(),
		},
		ClientID: "temp-1", SealedContent: []byte("content"), SealedAttachment: []byte("attachment"),
	}
	more, reply := w, w
	more.Group, more.Recipient, more.SealedExtra = id.Group{5}, id.User{}, []byte("extra")
	reply.ReplyTo = id.Message{6}
	bare := w
	bare.ClientID, bare.SealedContent, bare.SealedAttachment = "", nil, nil
	return []record{
		{kind: kindMessage, token: 5, waiting: w},
		{kind: kindMessage, token: -1, waiting: bare},
		{kind: kindAside, token: 7, waiting: w},
		{kind: kindTake, token: 6, from: 1 << 40, first: 1 << 50},
		{kind: kindMessage, token: 8, waiting: more},
		{kind: kindAside, token: 9, waiting: reply},
	}
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	e, err := newEnvelope([32]byte{1}, [4]byte{1, 2, 3, 4})
	if err != nil {
		t.Fatal(err)
	}
	other, err := newEnvelope([32]byte{1}, [4]byte{1, 2, 3, 5})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range records() {
		sealed := e.seal(want)
		got, err := e.open(sealed)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(record{})); diff != "" {
			t.Errorf("record differs (-want +got):\n%s", diff)
		}
		if _, err := other.open(sealed); err == nil {
			t.Error("a record of another database opens")
		}
		sealed[len(sealed)/2] ^= 1
		if _, err := e.open(sealed); err == nil {
			t.Error("a damaged record opens")
		}
	}
}

// A journal that was written before there were groups is read as it was.
func TestARecordOfTheFirstFormIsRead(t *testing.T) {
	const first = "01" + "0000000000000005" + "000000000000004d" + "0000018f34069e7b" +
		"010000000000000000000000" + "020000000000000000000000" + "030000000000000000000000" + "04000000000000000000000000000000" +
		"00000006" + "74656d702d31" + "00000007" + "636f6e74656e74" + "0000000a" + "6174746163686d656e74"
	b, err := hex.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}

	got, err := decode(b)

	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(records()[0], got, cmp.AllowUnexported(record{})); diff != "" {
		t.Errorf("record differs (-want +got):\n%s", diff)
	}
}

func FuzzRecord(f *testing.F) {
	for _, r := range records() {
		f.Add(r.encode())
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode(b)
		if err == nil && !bytes.Equal(r.encode(), b) {
			t.Errorf("%x was read as something else: %x", b, r.encode())
		}
	})
}
