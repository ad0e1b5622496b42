package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

const (
	// million is a text of a million bytes: a body with it is within the limit of a body.
	million = 1_000_000
	// flat is by how many bytes the heap may grow over the whole table.
	flat = 32 << 20
)

// A scene is a server where two people have talked, and a third has no part in it.
type scene struct {
	*world
	ann, bob, eve *person
	group         wire.Group   // of ann and bob
	foreign       wire.Group   // of eve
	theirs        wire.Message // from bob to ann
	mine          wire.Message // from ann to bob
	inGroup       wire.Message // from bob
}

func newScene(t *testing.T) *scene {
	w := newWorld(t)
	s := &scene{world: w, ann: w.signUp(), bob: w.signUp(), eve: w.signUp()}
	s.mine, s.theirs = s.ann.post(s.bob, "mine"), s.bob.post(s.ann, "theirs")
	s.group, s.foreign = found("choir", s.ann, s.bob), found("alone", s.eve)
	s.inGroup = s.bob.tell(s.group.ID, "to all")
	s.ann.do(http.StatusOK, "POST", "/api/messages/"+s.theirs.ID.String()+"/react", wire.Emoji{Emoji: "👍"})
	s.ann.do(http.StatusOK, "PUT", s.ann.conversation(s.bob)+"/draft", wire.DraftText{Text: "unsent"})
	return s
}

// dump is everything that the three people can read. The number of the newest commit is in it:
// where that stands still nothing was stored that anybody sees.
func (s *scene) dump() string {
	s.t.Helper()
	var all strings.Builder
	for _, p := range []*person{s.ann, s.bob, s.eve} {
		for _, path := range []string{
			"/api/sync?since=0", "/api/messages/conversations", "/api/messages/" + s.bob.id.String(), "/api/messages/" + s.ann.id.String(),
			"/api/groupchats", groupPath(s.group.ID), groupPath(s.foreign.ID), "/api/messages/group/" + s.group.ID.String(), "/api/messages/drafts",
			"/api/messages/unread/counts", "/api/messages/" + s.mine.ID.String() + "/history", "/api/blocks", "/api/privacy/settings",
			"/api/users/" + s.ann.id.String(), "/api/users/" + s.bob.id.String(), "/api/users/" + s.eve.id.String(), "/api/2fa/status",
		} {
			got, err := p.rest.Do(s.ctx(), http.MethodGet, path, nil)
			if err != nil {
				s.t.Fatal(err)
			}
			fmt.Fprintf(&all, "%s %s %d %s\n", p.name, path, got.Status, unnamed(s.t, got.Body))
		}
	}
	return all.String()
}

// unnamed is a body without what differs from one request to the next.
func unnamed(t *testing.T, body []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if fields, ok := v.(map[string]any); ok {
		delete(fields, "requestId")
		delete(fields, "lastSeen")
	}
	return asJSON(v)
}

// known are the right values of what bodies, payloads and paths name; whoever asks is ann. What
// is not here stands as it does in the example of the wire.
func (s *scene) known() map[string]any {
	return map[string]any{
		"recipient": s.bob.id, "recipientId": s.bob.id, "conversationWith": s.bob.id, "userId": s.bob.id, "memberId": s.bob.id,
		"memberIds": []id.User{s.eve.id}, "blockedUserId": s.eve.id, "idOrUsername": s.bob.name, "identifier": s.bob.name, "username": "person_new",
		"groupChatId": s.group.ID, "groupId": s.group.ID, "messageId": s.theirs.ID, "lastReadMessageId": s.theirs.ID, "replyTo": s.theirs.ID,
		"sessionId": "none", "name": strings.Repeat("0", 32) + ".png", "_tempId": "temp_1", "room": "user_" + s.ann.id.String(),
	}
}

// TestBadInputChangesNothing puts what attackers send in place of every text of every route and
// every event of the catalogue: all of it is refused in the form of the contract, nothing is
// stored, and nothing is kept in memory.
func TestBadInputChangesNothing(t *testing.T) {
	s := newScene(t)
	before, heap := s.dump(), s.heap()

	for _, r := range wire.Routes() {
		for _, bad := range s.badRequests(t, r) {
			s.refuses(s.ann, bad)
		}
	}
	c := s.ann.connect()
	for _, e := range wire.Events() {
		if e.Direction == wire.FromClient {
			s.refusesEvents(t, c, e)
		}
	}

	if after := s.dump(); after != before {
		t.Errorf("bad input changed what is stored:\n%s", firstDifference(before, after))
	}
	if after := s.heap(); after-heap > flat {
		t.Errorf("the heap grew by %d KiB, want at most %d", (after-heap)>>10, flat>>10)
	}
	if strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("bad input was logged as an error of ours:\n%s", firstError(s.log.String()))
	}
}

// heap is what is in use of the heap, in bytes, but for the log, which the test keeps.
func (s *scene) heap() int64 {
	s.http.CloseIdleConnections()
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what has a finalizer goes with the second
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) - int64(len(s.log.String())) //nolint:gosec // both are far below
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("- %s\n+ %s", x[i], y[i])
		}
	}
	return fmt.Sprintf("%d lines, then %d", len(x), len(y))
}

func firstError(log string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "level=ERROR") {
			return line
		}
	}
	return ""
}

// A request is one that has to be refused.
type request struct {
	what, method, path string
	header             http.Header
	body               string
	form               string // media type of a body that is no JSON
	bare               bool   // the refusal may have no body: the head is too large to be read
}

// badRequests are those that differ from the right one in one text.
func (s *scene) badRequests(t *testing.T, r *wire.RouteSpec) (all []request) {
	right := request{method: r.Method, path: s.path(t, r, nil), body: s.body(t, r)}
	add := func(what string, change func(*request)) {
		bad := right
		bad.what = what
		change(&bad)
		all = append(all, bad)
	}
	for _, name := range paramsOf(r) {
		for what, text := range map[string]string{
			"an operator": `{"$ne":""}`, "a list": `["a"]`, "a kilobyte": strings.Repeat("x", 1<<10), "no text": "\x00\xff",
		} {
			if mayBeAnything(r) {
				continue
			}
			add(name+" is "+what, func(q *request) { q.path = s.path(t, r, map[string]string{name: text}) })
		}
		add(name+" is a megabyte", func(q *request) {
			q.path, q.bare = s.path(t, r, map[string]string{name: strings.Repeat("x", million)}), true
		})
	}
	for _, p := range r.Query {
		for what, query := range map[string]string{
			"an operator": p.Name + "[$ne]=", "a list": p.Name + "[]=a&" + p.Name + "[]=b", "given twice": p.Name + "=a&" + p.Name + "=b", "a name with a dollar": "$" + p.Name + "=1",
		} {
			add(p.Name+" is "+what, func(q *request) { q.path += "?" + query })
		}
		add(p.Name+" is a megabyte", func(q *request) { q.path, q.bare = q.path+"?"+p.Name+"="+strings.Repeat("x", million), true })
	}
	if slices.ContainsFunc(r.Query, func(p wire.Param) bool { return p.Name == "limit" }) {
		for _, limit := range []string{"-1", "0", "NaN", "Infinity", "1e9", "1.5", "", "-99999999999999999999", "0x10", "{}"} {
			add("limit is "+limit, func(q *request) { q.path += "?limit=" + url.QueryEscape(limit) })
		}
		for _, p := range []string{"before", "skip"} {
			if slices.ContainsFunc(r.Query, func(q wire.Param) bool { return q.Name == p }) {
				for _, v := range []string{"NaN", "-1", strings.Repeat("z", 24), "99999999999999999999"} {
					add(p+" is "+v, func(q *request) { q.path += "?" + p + "=" + v })
				}
			}
		}
	}
	for _, h := range r.Header {
		add(h.Name+" is long", func(q *request) { q.header = http.Header{h.Name: {strings.Repeat("x", 129)}} })
		add(h.Name+" is a megabyte", func(q *request) { q.header, q.bare = http.Header{h.Name: {strings.Repeat("x", million)}}, true })
	}
	if r.FileField != "" {
		add("no form", func(q *request) { q.body = `{"$ne":""}` })
		add("no file", func(q *request) { q.body, q.form = "--x--\r\n", "multipart/form-data; boundary=x" })
		return all
	}
	if r.Body == reflect.TypeFor[wire.None]() {
		return all
	}
	for _, whole := range []string{``, `null`, `[]`, `"a"`, `7`, `{`, `{"a":1,"a":1}`, strings.Repeat(`{"a":`, 20_000), `{"x":"` + strings.Repeat("x", 2*million) + `"}`} {
		if whole == "" && r.Body == reflect.TypeFor[wire.Muting]() {
			continue // it may be left out
		}
		add("the body is "+whole[:min(len(whole), 20)], func(q *request) { q.body = whole })
	}
	for what, body := range spoiled(t, right.body, r.Body, million) {
		add(what, func(q *request) { q.body = body })
	}
	return all
}

// spoiled are JSON objects in which one text is something else, by what that is. Fields of a shape
// that are no text are left as they are.
func spoiled(t *testing.T, right string, shape reflect.Type, long int) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, path := range textsIn(shape) {
		for what, bad := range map[string]any{
			"an operator": map[string]any{"$ne": ""}, "a list": []any{"a"}, "long": strings.Repeat("x", long), "a list of operators": []any{map[string]any{"$gt": ""}},
		} {
			var object map[string]any
			if err := json.Unmarshal([]byte(right), &object); err != nil {
				t.Fatalf("%s: %v", right, err)
			}
			put(object, path, bad)
			all[strings.Join(path, ".")+" is "+what] = asJSON(object)
		}
	}
	return all
}

// textsIn are the paths of the texts in a shape: what is written as a JSON string, or as a list of
// them.
func textsIn(shape reflect.Type) (paths [][]string) {
	for f := range shape.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		typ := f.Type
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		switch {
		case name == "" || name == "-":
		case typ.Kind() == reflect.String, typ.Kind() == reflect.Array, typ.Kind() == reflect.Slice:
			paths = append(paths, []string{name})
		case typ.Kind() == reflect.Struct:
			for _, inner := range textsIn(typ) {
				paths = append(paths, append([]string{name}, inner...))
			}
		}
	}
	return paths
}

func put(object map[string]any, path []string, v any) {
	for _, name := range path[:len(path)-1] {
		inner, ok := object[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			object[name] = inner
		}
		object = inner
	}
	object[path[len(path)-1]] = v
}

// paramsOf are the names of the parameters in a route's path.
func paramsOf(r *wire.RouteSpec) (names []string) {
	for _, braced := range inBraces.FindAllString(r.Path, -1) {
		names = append(names, strings.Trim(braced, "{}"))
	}
	return names
}

// path is a route's path with the right values, or others.
func (s *scene) path(t *testing.T, r *wire.RouteSpec, others map[string]string) string {
	t.Helper()
	known := s.known()
	known["id"] = s.theirs.ID
	if strings.HasPrefix(r.Path, "/api/groupchats/") {
		known["id"] = s.group.ID
	}
	return inBraces.ReplaceAllStringFunc(r.Path, func(braced string) string {
		name := strings.Trim(braced, "{}")
		if other, ok := others[name]; ok {
			return url.PathEscape(other)
		}
		v, ok := known[name]
		if !ok {
			t.Fatalf("%s: nothing is known of {%s}", r, name)
		}
		return fmt.Sprint(v)
	})
}

// body is the example of a route's body with the right values; empty where it has none.
func (s *scene) body(t *testing.T, r *wire.RouteSpec) string {
	t.Helper()
	if r.Body == reflect.TypeFor[wire.None]() {
		return ""
	}
	return s.example(t, "routes/"+r.Key()+".body.json")
}

func (s *scene) example(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile("../wire/testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if json.Unmarshal(raw, &object) != nil {
		return string(raw) // no object
	}
	for name := range object {
		if v, ok := s.known()[name]; ok {
			object[name] = v
		}
	}
	return asJSON(object)
}

// mayBeAnything reports whether a route answers a question about any text: it says no.
func mayBeAnything(r *wire.RouteSpec) bool {
	return r == wire.GetUsernameCheck.Spec() || r == wire.GetBlockCheck.Spec()
}

// refuses sends a request that must be refused with a status of the client's fault and a body of
// the contract.
func (s *scene) refuses(p *person, bad request) {
	s.t.Helper()
	resp, body, err := s.send(p, bad)
	what := fmt.Sprintf("%s %.100s, where %s,", bad.method, bad.path, bad.what)
	switch {
	case err != nil:
		s.t.Errorf("%s was answered with %v", what, err)
	case resp.StatusCode < 400 || resp.StatusCode >= 500:
		s.t.Errorf("%s answered %d %.200s", what, resp.StatusCode, body)
	case bad.bare && resp.StatusCode == http.StatusRequestHeaderFieldsTooLarge:
	default:
		if err := wire.ValidateAnswer(bad.method, "/api/any", resp.StatusCode, body); err != nil {
			s.t.Errorf("%s: %v", what, err)
		}
	}
}

func (s *scene) send(p *person, q request) (*http.Response, []byte, error) {
	s.t.Helper()
	target, err := url.Parse(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	path, query, _ := strings.Cut(q.path, "?")
	target.Path, target.RawPath, target.RawQuery = unescaped(path), path, query
	req := &http.Request{Method: q.method, URL: target, Header: http.Header{}, Host: target.Host, Body: io.NopCloser(strings.NewReader(q.body)), ContentLength: int64(len(q.body))}
	maps.Copy(req.Header, q.header)
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", "application/json")
	if q.form != "" {
		req.Header.Set("Content-Type", q.form)
	}
	resp, err := s.http.Do(req.WithContext(s.ctx()))
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, million))
	return resp, body, err
}

func unescaped(path string) string {
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}

// refusesEvents sends an event in which one text after the other is something else. Where it is
// acknowledged the acknowledgement says what is wrong.
func (s *scene) refusesEvents(t *testing.T, c *testkit.Conn, e *wire.EventSpec) {
	t.Helper()
	if e.Payload == reflect.TypeFor[wire.Raw]() {
		return // it takes anything
	}
	right := s.example(t, "events/"+e.Key()+".json")
	if !strings.HasPrefix(right, "{") {
		right = "{}"
	}
	bad := spoiled(t, right, e.Payload, 900_000)
	for _, whole := range []string{`[]`, `7`, `null`, `true`, `[[]]`, `"` + strings.Repeat("x", 900_000) + `"`} {
		bad["the payload is "+whole[:min(len(whole), 20)]] = whole
	}
	for what, payload := range bad {
		if e.Ack == reflect.TypeFor[wire.None]() {
			if err := c.Emit(e.Name, wire.Raw(payload)); err != nil {
				t.Fatalf("%s, where %s: %v", e.Name, what, err)
			}
			continue
		}
		got := ask[wire.Failure](s.ann, c, e.Name, wire.Raw(payload))
		if got.Code == "" || got.Message == "" || got.Message != got.Error || got.Code == "INTERNAL_ERROR" {
			t.Errorf("%s, where %s, was acknowledged with %+v", e.Name, what, got)
		}
	}
	ask[wire.Pong](s.ann, c, "ping", struct{}{}) // all of it has been looked at
}
