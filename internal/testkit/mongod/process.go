package mongod

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// stopTimeout is how long a mongod may take to end by itself. Some hang once their data is closed.
const stopTimeout = 5 * time.Second

// maxLastWords is how many bytes of the log an error carries.
const maxLastWords = 4 << 10

// A process is one mongod on its port and data, over its restarts. Its methods are safe for
// concurrent use.
type process struct {
	binary string
	dir    string // data and log
	port   int
	args   []string // beside the usual ones

	mu  sync.Mutex
	cmd *exec.Cmd
	end chan struct{} // closed once the process is gone and reaped
}

// run starts the process, which has ended before.
func (p *process) run() error {
	data := filepath.Join(p.dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	args := []string{
		"--dbpath", data, "--port", strconv.Itoa(p.port), "--bind_ip", "127.0.0.1", "--nounixsocket", "--replSet", setName,
		"--logpath", p.log(), "--logappend", "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64",
		"--setParameter", "enableTestCommands=1", "--setParameter", "diagnosticDataCollectionEnabled=false",
		"--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0",
		// Without it every server takes 300 MB of disk before there is any data.
		"--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=10MB)",
	}
	cmd := exec.Command(p.binary, append(args, p.args...)...) //nolint:noctx // stop and kill end it; a context would do so behind their back
	cmd.SysProcAttr = dieTogether()
	started, end := make(chan error), make(chan struct{})
	go func() {
		defer close(end)
		// The child dies with its thread, which is kept for as long as the child lives.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd, p.end = cmd, end
	return nil
}

func (p *process) log() string { return filepath.Join(p.dir, "mongod.log") }

// lastWords is the end of the log.
func (p *process) lastWords() string {
	b, err := os.ReadFile(p.log())
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-maxLastWords):])
}

// current returns what runs, and a channel that is closed once it has ended.
func (p *process) current() (*os.Process, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process, p.end
}

func (p *process) signal(s syscall.Signal) error {
	running, _ := p.current()
	if err := running.Signal(s); err != nil {
		return fmt.Errorf("signal %s to mongod: %w", s, err)
	}
	return nil
}

// kill ends the process at once and returns when it is gone.
func (p *process) kill() {
	running, end := p.current()
	_ = running.Kill() // fails only where the process is gone
	<-end
}

// stop asks the process to end, and kills it where it does not.
func (p *process) stop() error {
	running, end := p.current()
	for _, s := range []syscall.Signal{syscall.SIGCONT, syscall.SIGTERM} {
		if err := running.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("signal %s to mongod: %w", s, err)
		}
	}
	patience := time.NewTimer(stopTimeout)
	defer patience.Stop()
	select {
	case <-end:
	case <-patience.C:
		p.kill()
	}
	return nil
}
