package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A machine is where and of what the figures were taken.
type machine struct {
	CPUs    int       `json:"cpus"`
	CPU     string    `json:"cpu"`
	Kernel  string    `json:"kernel"`
	Go      string    `json:"go"`
	Node    string    `json:"node"`
	Commit  string    `json:"commit"`
	Changed bool      `json:"changed"` // the tree differs from the commit
	Pinned  bool      `json:"pinned"`  // server and client each had a processor
	Date    time.Time `json:"date"`
	Load    string    `json:"load"` // averages over 1, 5 and 15 minutes at the end, the bench included
}

func (m machine) String() string {
	if m.Changed {
		m.Commit += " with changes"
	}
	place := "server and client share the processors"
	if m.Pinned {
		place = "server and client have a processor each"
	}
	return fmt.Sprintf("%s, %d x %s, Linux %s, %s, Node %s, commit %s, load at the end %s; %s",
		m.Date.Format(time.DateOnly), m.CPUs, m.CPU, m.Kernel, m.Go, m.Node, m.Commit, m.Load, place)
}

// describe tells of this machine. What it does not know is empty.
func describe(ctx context.Context) machine {
	status, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output()
	load := strings.Fields(line("/proc/loadavg", ""))
	return machine{
		CPUs: strings.Count(text("/proc/cpuinfo"), "\nprocessor") + 1, CPU: line("/proc/cpuinfo", "model name"),
		Kernel: line("/proc/sys/kernel/osrelease", ""), Go: runtime.Version(), Node: output(ctx, "node", "--version"),
		Commit: output(ctx, "git", "rev-parse", "--short=12", "HEAD"), Changed: err != nil || len(status) > 0,
		Pinned: os.Getenv(pinned) != "", Date: time.Now().UTC().Truncate(time.Second),
		Load: strings.Join(load[:min(len(load), 3)], " "),
	}
}

// A use is what server and client had used at some time.
type use struct {
	of        *served
	at        time.Time
	server    time.Duration
	own, idle time.Duration
}

// startUse begins to count.
func (s *served) startUse() (use, error) {
	server, err := s.Processor()
	return use{s, time.Now(), server, ownProcessor(), s.Idle()}, err
}

// stop returns the processor time of the server since then, and the share of the time that the
// client had something to do. Close to 1, the share says that the client is what limits the server.
func (u use) stop() (server time.Duration, client float64, err error) {
	wall := time.Since(u.at)
	client = (ownProcessor() - u.own).Seconds() / wall.Seconds()
	if u.of.Busy {
		client = 1 - (u.of.Idle()-u.idle).Seconds()/wall.Seconds()
	}
	server, err = u.of.Processor()
	return server - u.server, client, err
}

func ownProcessor() time.Duration {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r) // it fails on wrong arguments only
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func output(ctx context.Context, name string, args ...string) string {
	out, _ := exec.CommandContext(ctx, name, args...).Output()
	return strings.TrimSpace(string(out))
}

func text(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

// line returns the first line of a file of the system that begins with a key, without it.
func line(path, key string) string {
	for l := range strings.Lines(text(path)) {
		if rest, ok := strings.CutPrefix(l, key); ok {
			return strings.TrimLeft(strings.TrimSpace(rest), ": \t")
		}
	}
	return ""
}
