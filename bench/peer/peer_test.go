package peer_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pryde/bench/engine-figures/load"
	"pryde/bench/peer"
)

// peers are the servers that do the same.
var peers = []struct {
	name, token string
	command     func(t *testing.T) peer.Command
}{
	{"fixture", "good", func(t *testing.T) peer.Command {
		program := filepath.Join(t.TempDir(), "fixture")
		path, err := peer.BuildPackage(t.Context(), "pryde/internal/socketio/fixture", program)
		if err != nil {
			t.Fatal(err)
		}
		address := freeAddress(t)
		return peer.Command{Path: path, Args: []string{"-mode", "app", "-addr", address}, Address: address}
	}},
	{"zishang", peer.Token, func(t *testing.T) peer.Command {
		path, err := peer.Build(t.Context(), "zishang", t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return peer.Command{Path: path}
	}},
	{"node", peer.Token, func(t *testing.T) peer.Command {
		command, err := peer.Node(t.Context())
		if errors.Is(err, peer.ErrNoNode) && os.Getenv("CI") == "" {
			t.Skip("THERE IS NO NODE AND NPM HERE: THE PEER ON THE REFERENCE WAS NOT TRIED")
		}
		if err != nil {
			t.Fatal(err)
		}
		return command
	}},
}

func TestPeersDoTheSame(t *testing.T) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			process := start(t, ctx, p.command(t))
			l := client(t, process, p.token)
			var heard []string
			l.OnPacket = func(_ *load.Conn, packet []byte) { heard = append(heard, string(packet)) }
			conns := connect(t, ctx, l, 3)

			say := func(c *load.Conn, packet string, want ...string) {
				t.Helper()
				heard = nil
				l.Send(c, []byte(packet))
				err := l.While(ctx, time.Now().Add(10*time.Second), func() bool { return len(heard) < len(want) })
				slices.Sort(heard)
				if err != nil || !slices.Equal(heard, want) {
					t.Errorf("%s: heard %q (%v), want %q", packet, heard, err, want)
				}
			}
			say(conns[0], `21["echo",{"content":"x","n":1}]`, `31[{"content":"x","n":1}]`)
			say(conns[0], `20["join","room"]`, `30[]`)
			say(conns[1], `20["join","room"]`, `30[]`)
			say(conns[2], `2["bcast","room",7,{"a":1}]`, `2["msg",7,{"a":1}]`, `2["msg",7,{"a":1}]`)
			say(conns[2], `25["bcast","other",7]`, `35[]`)

			refused, err := client(t, process, "wrong").Connect(ctx, 1, 1, 10*time.Second)
			if err != nil || refused.Failed != 1 || !strings.Contains(refused.Err.Error(), "unauthorized") {
				t.Errorf("a wrong token: %d refused (%v), %v", refused.Failed, refused.Err, err)
			}
			checkUse(t, ctx, process)
		})
	}
}

// checkUse compares what a peer tells of itself with what the system tells.
func checkUse(t *testing.T, ctx context.Context, p *peer.Process) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Address+"/stats", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var told peer.Stats
	if err := json.NewDecoder(resp.Body).Decode(&told); err != nil {
		t.Fatal(err)
	}
	resident, err1 := p.Resident()
	processor, err2 := p.Processor()
	files, err3 := p.Files()
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}

	if mine := resident >> 10; told.ResidentKB < mine/2 || told.ResidentKB > mine*2 {
		t.Errorf("the peer tells of %d KiB, the system of %d", told.ResidentKB, mine)
	}
	if mine := processor.Microseconds(); told.ProcessorMicro < mine/2-20_000 || told.ProcessorMicro > mine+20_000 {
		t.Errorf("the peer tells of %d µs of processor, the system of %d", told.ProcessorMicro, mine)
	}
	if files < 4 {
		t.Errorf("the peer has %d open files, with three clients", files)
	}
}

func start(t *testing.T, ctx context.Context, c peer.Command) *peer.Process {
	t.Helper()
	c.Processors = 1
	p, err := c.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func client(t *testing.T, p *peer.Process, token string) *load.Loop {
	t.Helper()
	l, err := load.New(load.Target{Address: netip.MustParseAddrPort(p.Address), Tokens: []string{token}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func connect(t *testing.T, ctx context.Context, l *load.Loop, n int) []*load.Conn {
	t.Helper()
	r, err := l.Connect(ctx, n, n, 10*time.Second)
	if err := errors.Join(err, r.All()); err != nil {
		t.Fatal(err)
	}
	return r.Conns
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
