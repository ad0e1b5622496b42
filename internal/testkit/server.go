package testkit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	readyTimeout = 30 * time.Second
	readyPoll    = 20 * time.Millisecond
	stopTimeout  = 20 * time.Second
	maxOutput    = 1 << 20 // bytes of the newest output that are kept at least
	maxLastWords = 4 << 10 // bytes of output in an error
)

// ErrExited is in the chain of the error of a server that ended before it was ready.
var ErrExited = errors.New("the server ended by itself")

// A ServerConfig says how a server is started.
type ServerConfig struct {
	Binary  string    // made by Build
	DataDir string    // DATA_DIR
	Env     []string  // further variables, NAME=value; they win over the others
	Output  io.Writer // gets everything that the server prints, beside what Output keeps; may be nil
	// Patience is how long the server may take to be ready, and active; 30 seconds where it is zero.
	Patience time.Duration
}

// A Server is the real binary as a child process on 127.0.0.1. Its methods are for one
// goroutine, but for Kill, Exited and Output.
type Server struct {
	BaseURL string // http://127.0.0.1:port; the same after a restart

	config ServerConfig
	port   int
	output tail

	mu  sync.Mutex
	cmd *exec.Cmd
	end chan struct{} // closed once the process is gone and reaped
}

// StartServer starts a server on a free port and returns when it is ready. The caller ends
// it with Stop or Kill.
func StartServer(ctx context.Context, c ServerConfig) (*Server, error) {
	port, err := FreePort(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{BaseURL: "http://127.0.0.1:" + strconv.Itoa(port), config: c, port: port}
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Start starts the server again, on the same port and data, after it was stopped or killed,
// and returns when it is ready. A server that does not get ready in time is killed.
func (s *Server) Start(ctx context.Context) error {
	cmd := exec.Command(s.config.Binary) //nolint:noctx // Kill and Stop end it; a context would do so behind their back
	cmd.Env = append(os.Environ(),
		"HOST=127.0.0.1", "PORT="+strconv.Itoa(s.port), "DATA_DIR="+s.config.DataDir, "RATE_LIMIT_FACTOR=1000")
	cmd.Env = append(cmd.Env, s.config.Env...)
	cmd.WaitDelay = time.Second
	var out io.Writer = &s.output
	if s.config.Output != nil {
		out = io.MultiWriter(&s.output, s.config.Output)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	end := make(chan struct{})
	go func() {
		defer close(end)
		_ = cmd.Wait() // how it ended is in ProcessState
	}()
	s.mu.Lock()
	s.cmd, s.end = cmd, end
	s.mu.Unlock()
	if err := s.ready(ctx, end); err != nil {
		s.Kill()
		return fmt.Errorf("start the server: %w; it printed:\n%s", err, s.lastWords())
	}
	return nil
}

// Active waits until the server serves people: one on MongoDB may be ready and stand by.
func (s *Server) Active(ctx context.Context) error {
	_, end := s.process()
	if err := s.says(ctx, end, func(answer string) bool { return answer == "ok\n" }); err != nil {
		return fmt.Errorf("wait for the server to serve: %w; it printed:\n%s", err, s.lastWords())
	}
	return nil
}

func (s *Server) ready(ctx context.Context, end <-chan struct{}) error {
	return s.says(ctx, end, func(string) bool { return true })
}

// says waits until /readyz answers with 200 and what is wanted.
func (s *Server) says(ctx context.Context, end <-chan struct{}, wanted func(string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.config.Patience, readyTimeout))
	defer cancel()
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	for {
		if answer, ok := readiness(ctx, s.BaseURL+"/readyz"); ok && wanted(answer) {
			return nil
		}
		select {
		case <-poll.C:
		case <-end:
			return ErrExited
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", ctx.Err())
		}
	}
}

// readiness returns what is answered, and whether with 200.
func readiness(ctx context.Context, url string) (string, bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", false
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxLastWords))
	return string(b), err == nil && resp.StatusCode == http.StatusOK
}

func (s *Server) process() (*exec.Cmd, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd, s.end
}

// Exited is closed when the process that was started last has ended.
func (s *Server) Exited() <-chan struct{} {
	_, end := s.process()
	return end
}

// Kill ends the process at once (SIGKILL) and returns when it is gone.
func (s *Server) Kill() {
	cmd, end := s.process()
	_ = cmd.Process.Kill() // fails only where the process is gone
	<-end
}

// Stop asks the server to end (SIGTERM) and waits for it. A server that ends with an exit
// code other than 0, or not in time, is an error; the latter is killed.
func (s *Server) Stop() error {
	cmd, end := s.process()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the server: %w", err)
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-end:
	case <-timeout.C:
		s.Kill()
		return fmt.Errorf("stop the server: still there after %s; it printed:\n%s", stopTimeout, s.lastWords())
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("stop the server: exit code %d; it printed:\n%s", code, s.lastWords())
	}
	return nil
}

// Pause stops the process where it stands (SIGSTOP): its connections stay open and nothing answers.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	cmd, _ := s.process()
	if err := cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal the server: %w", err)
	}
	return nil
}

// Output returns the newest part of what the server printed, restarts included.
func (s *Server) Output() string { return s.output.String() }

// lastWords is as much of the output as an error can carry.
func (s *Server) lastWords() string {
	out := s.Output()
	return out[max(0, len(out)-maxLastWords):]
}

// A tail keeps the newest of what is written to it. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	// Half of the buffer goes at once, so that a full one does not move with every line.
	if len(t.kept) > 2*maxOutput {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-maxOutput:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}
