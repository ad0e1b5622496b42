package wire

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/fault"
	"pryde/internal/id"
)

func TestDecodeReadsWhatOldClientsSend(t *testing.T) {
	bob, err := id.Parse[id.User](bobID)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, raw string
		want      NewMessage
	}{
		{"all fields", `{"recipientId":"` + bobID + `","content":"Hi","attachment":"/a.jpg","_tempId":"temp_1"}`,
			NewMessage{RecipientID: bob, Content: "Hi", Attachment: "/a.jpg", TempID: "temp_1"}},
		{"null, empty and absent", `{"recipientId":"","content":null}`, NewMessage{}},
		{"null for an id", `{"recipientId":null,"content":"Hi"}`, NewMessage{Content: "Hi"}},
		{"unknown names", `{"content":"Hi","voiceNote":null,"gifUrl":{"a":[1]}}`, NewMessage{Content: "Hi"}},
		{"another letter case is another name", `{"content":"Hi","Content":"Ho","RECIPIENTID":"` + bobID + `"}`, NewMessage{Content: "Hi"}},
		{"id in capitals", `{"recipientId":"68A4F1379B1D3E5F7A6B8C02"}`, NewMessage{RecipientID: bob}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode[NewMessage]([]byte(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeRefusesWithACode(t *testing.T) {
	for _, tt := range []struct{ name, raw, code, text string }{
		{"nothing", ``, "INVALID_DATA", "Invalid data"},
		{"half an object", `{"content":"Hi"`, "INVALID_DATA", "Invalid data"},
		{"two values", `{} {}`, "INVALID_DATA", "Invalid data"},
		{"a list", `[]`, "INVALID_DATA", "Invalid data"},
		{"a text", `"Hi"`, "INVALID_DATA", "Invalid data"},
		{"duplicate name", `{"content":"Hi","content":"Ho"}`, "INVALID_DATA", "Invalid data"},
		{"duplicate unknown name", `{"a":1,"a":2}`, "INVALID_DATA", "Invalid data"},
		{"duplicate name by an escape", `{"content":"Hi","\u0063ontent":"Ho"}`, "INVALID_DATA", "Invalid data"},
		{"bad UTF-8", "{\"content\":\"\xff\"}", "INVALID_DATA", "Invalid data"},
		{"half a surrogate pair", `{"content":"\ud83d"}`, "INVALID_DATA", "Invalid data"},
		{"number for a text", `{"content":5}`, "INVALID_DATA", "Invalid data: content"},
		{"operator for a text", `{"content":{"$gt":""}}`, "INVALID_DATA", "Invalid data: content"},
		{"list for a text", `{"_tempId":["a"]}`, "INVALID_DATA", "Invalid data: _tempId"},
		{"number for an id", `{"recipientId":5}`, "INVALID_DATA", "Invalid data: recipientId"},
		{"operator for an id", `{"recipientId":{"$ne":null}}`, "INVALID_DATA", "Invalid data: recipientId"},
		{"short id", `{"recipientId":"68a4f1379b1d3e5f7a6b8c0"}`, "INVALID_RECIPIENT_ID", "Invalid recipientId format"},
		{"id with another letter", `{"recipientId":"68a4f1379b1d3e5f7a6b8c0g"}`, "INVALID_RECIPIENT_ID", "Invalid recipientId format"},
		{"word for an id", `{"recipientId":"temp_1"}`, "INVALID_RECIPIENT_ID", "Invalid recipientId format"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode[NewMessage]([]byte(tt.raw))

			f, ok := errors.AsType[*fault.Fault](err)
			if !ok {
				t.Fatalf("error is %v, want a fault", err)
			}
			if f.Kind != fault.KindInvalid || f.Code != tt.code || f.Text != tt.text {
				t.Errorf("got %s %s %q, want %s %s %q", f.Kind, f.Code, f.Text, fault.KindInvalid, tt.code, tt.text)
			}
			if got != (NewMessage{}) {
				t.Errorf("a refused shape is not empty: %+v", got)
			}
		})
	}
}

func TestDecodeTakesARoomAsTextOrObject(t *testing.T) {
	for _, tt := range []struct {
		raw  string
		want JoinRoom
	}{
		{`"` + annID + `"`, JoinRoom{UserID: annID}},
		{`{"room":"user_` + annID + `"}`, JoinRoom{Room: "user_" + annID}},
		{`{"userId":"` + annID + `"}`, JoinRoom{UserID: annID}},
		{`null`, JoinRoom{}},
	} {
		got, err := Decode[JoinRoom]([]byte(tt.raw))
		if err != nil || got != tt.want {
			t.Errorf("%s is read as %+v, %v, want %+v", tt.raw, got, err, tt.want)
		}
	}
	for _, raw := range []string{`5`, `["a"]`, `{"room":5}`, `{"room":"a","room":"b"}`, `"\ud83d"`} {
		if got, err := Decode[JoinRoom]([]byte(raw)); err == nil || fault.Of(err).Code != "INVALID_DATA" {
			t.Errorf("%s is read as %+v, %v, want INVALID_DATA", raw, got, err)
		}
	}
}

func TestEncodeWritesTimesInUTCAndNoNullLists(t *testing.T) {
	at := time.Date(2026, 3, 2, 10, 14, 7, 312_999_000, time.FixedZone("", 2*60*60))

	got, err := Encode(struct {
		At    time.Time `json:"at"`
		Never time.Time `json:"never,omitzero"`
		List  []string  `json:"list"`
		Text  string    `json:"text"`
	}{At: at, Text: "\u2028"})

	want := `{"at":"2026-03-02T08:14:07.312Z","list":[],"text":"\u2028"}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
