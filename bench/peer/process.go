package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	startTimeout = 10 * time.Second // until a peer takes connections
	startPoll    = 10 * time.Millisecond
)

// Build builds the peer with this name (a folder beside this package) into dir and returns
// the path of the program. The working directory has to be in the module.
func Build(ctx context.Context, name, dir string) (string, error) {
	return BuildPackage(ctx, "pryde/bench/peer/"+name, filepath.Join(dir, name))
}

// BuildPackage builds the program of a package, which stands in this module or in one that it
// requires, and returns its path.
func BuildPackage(ctx context.Context, pkg, program string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, pkg).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return program, nil
}

// A Command says how a peer is run.
type Command struct {
	Path       string
	Args       []string
	Env        []string // NAME=value, beside this program's own
	Processors int      // GOMAXPROCS
	CPUs       string   // those it may run on, as taskset writes them; all where it is empty

	// Address is where the peer will listen, host:port. Where it is empty the peer prints it.
	Address string
}

// A Process is a running peer. Stop ends it.
type Process struct {
	Address string // host:port

	cmd   *exec.Cmd
	stdin io.Closer
}

// Start starts the peer and waits until it takes connections. The peer is killed when ctx
// ends.
func (c Command) Start(ctx context.Context) (*Process, error) {
	p, err := c.start(ctx)
	if err != nil {
		return nil, fmt.Errorf("start peer %s: %w", filepath.Base(c.Path), err)
	}
	return p, nil
}

func (c Command) start(ctx context.Context) (*Process, error) {
	argv := append([]string{c.Path}, c.Args...)
	if c.CPUs != "" {
		argv = append([]string{"taskset", "-c", c.CPUs}, argv...)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(c.Processors)), c.Env...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{Address: c.Address, cmd: cmd, stdin: stdin}
	if err := p.ready(ctx, stdout); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func (p *Process) ready(ctx context.Context, stdout io.Reader) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if p.Address != "" {
		return p.listens(ctx)
	}
	// Killing the peer ends the read.
	stop := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !stop() {
		return fmt.Errorf("no address: %w", errors.Join(err, context.Cause(ctx)))
	}
	p.Address = strings.TrimSpace(line)
	return nil
}

// listens waits until the address takes a connection.
func (p *Process) listens(ctx context.Context) error {
	poll := time.NewTicker(startPoll)
	defer poll.Stop()
	for {
		nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.Address)
		if err == nil {
			return nc.Close()
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("nobody listens: %w", err)
		}
	}
}

// Stop ends the peer at once and waits for it.
func (p *Process) Stop() {
	_ = p.cmd.Process.Kill() // fails only where the process is gone
	_ = p.cmd.Wait()         // it was killed; the status says just that
	_ = p.stdin.Close()
}

// Resident returns the memory of the peer that is in RAM, in bytes.
func (p *Process) Resident() (int64, error) { return residentOf(p.cmd.Process.Pid) }

// Processor returns how much processor time the peer has used, to a hundredth of a second.
func (p *Process) Processor() (time.Duration, error) { return processorOf(p.cmd.Process.Pid) }

// Files returns how many files and sockets the peer has open.
func (p *Process) Files() (int, error) { return filesOf(p.cmd.Process.Pid) }
