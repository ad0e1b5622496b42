package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/order"
	"pryde/internal/testkit"
	"pryde/internal/testkit/mongod"
	"pryde/internal/wire"
)

// A deployment is processes of the real binary on one database, and two people who talk all the
// while through whichever takes them.
type deployment struct {
	t       *testing.T
	binary  string
	uri     string
	history *testkit.History
	pair    [2]*talker
	done    chan struct{} // closed when nobody begins anything new
	talking sync.WaitGroup

	mu   sync.Mutex
	urls []string
}

// devices is how many clients the two people have together.
const devices = 8

// deploy starts the first process and lets two people talk.
func deploy(t *testing.T, binary, uri string) (*deployment, *testkit.Server) {
	t.Helper()
	d := &deployment{t: t, binary: binary, uri: uri, history: testkit.NewHistory(time.Now), done: make(chan struct{})}
	first := d.start(uri)
	for i := range d.pair {
		rest := &testkit.REST{BaseURL: first.BaseURL}
		in, err := rest.SignUp(d.ctx(), form(fmt.Sprintf("talker_%d", i)))
		if err != nil {
			t.Fatalf("sign up: %v", err)
		}
		d.pair[i] = &talker{deployment: d, id: in.User.ID, token: in.AccessToken}
		d.history.Add(testkit.Entry{Kind: testkit.Joined, User: in.User.ID.String()})
	}
	d.pair[0].peer, d.pair[1].peer = d.pair[1].id, d.pair[0].id
	t.Cleanup(func() {
		d.stopTalking()
		if t.Failed() {
			t.Logf("the first process printed:\n%s", first.Output())
		}
	})
	for i := range devices {
		one := *d.pair[i%2]
		one.name = fmt.Sprintf("device%d", i)
		d.talking.Go(one.talk)
	}
	d.hear(50)
	return d, first
}

// start starts a process and returns when it is ready, active or not.
func (d *deployment) start(uri string) *testkit.Server {
	d.t.Helper()
	s, err := testkit.StartServer(d.ctx(), testkit.ServerConfig{Binary: d.binary, DataDir: d.t.TempDir(), Env: []string{
		"MONGODB_URI=" + uri, "JWT_SECRET=" + strings.Repeat("a", 32), "JWT_REFRESH_SECRET=" + strings.Repeat("b", 32),
		"MESSAGE_ENCRYPTION_KEY=" + strings.Repeat("c", 64), "LOG_LEVEL=info",
	}})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(s.Kill)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.urls = append(d.urls, s.BaseURL)
	return s
}

// ctx bounds one step.
func (d *deployment) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	d.t.Cleanup(cancel)
	return ctx
}

// until polls a condition.
func (d *deployment) until(what string, met func() bool) {
	d.t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for ctx := d.ctx(); !met(); {
		select {
		case <-poll.C:
		case <-ctx.Done():
			d.t.Fatalf("not within two minutes: %s", what)
		}
	}
}

// hear waits until so many more messages are acknowledged.
func (d *deployment) hear(more int) {
	d.t.Helper()
	from := d.history.Count(testkit.Acked)
	d.until("more acknowledgements", func() bool { return d.history.Count(testkit.Acked) >= from+more })
}

// says waits until a process answers /readyz so.
func (d *deployment) says(s *testkit.Server, status int, text string) {
	d.t.Helper()
	var last string
	defer func() {
		if d.t.Failed() {
			d.t.Logf("the last answer was %s; the process printed:\n%s", last, s.Output())
		}
	}()
	d.until(fmt.Sprintf("%d %s", status, text), func() bool {
		got, err := (&testkit.REST{BaseURL: s.BaseURL}).Do(d.ctx(), "GET", "/readyz", nil)
		last = fmt.Sprintf("%d %s %v", got.Status, got.Body, err)
		return err == nil && got.Status == status && strings.Contains(string(got.Body), text)
	})
}

func (d *deployment) stopTalking() {
	select {
	case <-d.done:
	default:
		close(d.done)
	}
	d.talking.Wait()
}

// judge ends the talk, reads what is stored through a process and looks for broken promises.
func (d *deployment) judge(active *testkit.Server) {
	d.t.Helper()
	d.stopTalking()
	numbers := make(map[order.Seq]string)
	for _, one := range d.pair {
		thread, err := (&testkit.REST{BaseURL: active.BaseURL, Token: one.token}).Thread(d.ctx(), one.peer)
		if err != nil {
			d.t.Fatalf("read what is stored: %v", err)
		}
		items := make([]testkit.Item, len(thread))
		for i, m := range thread {
			items[i] = item(m)
			if was := numbers[m.Seq]; was != "" && was != m.Content {
				d.t.Errorf("%s and %s have the number %d", was, m.Content, m.Seq)
			}
			numbers[m.Seq] = m.Content
		}
		d.history.Add(testkit.Entry{Kind: testkit.Stored, User: one.id.String(), Peer: one.peer.String(), Items: items})
	}
	for _, v := range testkit.Check(d.history) {
		d.t.Error(v)
	}
	d.t.Logf("%d messages, %d acknowledgements, %d refusals", len(numbers), d.history.Count(testkit.Acked), d.history.Count(testkit.Refused))
}

func item(m wire.Message) testkit.Item {
	return testkit.Item{
		Message: m.ID.String(), Seq: m.Seq, Sender: m.Sender.ID.String(), Recipient: m.Recipient.ID.String(),
		Tag: m.Content, CreatedAt: m.CreatedAt,
	}
}

// A talker is one client: it keeps a socket open with whoever takes it, and sends one message
// after the other, each until it is acknowledged.
type talker struct {
	*deployment
	name     string
	id, peer id.User
	token    string

	conn       *testkit.Conn
	connection int
	at         int // in urls
}

func (p *talker) talk() {
	defer func() {
		if p.conn != nil {
			p.conn.Close()
		}
	}()
	for n := 1; ; n++ {
		select {
		case <-p.done:
			return
		default:
			p.say(fmt.Sprintf("%s-%05d", p.name, n))
		}
	}
}

// say sends a message until it is acknowledged.
func (p *talker) say(tag string) {
	for ctx := p.ctx(); ctx.Err() == nil; {
		if p.connect() && p.try(tag) {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	p.t.Errorf("nobody acknowledged %s", tag)
}

// connect opens a socket where none lives; the next process is tried after one that refuses.
func (p *talker) connect() bool {
	if p.conn != nil && p.conn.Err() == nil {
		return true
	}
	p.mu.Lock()
	urls := p.urls
	p.mu.Unlock()
	if len(urls) == 0 {
		return false
	}
	url := urls[p.at%len(urls)]
	p.connection++
	connection := p.connection
	dialer := testkit.Dialer{OnEvent: func(e testkit.Event) { p.saw(connection, e) }}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	conn, err := dialer.Dial(ctx, url, p.token)
	if err != nil {
		p.at++
		return false
	}
	p.conn = conn
	p.history.Add(testkit.Entry{Kind: testkit.Connected, Client: p.name, Connection: connection, User: p.id.String()})
	return true
}

func (p *talker) saw(connection int, e testkit.Event) {
	if e.Name != wire.MessageNew.Name() && e.Name != wire.MessageSent.Name() {
		return
	}
	m, err := wire.Decode[wire.Message](e.Payload())
	if err != nil {
		p.t.Errorf("%s heard %s: %v", p.name, e.Name, err)
		return
	}
	seen := item(m)
	seen.Seq = 0
	if offset, err := wire.ParseOffset(e.Offset()); err == nil { // what answers a retry has none
		seen.Seq = offset.Seq
	}
	p.history.Add(testkit.Entry{Kind: testkit.Saw, Client: p.name, Connection: connection, User: p.id.String(), Event: e.Name, Item: seen})
}

// try sends a message once and reports whether it is acknowledged.
func (p *talker) try(tag string) bool {
	e := testkit.Entry{Client: p.name, Connection: p.connection, Attempt: tag}
	tried := e
	tried.Kind, tried.Item = testkit.Tried, testkit.Item{Sender: p.id.String(), Recipient: p.peer.String(), Tag: tag}
	p.history.Add(tried)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	raw, err := p.conn.EmitWithAck(ctx, wire.SendMessage.Name(), wire.NewMessage{RecipientID: p.peer, Content: tag, TempID: tag})
	if err != nil {
		p.conn.Close()
		return false
	}
	var ack struct {
		wire.Sent
		Code string `json:"code"`
	}
	if err := json.Unmarshal(raw, &ack); err != nil {
		p.t.Errorf("the acknowledgement %s: %v", raw, err)
		return false
	}
	if !ack.Success {
		e.Kind, e.Code = testkit.Refused, ack.Code
		p.history.Add(e)
		return false
	}
	e.Kind, e.Message, e.Duplicate = testkit.Acked, ack.MessageID.String(), ack.Duplicate
	p.history.Add(e)
	return true
}

// logged returns when a process logged a line for the first time.
func (d *deployment) logged(s *testkit.Server, msg string) time.Time {
	d.t.Helper()
	var found []string
	d.until("the line "+msg, func() bool {
		found = regexp.MustCompile(`time=(\S+) level=\S+ msg="?` + msg + `"?( |\n)`).FindStringSubmatch(s.Output())
		return found != nil
	})
	at, err := time.Parse(time.RFC3339Nano, found[1])
	if err != nil {
		d.t.Fatal(err)
	}
	return at
}

// took logs how long something took, for docs/operations.md. Other programs on the machine
// decide over it too, so that it is not judged.
func (d *deployment) took(what string, from, to time.Time) {
	d.t.Logf("%s: %s", what, to.Sub(from).Round(time.Millisecond))
}

// TestOneInstanceIsActive runs the real binary, twice at a time.
func TestOneInstanceIsActive(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds and runs the binary")
	}
	onMongoDBAnyway(t)
	mongod.Database(t) // skips without a mongod
	binary, err := testkit.Build{}.Into(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}

	t.Run("a deploy hands over", func(t *testing.T) {
		t.Parallel()
		d, first := deploy(t, binary, mongod.Database(t))
		second := d.start(d.uri)
		d.says(second, http.StatusOK, "ok")
		d.says(first, http.StatusServiceUnavailable, "another instance has taken over")
		d.hear(50)

		d.took("drained", d.logged(first, "another instance takes over"), d.logged(first, "not active any more"))
		d.took("active after the old one had drained", d.logged(first, "not active any more"), d.logged(second, "active"))
		if err := first.Stop(); err != nil {
			t.Error(err)
		}
		d.judge(second)
		if err := second.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Run("the active one dies", func(t *testing.T) {
		t.Parallel()
		d, first := deploy(t, binary, mongod.Database(t))
		died := time.Now()
		first.Kill()
		second := d.start(d.uri)
		d.says(second, http.StatusOK, "ok")
		d.hear(50)

		d.took("active after the old one had died", died, d.logged(second, "active"))
		d.judge(second)
	})
	t.Run("the active one is told to stop", func(t *testing.T) {
		t.Parallel()
		d, first := deploy(t, binary, mongod.Database(t))
		stopped := time.Now()
		if err := first.Stop(); err != nil {
			t.Error(err)
		}
		ended := time.Now()
		second := d.start(d.uri)
		d.says(second, http.StatusOK, "ok")
		d.hear(50)

		d.took("stopped", stopped, ended)
		d.judge(second)
	})
	t.Run("the active one stands still", func(t *testing.T) {
		t.Parallel()
		d, first := deploy(t, binary, mongod.Database(t))
		d.standStill(first)
	})
	t.Run("the active one is cut off", func(t *testing.T) {
		t.Parallel()
		server := mongod.ForTest(t, mongod.Options{})
		proxy, err := testkit.StartProxy(t.Context(), server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Close)
		d, first := deploy(t, binary, mongod.DirectURI(proxy.Addr(), "pryde"))
		cut := time.Now()
		proxy.Cut()
		second := d.start(server.URI("pryde"))
		d.says(second, http.StatusOK, "ok")
		d.hear(50)
		d.says(first, http.StatusServiceUnavailable, "the database cannot be reached")
		if err := proxy.Mend(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.says(first, http.StatusOK, "standing by")

		d.took("active after the old one was cut off", cut, d.logged(second, "active"))
		d.judge(second)
	})
}

// standStill stops the process of the active instance for longer than its lease, and lets it go
// on when another is active.
func (d *deployment) standStill(first *testkit.Server) {
	t := d.t
	idle, err := testkit.Dial(d.ctx(), first.BaseURL, d.pair[0].token)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	stood := time.Now()
	if err := first.Pause(); err != nil {
		t.Fatal(err)
	}
	// What reaches the process while it stands still, it finds when it goes on.
	late := wire.NewMessage{RecipientID: d.pair[1].id, Content: "to one who stands still", TempID: "late"}
	pending, err := idle.Ask(wire.SendMessage.Name(), late)
	if err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	d.urls = nil // nobody waits for an answer of it
	d.mu.Unlock()
	second := d.start(d.uri)
	d.says(second, http.StatusOK, "ok")
	d.hear(50)
	if err := first.Resume(); err != nil {
		t.Fatal(err)
	}

	d.says(first, http.StatusOK, "standing by")
	select {
	case <-idle.Done():
	case <-d.ctx().Done():
		t.Error("the socket of the old one lives on")
	}
	if ack, err := pending.Wait(d.ctx()); err == nil && !strings.Contains(string(ack), `"STANDBY"`) {
		t.Errorf("it answered %s", ack)
	}
	got, err := (&testkit.REST{BaseURL: first.BaseURL, Token: d.pair[0].token}).Do(d.ctx(), "GET", "/api/messages/conversations", nil)
	if err != nil || got.Status != http.StatusServiceUnavailable || !strings.Contains(string(got.Body), `"STANDBY"`) {
		t.Errorf("it answered %d %s, %v", got.Status, got.Body, err)
	}
	d.took("active after the old one stood still", stood, d.logged(second, "active"))
	d.judge(second)
	thread, err := (&testkit.REST{BaseURL: second.BaseURL, Token: d.pair[0].token}).Thread(d.ctx(), d.pair[1].id)
	if err != nil || slices.ContainsFunc(thread, func(m wire.Message) bool { return m.Content == late.Content }) {
		t.Errorf("what the old one was sent meanwhile is stored, %v", err)
	}
}
