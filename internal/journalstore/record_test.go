package journalstore

import (
	"bytes"
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
	bare := w
	bare.ClientID, bare.SealedContent, bare.SealedAttachment = "", nil, nil
	return []record{
		{kind: kindMessage, token: 5, waiting: w},
		{kind: kindMessage, token: -1, waiting: bare},
		{kind: kindAside, token: 7, waiting: w},
		{kind: kindTake, token: 6, from: 1 << 40, first: 1 << 50},
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
