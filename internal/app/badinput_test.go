package app_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"pryde/internal/wire"
)

// operators are what attackers send in place of a text.
var operators = []string{
	`{"$ne":""}`, `{"$gt":""}`, `{"$regex":".*"}`, `["a"]`, `7`, `true`, `{"toString":1}`, `[[]]`,
}

func TestBadEventsGetAClearError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	c := ann.connect()
	to := bob.id.String()
	cases := map[string]string{ // payload -> code
		`null`: "INVALID_DATA", `"text"`: "INVALID_DATA", `7`: "INVALID_DATA", `[]`: "INVALID_DATA",
		`{}`:                                 "MISSING_RECIPIENT",
		`{"recipientId":"","content":"x"}`:   "MISSING_RECIPIENT",
		`{"recipientId":"no","content":"x"}`: "INVALID_RECIPIENT_ID",
		`{"recipientId":"` + strings.Repeat("f", 24) + `","content":"x"}`:                         "USER_NOT_FOUND",
		`{"recipientId":"` + to + `","content":" "}`:                                              "EMPTY_MESSAGE",
		`{"recipientId":"` + to + `","content":"<script>x</script>"}`:                             "EMPTY_MESSAGE",
		`{"recipientId":"` + to + `","content":"` + strings.Repeat("x", 10_001) + `"}`:            "MESSAGE_TOO_LONG",
		`{"recipientId":"` + to + `","content":"` + strings.Repeat("x", 70_000) + `"}`:            "PAYLOAD_TOO_LARGE",
		`{"recipientId":"` + to + `","content":"x","_tempId":"` + strings.Repeat("x", 129) + `"}`: "INVALID_TEMP_ID",
	}
	for _, bad := range operators {
		cases[`{"recipientId":`+bad+`,"content":"x"}`] = "INVALID_"
		cases[`{"recipientId":"`+to+`","content":`+bad+`}`] = "INVALID_"
		cases[`{"recipientId":"`+to+`","content":"x","attachment":`+bad+`}`] = "INVALID_"
		cases[`{"recipientId":"`+to+`","content":"x","_tempId":`+bad+`}`] = "INVALID_"
	}
	for payload, code := range cases {
		got := ask[wire.Failure](ann, c, "send_message", wire.Raw(payload))
		if !strings.HasPrefix(got.Code, code) || got.Message == "" || got.Message != got.Error {
			t.Errorf("%.100s was answered with %+v, want %s", payload, got, code)
		}
		told := decode[wire.Failure](t, ann.await(c, "message:error").Payload())
		if told.Code != got.Code {
			t.Errorf("%.100s: message:error %+v, acknowledgement %+v", payload, told, got)
		}
	}
	if err := c.SendRaw(`42["send_message",{"recipientId":"` + to + `","content":"a","content":"b"}]`); err != nil {
		t.Fatal(err)
	}
	if told := decode[wire.Failure](t, ann.await(c, "message:error").Payload()); told.Code != "INVALID_DATA" {
		t.Errorf("a name given twice was answered with %+v", told)
	}
	if thread, err := ann.rest.Thread(w.ctx(), bob.id); err != nil || len(thread) != 0 {
		t.Errorf("bad events left %+v, %v", thread, err)
	}
	if strings.Contains(w.log.String(), "level=ERROR") {
		t.Errorf("bad events were logged as errors:\n%s", w.log)
	}
}

func TestBadRequestsGetAClearError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	m, _, err := ann.rest.PostMessage(w.ctx(), wire.PostedMessage{Recipient: bob.id, Content: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	to, unknown := bob.id.String(), strings.Repeat("f", 24)
	type request struct {
		method, path, body string
		status             int
	}
	cases := []request{
		{"POST", "/api/messages", ``, 400},
		{"POST", "/api/messages", `{`, 400},
		{"POST", "/api/messages", `[]`, 400},
		{"POST", "/api/messages", `null`, 400},
		{"POST", "/api/messages", `{"recipient":"` + to + `","content":"a","content":"b"}`, 400},
		{"POST", "/api/messages", `{"recipient":"` + to + `","content":"` + "\xff" + `"}`, 400},
		{"POST", "/api/messages", `{"recipient":"` + to + `"} trailing`, 400},
		{"POST", "/api/messages", `{"recipient":"` + to + `","content":"` + strings.Repeat("x", 2<<20) + `"}`, 413},
		{"POST", "/api/messages", strings.Repeat(`{"a":`, 100_000), 400},
		{"POST", "/api/messages", `{"content":"x"}`, 400},
		{"POST", "/api/messages", `{"recipient":"` + unknown + `","content":"x"}`, 404},
		{"GET", "/api/messages/" + unknown, ``, 404},
		{"GET", "/api/messages/temp_1", ``, 400},
		{"GET", "/api/messages/" + to + "?limit=0", ``, 400},
		{"GET", "/api/messages/" + to + "?limit=-1", ``, 400},
		{"GET", "/api/messages/" + to + "?limit=NaN", ``, 400},
		{"GET", "/api/messages/" + to + "?limit=99999999999999999999", ``, 200},
		{"GET", "/api/messages/" + to + "?limit=-99999999999999999999", ``, 400},
		{"GET", "/api/messages/" + to + "?limit=1000", ``, 200},
		{"GET", "/api/messages/" + to + "?before=x", ``, 400},
		{"GET", "/api/messages/" + to + "?before=" + unknown, ``, 404},
		{"GET", "/api/messages/" + to + "?limit[$gt]=1", ``, 400},
		{"GET", "/api/messages/list?a[$ne]=1", ``, 400},
		{"GET", "/api/messages/list?$where=1", ``, 400},
		{"PUT", "/api/messages/" + unknown, `{"content":"x"}`, 404},
		{"PUT", "/api/messages/" + m.ID.String(), `{"content":""}`, 400},
		{"PUT", "/api/messages/x", `{"content":"x"}`, 400},
		{"PUT", "/api/messages/" + unknown + "/read", ``, 404},
		{"DELETE", "/api/messages/" + unknown, ``, 404},
		{"GET", "/api/nothing", ``, 404},
		{"PATCH", "/api/messages", `{}`, 404},
		{"GET", "/api//messages/list", ``, 404},
		{"GET", "//api/messages/list", ``, 404},
		{"GET", "/api/messages/list//", ``, 404},
		{"GET", "/API/Messages/List/", ``, 200},
	}
	for _, bad := range operators {
		for _, field := range []string{"recipient", "content", "attachment", "_tempId"} {
			cases = append(cases, request{"POST", "/api/messages", replaced(to, field, bad), 400})
		}
		for _, path := range []string{"/api/auth/login", "/api/auth/signup"} {
			cases = append(cases, request{"POST", path, `{"email":` + bad + `,"password":` + bad + `}`, 400})
		}
	}
	for _, tt := range cases {
		resp, body := w.raw(ann, tt.method, tt.path, tt.body)
		if resp.StatusCode != tt.status {
			t.Errorf("%s %s %.80s answered %d %.200s, want %d", tt.method, tt.path, tt.body, resp.StatusCode, body, tt.status)
			continue
		}
		if tt.status >= 400 {
			if p := decode[wire.Problem](t, body); p.Code == "" || p.Message == "" {
				t.Errorf("%s %s answered %s without code or message", tt.method, tt.path, body)
			}
			w.valid(wire.ValidateAnswer(tt.method, tt.path, tt.status, body))
		}
	}
	if strings.Contains(w.log.String(), "level=ERROR") {
		t.Errorf("bad requests were logged as errors:\n%s", w.log)
	}
}

// replaced is a message in which one field is something else.
func replaced(to, field, bad string) string {
	fields := map[string]string{"recipient": `"` + to + `"`, "content": `"x"`, "attachment": `""`, "_tempId": `""`}
	fields[field] = bad
	return fmt.Sprintf(`{"recipient":%s,"content":%s,"attachment":%s,"_tempId":%s}`,
		fields["recipient"], fields["content"], fields["attachment"], fields["_tempId"])
}

// raw sends a body that no encoder would write.
func (w *world) raw(p *person, method, path, body string) (*http.Response, []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.ctx(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, got
}

func TestOptionalFieldsComeInEveryForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	c := ann.connect()
	for i, extra := range []string{
		`"attachment":null,"voiceNote":null,"contentWarning":""`, `"attachment":"","gifUrl":null,"duration":null`, `"_tempId":null,"userId":"x"`, `"_tempId":""`,
	} {
		payload := fmt.Sprintf(`{"recipientId":"%s","content":"%d",%s}`, bob.id, i, extra)
		if got := ask[wire.Sent](ann, c, "send_message", wire.Raw(payload)); !got.Success {
			t.Errorf("%s was refused", payload)
		}
	}
}

func TestForeignOriginsAreRefusedOnEveryDoor(t *testing.T) {
	t.Parallel()
	w := start(t, t.TempDir(), map[string]string{"CORS_ORIGINS": "https://app.example.com"})
	for origin, allowed := range map[string]bool{
		"": true, w.url: true, "https://app.example.com": true, "http://localhost:5173": true,
		"https://evil.example": false, "https://app.example.com.evil.example": false, "null": false, "http://app.example.com": false,
	} {
		for _, tt := range []struct{ method, path string }{
			{"GET", "/api/health"}, {"OPTIONS", "/api/messages"}, {"POST", "/api/refresh"}, {"GET", "/socket.io/?EIO=4&transport=websocket"},
		} {
			req, err := http.NewRequestWithContext(w.ctx(), tt.method, w.url+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if origin != "" {
				req.Header.Set("Origin", origin)
			}
			if tt.method == "OPTIONS" {
				req.Header.Set("Access-Control-Request-Method", "POST")
			}
			resp, err := w.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.StatusCode != http.StatusForbidden; got != allowed {
				t.Errorf("%s %s from %q answered %d", tt.method, tt.path, origin, resp.StatusCode)
			}
			if got := resp.Header.Get("Access-Control-Allow-Origin"); strings.HasPrefix(tt.path, "/api") && allowed && got != origin {
				t.Errorf("%s %s allows %q, want %q", tt.method, tt.path, got, origin)
			}
		}
	}
}

func TestEveryAnswerNamesItsRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named := w.rest()
	named.Header = http.Header{"X-Request-Id": {"my-request-1"}}
	got, err := named.Do(w.ctx(), "GET", "/api/health", nil)
	if err != nil || got.Header.Get("X-Request-Id") != "my-request-1" || !strings.Contains(string(got.Body), `"requestId":"my-request-1"`) {
		t.Errorf("%s %s, %v", got.Header, got.Body, err)
	}
	named.Header.Set("X-Request-Id", "bad id; with \n spaces"[:6]+"!")
	got, err = named.Do(w.ctx(), "GET", "/api/health", nil)
	if err != nil || len(got.Header.Get("X-Request-Id")) != 36 {
		t.Errorf("an id of no good form was kept: %s, %v", got.Header.Get("X-Request-Id"), err)
	}
}
