package oracle

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/engineio"
)

// A heard is what a session was told by the body of a request of HTTP long-polling.
type heard struct {
	Messages []message
	Ended    bool // the session
}

// A message is the data of one packet of that type.
type message struct {
	Binary bool
	Data   string
}

// A pollServer is the engine, over the door that it has for requests.
type pollServer struct {
	server *engineio.Server

	mu    sync.Mutex
	last  *engineio.Session
	heard heard
}

func newPollServer(t testing.TB) *pollServer {
	t.Helper()
	s := &pollServer{}
	s.server = engineio.New(engineio.Config{Polling: true}, s)
	t.Cleanup(func() {
		s.server.Close()
		if err := s.server.Wait(t.Context()); err != nil && t.Context().Err() == nil {
			t.Errorf("sessions are left: %v", err)
		}
	})
	return s
}

// Opened is the engine's.
func (s *pollServer) Opened(session *engineio.Session, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = session
	s.heard = heard{Messages: []message{}}
}

// Message is the engine's.
func (s *pollServer) Message(_ *engineio.Session, data []byte, binary bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard.Messages = append(s.heard.Messages, message{binary, string(data)})
}

// Closed is the engine's.
func (s *pollServer) Closed(*engineio.Session, engineio.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard.Ended = true
}

// open returns a new session.
func (s *pollServer) open(t testing.TB) *engineio.Session {
	t.Helper()
	status, body := s.request(t, http.MethodGet, "", "")
	s.mu.Lock()
	defer s.mu.Unlock()
	if status != http.StatusOK || s.last == nil || !strings.Contains(body, s.last.ID()) {
		t.Fatalf("the handshake was answered %d %q", status, body)
	}
	return s.last
}

// request makes a request for a session; without an id it opens one.
func (s *pollServer) request(t testing.TB, method, id, body string) (int, string) {
	t.Helper()
	url := "/socket.io/?EIO=4&transport=polling"
	if id != "" {
		url += "&sid=" + id
	}
	r := httptest.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// post returns what a new session makes of a payload, and whether it accepts it.
func (s *pollServer) post(t testing.TB, payload string) (h heard, accepted bool) {
	t.Helper()
	session := s.open(t)
	status, _ := s.request(t, http.MethodPost, session.ID(), payload)
	s.mu.Lock()
	h = s.heard
	s.mu.Unlock()
	session.Abort(engineio.ReasonForcedClose)
	return h, status == http.StatusOK
}

// expected returns what the reference server would make of a payload, by the packets that its
// parser finds, and whether it would find nothing wrong with them.
func (n *nodeParser) expected(t testing.TB, payload string) (h heard, accepted bool) {
	t.Helper()
	var packets []struct {
		Type   string
		Text   string
		Binary *string
	}
	isText, err := n.ask("engine", []string{textFrame(payload)}, &packets)
	if err != nil {
		t.Fatalf("%q: %v", payload, err)
	}
	h.Messages = []message{}
	if !isText {
		h.Ended = true
		return h, false
	}
	for _, p := range packets {
		switch {
		case p.Type == "error", p.Type == "ping": // only servers ping
			h.Ended = true
			return h, false
		case p.Type == "close":
			h.Ended = true
			return h, true
		case p.Binary != nil:
			data, err := base64.StdEncoding.DecodeString(*p.Binary)
			if err != nil {
				t.Fatal(err)
			}
			h.Messages = append(h.Messages, message{true, string(data)})
		case p.Type == "message":
			h.Messages = append(h.Messages, message{false, p.Text})
		}
	}
	return h, true
}

// payloadDifferences are those that are meant. In each we refuse the payload at a packet that
// the reference accepts.
var payloadDifferences = []struct {
	name, payload string
	why           string
	covers        func(payload string) bool
}{
	{"base64", "bAQ=ID", "the reference leaves out whatever is not base64, so that the message is not what was sent", oddBase64},
}

func oddBase64(payload string) bool {
	for packet := range strings.SplitSeq(payload, "\x1e") {
		text, binary := strings.CutPrefix(packet, "b")
		if !binary {
			continue
		}
		text = strings.TrimRight(text, "=")
		_, err1 := base64.RawStdEncoding.DecodeString(text)
		_, err2 := base64.RawURLEncoding.DecodeString(text)
		if err1 != nil && err2 != nil {
			return true
		}
	}
	return false
}

var payloads = []string{
	"4", "4hello", "4é😀", "4\ufeffx", "4a\x1e4b", "4a\x1e4", "4\x1e4\x1e4", "4a\x1ebAQID\x1e4c", "b", "bAQ==", "bAQ", "b__-_", "b//+/",
	"bAQID\x1ebBAUG", "3", "3probe", "4a\x1e3\x1e4b", "4a\x1e2\x1e4b", "2", "2probe", "1", "4a\x1e1\x1e4b", "1x", "0", "0{}", "5", "6", "6\x1e4a",
	"", "\x1e", "4a\x1e", "\x1e4a", "4a\x1e\x1e4b", "7", "x", "4a\x1e9\x1e4b", " 4a", "B", "44{}", "4\x00", "4\xff", "\xff", "4a\n4b",
}

func TestPayloadsAreReadAsTheReferenceReadsThem(t *testing.T) {
	node, server := startNode(t), newPollServer(t)
	for _, payload := range payloads {
		if why := disagreeOnPayload(t, node, server, payload); why != "" {
			t.Errorf("%q: %s", payload, why)
		}
	}
}

func TestTheDifferencesOfPayloadsAreThoseThatAreMeant(t *testing.T) {
	node, server := startNode(t), newPollServer(t)
	for _, d := range payloadDifferences {
		_, ours := server.post(t, d.payload)
		_, theirs := node.expected(t, d.payload)
		if ours || !theirs || !d.covers(d.payload) {
			t.Errorf("%s: accepted by us %v and by the reference %v, covered %v", d.name, ours, theirs, d.covers(d.payload))
		}
	}
}

const payloadCorpus = 8_000

func TestRandomPayloadsAreReadAsTheReferenceReadsThem(t *testing.T) {
	node, server := startNode(t), newPollServer(t)
	r := rand.New(rand.NewPCG(5, 6))
	accepted := 0
	for range payloadCorpus {
		payload := randomPayload(r)
		if r.IntN(2) == 0 {
			payload = mutate(r, text(payload)).text
		}
		if why := disagreeOnPayload(t, node, server, payload); why != "" {
			t.Fatalf("%q: %s", payload, why)
		}
		if _, ok := server.post(t, payload); ok {
			accepted++
		}
	}
	if accepted < payloadCorpus/4 || accepted > payloadCorpus*9/10 {
		t.Errorf("%d of %d payloads were accepted; the corpus says little", accepted, payloadCorpus)
	}
}

func randomPayload(r *rand.Rand) string {
	packets := make([]string, 1+r.IntN(4))
	for i := range packets {
		switch r.IntN(12) {
		case 0:
			packets[i] = pick(r, []string{"3", "3probe", "5", "6", "0{}"})
		case 1:
			packets[i] = pick(r, []string{"1", "2", "", "7"})
		case 2, 3:
			encoding := []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding}[r.IntN(3)]
			packets[i] = "b" + encoding.EncodeToString(randomBytes(r))
		default:
			packets[i] = "4" + pick(r, texts)
		}
	}
	return strings.Join(packets, "\x1e")
}

func randomBytes(r *rand.Rand) []byte {
	b := make([]byte, r.IntN(6))
	for i := range b {
		b[i] = byte(r.IntN(256))
	}
	return b
}

func TestPayloadsAreWrittenAsTheReferenceWritesThem(t *testing.T) {
	node, server := startNode(t), newPollServer(t)
	r := rand.New(rand.NewPCG(7, 8))
	for range payloadCorpus / 8 {
		session := server.open(t)
		var frames []string
		for range 1 + r.IntN(5) {
			data := []byte(pick(r, texts))
			m, frame := engineio.Text(data), textFrame(string(data))
			if r.IntN(2) == 0 {
				data = randomBytes(r)
				m, frame = engineio.Binary(data), binaryFrame(data)
			}
			if !session.Send(m) {
				t.Fatal("the session has ended")
			}
			frames = append(frames, frame)
		}
		_, got := server.request(t, http.MethodGet, session.ID(), "")
		session.Abort(engineio.ReasonForcedClose)

		var want string
		if accepted, err := node.ask("encode", frames, &want); err != nil || !accepted {
			t.Fatalf("the reference did not encode: %v", err)
		}
		if got := base64.StdEncoding.EncodeToString([]byte(got)); got != want {
			t.Fatalf("wrote %s, the reference writes %s (in base64)", got, want)
		}
	}
}

// FuzzPayloads compares what a fuzzer finds, and its seeds in every run of the tests.
func FuzzPayloads(f *testing.F) {
	for _, payload := range payloads {
		f.Add(payload)
	}
	node, server := startNode(f), newPollServer(f)
	f.Fuzz(func(t *testing.T, payload string) {
		if why := disagreeOnPayload(t, node, server, payload); why != "" {
			t.Errorf("%q: %s", payload, why)
		}
	})
}

// disagreeOnPayload says how a session differs from one of the reference, unless that is
// meant. What is refused ends a session, but what came before it in the payload counts.
func disagreeOnPayload(t testing.TB, node *nodeParser, server *pollServer, payload string) string {
	t.Helper()
	mine, ours := server.post(t, payload)
	other, theirs := node.expected(t, payload)
	diff := cmp.Diff(other, mine)
	if ours == theirs && diff == "" {
		return ""
	}
	for _, d := range payloadDifferences {
		if !ours && d.covers(payload) {
			return ""
		}
	}
	return fmt.Sprintf("accepted by us %v, by the reference %v (-theirs +ours) %s", ours, theirs, diff)
}
