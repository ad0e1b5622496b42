package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"pryde/bench/engine-figures/load"
	"pryde/bench/peer"
)

// Names of the systems.
const (
	ours    = "pryde"
	node    = "node"
	library = "library"
)

// The processors of the server and the client.
const (
	serverCPU = "0"
	clientCPU = "1"
	bothCPUs  = "0,1"
)

func systemNames() []string { return []string{ours, node, library} }

// labels are the names for people.
var labels = map[string]string{ours: "pryde", node: "Node socket.io 4.8.4", library: "zishang520 v3.0.5"}

// A system is a kind of server that is compared.
type system struct {
	name string
	// takesAddress is set where the server is told its address and does not choose one.
	takesAddress bool
	token        string
	make         func(ctx context.Context, dir string) (peer.Command, error)

	// tries is how often a connect is made again that got no answer, where answers are not what is
	// measured; 0 where every connect has to be answered.
	tries int

	made    bool
	command peer.Command
}

// systemsOf returns the systems of these names. They are made when they are first started.
func systemsOf(names []string) []*system {
	var systems []*system
	for _, name := range names {
		s := &system{name: name, token: peer.Token}
		switch name {
		case ours:
			s.token, s.takesAddress = "good", true
			s.make = func(ctx context.Context, dir string) (peer.Command, error) {
				path, err := peer.BuildPackage(ctx, "pryde/internal/socketio/fixture", filepath.Join(dir, "fixture"))
				return peer.Command{Path: path, Args: []string{"-mode", "app"}}, err
			}
		case node:
			s.make = func(ctx context.Context, _ string) (peer.Command, error) {
				command, err := peer.Node(ctx)
				command.Env = []string{"NODE_ENV=production"}
				return command, err
			}
		case library:
			s.tries = 5
			s.make = func(ctx context.Context, dir string) (peer.Command, error) {
				path, err := peer.Build(ctx, "zishang", dir)
				return peer.Command{Path: path}, err
			}
		}
		systems = append(systems, s)
	}
	return systems
}

// A served is a running server and the client that loads it.
type served struct {
	*peer.Process
	*load.Loop
	tries int // see system
}

// start starts a server on so many processors, and a client for it, which may stay on
// polling. The caller closes it.
func (b *bench) start(ctx context.Context, s *system, processors int, polling bool) (*served, error) {
	if !s.made {
		command, err := s.make(ctx, b.tmp)
		if err != nil {
			return nil, err
		}
		s.made, s.command = true, command
	}
	command := s.command
	command.Processors = processors
	command.CPUs = cpus(processors)
	if s.takesAddress {
		address, err := freeAddress(ctx)
		if err != nil {
			return nil, err
		}
		command.Address = address
		command.Args = append([]string{"-addr", address}, command.Args...)
	}
	p, err := command.Start(ctx)
	if err != nil {
		return nil, err
	}
	server, err := client(p, load.Target{Tokens: []string{s.token}, Polling: polling})
	if err != nil {
		return nil, err
	}
	server.tries = s.tries
	server.Busy = processors == 1 && os.Getenv(pinned) != ""
	return server, nil
}

// cpus returns where a server on so many processors runs: anywhere, where the client was not
// given a processor of its own either.
func cpus(processors int) string {
	switch {
	case os.Getenv(pinned) == "":
		return ""
	case processors == 1:
		return serverCPU
	default:
		return bothCPUs
	}
}

// client makes a client for a running server, which is stopped where that fails.
func client(p *peer.Process, t load.Target) (*served, error) {
	var err error
	if t.Address, err = netip.ParseAddrPort(p.Address); err != nil {
		p.Stop()
		return nil, fmt.Errorf("address of the server: %w", err)
	}
	l, err := load.New(t)
	if err != nil {
		p.Stop()
		return nil, err
	}
	return &served{Process: p, Loop: l}, nil
}

func (s *served) close() {
	s.Loop.Close()
	s.Stop()
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
