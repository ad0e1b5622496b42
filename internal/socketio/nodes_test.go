package socketio_test

import (
	"context"
	"fmt"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pryde/internal/socketio"
)

// patience bounds every wait of a test for something that should come.
const patience = 10 * time.Second

// An order is what one node tells another, in a form that could be sent.
type order struct {
	kind     string
	to       socketio.Target
	frames   [][]byte
	volatile bool
	closing  bool
	answers  chan<- answers // of an ask
}

type answers struct {
	given   map[string]socketio.Answer
	missing []string
}

// A node is an Adapter for two nodes, whose network is a channel each way.
type node struct {
	socketio.Adapter
	other chan<- order
}

func (n *node) Broadcast(to socketio.Target, frames []socketio.Frame, volatile bool) {
	n.other <- order{kind: "broadcast", to: to, frames: encoded(frames), volatile: volatile}
	n.Adapter.Broadcast(to, frames, volatile)
}

func (n *node) Disconnect(to socketio.Target, closing bool) {
	n.other <- order{kind: "disconnect", to: to, closing: closing}
	n.Adapter.Disconnect(to, closing)
}

func (n *node) Ask(ctx context.Context, to socketio.Target, f socketio.Frame) (map[string]socketio.Answer, []string) {
	theirs := make(chan answers, 1)
	n.other <- order{kind: "ask", to: to, frames: encoded([]socketio.Frame{f}), answers: theirs}
	given, missing := n.Adapter.Ask(ctx, to, f)
	select {
	case a := <-theirs:
		maps.Copy(given, a.given)
		missing = append(missing, a.missing...)
	case <-ctx.Done():
	}
	return given, missing
}

func encoded(frames []socketio.Frame) [][]byte {
	var all [][]byte
	for _, f := range frames {
		b, _ := f.AppendBinary(nil) // it never fails
		all = append(all, b)
	}
	return all
}

// serve does what the other node orders.
func (n *node) serve(t *testing.T, orders <-chan order) {
	for o := range orders {
		var frames []socketio.Frame
		for _, b := range o.frames {
			f, err := socketio.ParseFrame(b)
			if err != nil {
				t.Error(err)
			}
			frames = append(frames, f)
		}
		switch o.kind {
		case "broadcast":
			n.Adapter.Broadcast(o.to, frames, o.volatile)
		case "disconnect":
			n.Adapter.Disconnect(o.to, o.closing)
		case "ask":
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			given, missing := n.Adapter.Ask(ctx, o.to, frames[0])
			cancel()
			o.answers <- answers{given, missing}
		}
	}
}

// hall puts every socket into a room.
type hall struct{}

func (hall) Admit(context.Context, socketio.Handshake) (socketio.Admission, error) {
	return socketio.Admission{}, nil
}
func (hall) Connected(_ context.Context, s *socketio.Socket) {
	s.Join("hall")
	s.Emit(socketio.NewFrame("ready"))
}
func (hall) Event(context.Context, *socketio.Socket, *socketio.Event) {}
func (hall) Disconnected(*socketio.Socket, socketio.Reason)           {}

// cluster starts two servers that are one to their clients.
func cluster(t *testing.T) (servers [2]*socketio.Server, urls [2]string) {
	t.Helper()
	networks := [2]chan order{make(chan order, 64), make(chan order, 64)}
	var nodes [2]*node
	var serving sync.WaitGroup
	for i := range 2 {
		around := func(_ string, local socketio.Adapter) socketio.Adapter {
			nodes[i] = &node{Adapter: local, other: networks[1-i]}
			return nodes[i]
		}
		servers[i] = socketio.New(socketio.Config{Node: fmt.Sprint("node", i), Adapter: around}, hall{})
		listener := httptest.NewServer(servers[i])
		urls[i] = listener.URL
		serving.Go(func() { nodes[i].serve(t, networks[i]) })
		t.Cleanup(listener.Close)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for i, s := range servers {
			if err := s.Drain(ctx); err != nil {
				t.Errorf("drain: %v", err)
			}
			close(networks[1-i])
		}
		serving.Wait()
	})
	return servers, urls
}

// A guest is a client that has been admitted.
type guest struct {
	t    *testing.T
	conn *websocket.Conn
	id   string
}

var connected = regexp.MustCompile(`^40\{"sid":"(.*)"\}$`)

func visit(t *testing.T, url string) *guest {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	g := &guest{t: t, conn: conn}
	g.read()
	g.send("40")
	sid := connected.FindStringSubmatch(g.read())
	if sid == nil {
		t.Fatal("not admitted")
	}
	g.id = sid[1]
	g.want(`42["ready"]`)
	return g
}

func (g *guest) send(text string) {
	g.t.Helper()
	if err := g.conn.Write(g.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		g.t.Fatal(err)
	}
}

func (g *guest) read() string {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	kind, b, err := g.conn.Read(ctx)
	if err != nil {
		g.t.Fatal(err)
	}
	if kind == websocket.MessageBinary {
		return "binary:" + string(b)
	}
	return string(b)
}

func (g *guest) want(wanted ...string) {
	g.t.Helper()
	for _, want := range wanted {
		if got := g.read(); got != want {
			g.t.Fatalf("received %q, want %q", got, want)
		}
	}
}

func TestAnAdapterMakesTwoNodesOne(t *testing.T) {
	servers, urls := cluster(t)
	guests := []*guest{visit(t, urls[0]), visit(t, urls[1]), visit(t, urls[1])}
	picture, err := socketio.NewBinaryFrame("picture", [][]byte{[]byte("one"), {}}, socketio.Placeholder(1), socketio.Placeholder(0))
	if err != nil {
		t.Fatal(err)
	}

	servers[0].Emit(socketio.In("hall").But(guests[2].id), socketio.NewFrame("hi", []byte("1")), picture)
	servers[1].Emit(socketio.In(guests[0].id), socketio.NewFrame("you"))

	both := []string{`42["hi",1]`, `452-["picture",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, "binary:one", "binary:"}
	guests[0].want(append(both, `42["you"]`)...)
	guests[1].want(both...)

	asked := make(chan answers, 1)
	go func() {
		given, missing := servers[0].Ask(t.Context(), socketio.In("hall"), socketio.NewFrame("who"))
		asked <- answers{given, missing}
	}()
	for i, g := range guests {
		g.want(`421["who"]`)
		if i < 2 {
			g.send(fmt.Sprintf(`431[%d]`, i))
		} else {
			g.send(`41`)
		}
	}
	got := <-asked
	for i, g := range guests[:2] {
		if args := fmt.Sprintf("%s", got.given[g.id].Args); args != fmt.Sprintf("[%d]", i) {
			t.Errorf("%s answered %s", g.id, args)
		}
	}
	if len(got.given) != 2 || !slices.Equal(got.missing, []string{guests[2].id}) {
		t.Errorf("%d answers, missing are %q", len(got.given), got.missing)
	}

	servers[1].Disconnect(socketio.In("hall"), true)
	for _, g := range guests[:2] {
		g.want("41")
	}
}

// logbook is an Adapter that notes when sockets come and go. It calls them, which locks do not
// allow.
type logbook struct {
	socketio.Adapter
	lines chan string
}

func (b *logbook) Enter(s *socketio.Socket) {
	b.lines <- fmt.Sprint("enter ", len(b.Sockets(socketio.In(s.ID()))))
	s.Join("too early")
	b.Adapter.Enter(s)
}

func (b *logbook) Exit(s *socketio.Socket) {
	b.lines <- fmt.Sprint("exit ", len(b.Sockets(socketio.In(s.ID()))))
	s.Disconnect()
	s.Join("too late")
	b.Adapter.Exit(s)
}

func (b *logbook) Connected(ctx context.Context, s *socketio.Socket) {
	b.lines <- fmt.Sprint("connected ", s.Rooms()[1:])
	hall{}.Connected(ctx, s)
}

func (b *logbook) Disconnected(s *socketio.Socket, _ socketio.Reason) {
	b.lines <- fmt.Sprint("disconnected ", s.Rooms())
}

func (*logbook) Event(context.Context, *socketio.Socket, *socketio.Event) {}

func (*logbook) Admit(context.Context, socketio.Handshake) (socketio.Admission, error) {
	return socketio.Admission{}, nil
}

func TestAnAdapterIsToldOfEachSocketWhileNothingIsLocked(t *testing.T) {
	b := &logbook{lines: make(chan string, 16)}
	server := socketio.New(socketio.Config{Adapter: func(_ string, local socketio.Adapter) socketio.Adapter {
		b.Adapter = local
		return b
	}}, b)
	listener := httptest.NewServer(server)
	defer listener.Close()
	g := visit(t, listener.URL)

	g.send("41")

	var got []string
	for len(got) < 4 {
		select {
		case line := <-b.lines:
			got = append(got, line)
		case <-time.After(patience):
			t.Fatalf("only %q", got)
		}
	}
	if want := []string{"enter 0", "connected []", "exit 0", "disconnected []"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := len(server.Sockets("too late")) + server.Count(); n != 0 {
		t.Errorf("%d sockets are known", n)
	}
	_ = g.conn.CloseNow()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := server.Drain(ctx); err != nil {
		t.Error(err)
	}
}
