package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// startTimeout bounds the time until a peer prints its address.
const startTimeout = 10 * time.Second

// Build builds the peer with this name (a folder beside this package) into dir and returns
// the path of the program. The working directory has to be in the module.
func Build(ctx context.Context, name, dir string) (string, error) {
	program := filepath.Join(dir, name)
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "pryde/bench/peer/"+name).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build peer %s: %w\n%s", name, err, out)
	}
	return program, nil
}

// A Process is a running peer. Stop ends it.
type Process struct {
	Address string // host:port

	cmd   *exec.Cmd
	stdin io.Closer
}

// Start starts a peer on so many processors and waits for its address. The peer is killed
// when ctx ends.
func Start(ctx context.Context, program string, processors int) (*Process, error) {
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(processors))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start peer: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start peer: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start peer: %w", err)
	}
	p := &Process{cmd: cmd, stdin: stdin}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	// Killing the peer ends the read.
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !stop() {
		p.Stop()
		return nil, fmt.Errorf("start peer: no address: %w", errors.Join(err, context.Cause(ctx)))
	}
	p.Address = strings.TrimSpace(line)
	return p, nil
}

// Stop ends the peer at once and waits for it.
func (p *Process) Stop() {
	_ = p.cmd.Process.Kill() // fails only where the process is gone
	_ = p.cmd.Wait()         // it was killed; the status says just that
	_ = p.stdin.Close()
}

// Resident returns the memory of the peer that is in RAM, in bytes.
func (p *Process) Resident() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("resident memory: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("resident memory: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, errors.New("resident memory: not told by the system")
}

// ticksPerSecond is the unit of processor times in /proc, the same on every Linux.
const ticksPerSecond = 100

// Processor returns how much processor time the peer has used, to a hundredth of a second.
func (p *Process) Processor() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("processor time: %w", err)
	}
	// The name of the program, in brackets, may hold blanks; the fields are counted behind it.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("processor time: not told by the system")
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return 0, fmt.Errorf("processor time: %w", err)
	}
	return time.Duration(user+system) * (time.Second / ticksPerSecond), nil
}
