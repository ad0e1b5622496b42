package wire

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"pryde/internal/id"
)

const (
	annID = "68a4f0c29b1d3e5f7a6b8c01"
	bobID = "68a4f1379b1d3e5f7a6b8c02"
)

// refused fails the test unless err says the expected thing.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Error("accepted, want a refusal")
	} else if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not contain %q", err, want)
	}
}

func TestEventsOfTheServerAreValidatedStrictly(t *testing.T) {
	for _, tt := range []struct{ name, event, payload, want string }{
		{"undeclared event", "user_onlin", `{}`, "not declared"},
		{"missing field", "user_online", `{}`, "missing properties"},
		{"additional field", "user_online", `{"userId":"` + annID + `","more":1}`, "more"},
		{"empty id", "user_online", `{"userId":""}`, "pattern"},
		{"id in capitals", "user_online", `{"userId":"68A4F0C29B1D3E5F7A6B8C01"}`, "pattern"},
		{"null id", "user_online", `{"userId":null}`, "type"},
		{"duplicate name", "user_online", `{"userId":"` + annID + `","userId":"` + annID + `"}`, "duplicate"},
		{"no JSON", "user_online", `{`, "EOF"},
		{"nothing", "user_online", ``, "EOF"},
		{"fraction", "global_chat:online_count", `{"count":1.5}`, "integer"},
		{"item of a list", "online_users", `["` + annID + `","ann"]`, "pattern"},
		{"time without milliseconds", "message:error", `{"error":"a","message":"a","code":"A","timestamp":"2026-03-02T08:14:07Z"}`, "pattern"},
		{"time that was never set", "message:error", `{"error":"a","message":"a","code":"A","timestamp":"0001-01-01T00:00:00.000Z"}`, "pattern"},
	} {
		t.Run(tt.name, func(t *testing.T) { refused(t, ValidateEvent(tt.event, []byte(tt.payload)), tt.want) })
	}
}

func TestEventsOfClientsAreOpen(t *testing.T) {
	for _, tt := range []struct{ event, payload string }{
		{"send_message", `{}`},
		{"send_message", `{"recipientId":"` + bobID + `","content":null,"voiceNote":null}`},
		{"join", `"` + annID + `"`},
		{"join", `{"userId":"` + annID + `"}`},
		{"echo", `[1,"two",null]`},
	} {
		if err := ValidateEvent(tt.event, []byte(tt.payload)); err != nil {
			t.Error(err)
		}
	}
	refused(t, ValidateEvent("send_message", []byte(`{"content":5}`)), "type")
	refused(t, ValidateEvent("join", []byte(`5`)), "anyOf")
}

func TestAcknowledgementsAreValidated(t *testing.T) {
	for _, ack := range []string{
		`{"success":true,"messageId":"68b9d2a4e1f2031425364758"}`,
		`{"error":"a","message":"a","code":"A","timestamp":"2026-03-02T08:14:07.318Z"}`,
	} {
		if err := ValidateAck("send_message", []byte(ack)); err != nil {
			t.Error(err)
		}
	}
	refused(t, ValidateAck("send_message", []byte(`{"success":true}`)), "messageId")
	refused(t, ValidateAck("send_message", []byte(`{"error":"a"}`)), "refusal")
	refused(t, ValidateAck("join", []byte(`{}`)), "not acknowledged")
	refused(t, ValidateAck("message:new", []byte(`{}`)), "clients send no event")
}

func TestAnswersAreValidated(t *testing.T) {
	const health = `{"status":"ok","message":"up","redis":false,"timestamp":"2026-03-02T08:14:00.000Z"`
	for _, tt := range []struct {
		name, method, path string
		status             int
		body, want         string // want is empty where the body is right
	}{
		{"answer", "GET", "/api/health", 200, health + `,"requestId":"a"}`, ""},
		{"without requestId", "GET", "/api/health", 200, health + `}`, "requestId"},
		{"another success", "GET", "/api/health", 204, ``, "status is 200"},
		{"list", "GET", "/api/messages/{userId}", 200, `[]`, ""},
		{"alias", "GET", "/api/messages/list", 200, `[]`, ""},
		{"null for a list", "GET", "/api/messages/list", 200, `null`, "array"},
		{"undeclared route", "GET", "/api/nowhere", 200, `[]`, "not declared"},
		{"problem", "GET", "/api/nowhere", 404, `{"message":"a","code":"A","requestId":"a"}`, ""},
		{"problem without code", "GET", "/api/health", 500, `{"message":"a","requestId":"a"}`, "code"},
		{"problem without requestId", "GET", "/api/health", 500, `{"message":"a","code":"A"}`, "requestId"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := ValidateAnswer(tt.method, tt.path, tt.status, []byte(tt.body))
			if tt.want != "" {
				refused(t, err, tt.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

type base struct {
	At time.Time `json:"at"`
}

func newDescription() *Description {
	return &Description{
		Shapes: map[string]*jsonschema.Schema{}, names: map[shape]string{}, types: map[string]reflect.Type{},
	}
}

func TestShapeThatGoesBothWaysIsDescribedTwice(t *testing.T) {
	d := newDescription()

	fromServer, err := d.add(reflect.TypeFor[Reaction](), false)
	if err != nil {
		t.Fatal(err)
	}
	fromClient, err := d.add(reflect.TypeFor[Reaction](), true)
	if err != nil {
		t.Fatal(err)
	}

	if got, want := []string{fromServer.Ref, fromClient.Ref}, []string{"Reaction", "ReactionInput"}; !cmp.Equal(got, want) {
		t.Errorf("names are %q, want %q", got, want)
	}
	if got, want := d.Shapes["Reaction"].Required, []string{"user", "emoji", "createdAt"}; !cmp.Equal(got, want) {
		t.Errorf("the server's shape requires %q, want %q", got, want)
	}
	if got := d.Shapes["ReactionInput"]; got.Required != nil || got.AdditionalProperties != nil {
		t.Errorf("the client's shape is not open: %+v", got)
	}
}

func TestFieldsAreDescribedByTheirTypes(t *testing.T) {
	type exported struct {
		base
		Author id.User          `json:"author"`
		Group  *id.Group        `json:"group"`
		Reply  *Reaction        `json:"reply,omitzero"`
		Counts map[string]int   `json:"counts"`
		Notes  []*string        `json:"notes,omitempty"`
		Hidden func()           `json:"-"`
		Ratio  float64          `json:"ratio"`
		Size   uint             `json:"size"`
		Other  map[string][]Raw `json:"other"`
	}
	d := newDescription()

	if _, err := d.add(reflect.TypeFor[exported](), false); err != nil {
		t.Fatal(err)
	}

	want := &jsonschema.Schema{
		Type: "object",
		Properties: map[string]*jsonschema.Schema{
			"at":     {Ref: "Time"},
			"author": {Ref: "UserID"},
			"group":  {AnyOf: []*jsonschema.Schema{{Ref: "GroupID"}, {Type: "null"}}},
			"reply":  {Ref: "Reaction"},
			"counts": {Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "integer"}},
			"notes":  {Type: "array", Items: &jsonschema.Schema{Types: []string{"string", "null"}}},
			"ratio":  {Type: "number"},
			"size":   {Type: "integer", Minimum: new(0.0)},
			"other":  {Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Description: "Any JSON."}}},
		},
		PropertyOrder:        []string{"at", "author", "group", "reply", "counts", "notes", "ratio", "size", "other"},
		Required:             []string{"at", "author", "group", "counts", "ratio", "size", "other"},
		AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
	}
	if diff := cmp.Diff(want, d.Shapes["exported"]); diff != "" {
		t.Error(diff)
	}
}

type ownText struct{ s string }

func (o ownText) MarshalText() ([]byte, error) { return []byte(o.s), nil }

func TestWhatHasNoFormOnTheWireIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		t    reflect.Type
		want string
	}{
		{"any", reflect.TypeFor[[]any](), "no form"},
		{"channel", reflect.TypeFor[chan int](), "no form"},
		{"bytes", reflect.TypeFor[[]byte](), "no form"},
		{"numbers as names", reflect.TypeFor[map[int]string](), "names"},
		{"nameless struct", reflect.TypeFor[struct{ A int }](), "no name"},
		{"generic struct", reflect.TypeFor[Page[int]](), "no name"},
		{"own text", reflect.TypeFor[ownText](), "own way"},
		{"field without a name", reflect.TypeFor[Delivery](), "Message"},
		{"another option", reflect.TypeFor[asText](), "omitzero"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newDescription().add(tt.t, false)
			refused(t, err, tt.want)
		})
	}
}

type asText struct {
	N int `json:"n,string"`
}

func TestTwoTypesOfOneNameAreRefused(t *testing.T) {
	type Reaction struct{}
	d := newDescription()
	if _, err := d.add(reflect.TypeFor[Message](), false); err != nil {
		t.Fatal(err)
	}

	_, err := d.add(reflect.TypeFor[Reaction](), false)

	refused(t, err, "name Reaction too")
}
