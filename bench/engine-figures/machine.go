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

// A use is what this program had used at some time. Close to 1, the share of the client says
// that the client is what limits a server.
type use struct {
	at        time.Time
	processor time.Duration
}

func startUse() use { return use{time.Now(), ownProcessor()} }

// share returns the share of one processor that this program has used since.
func (u use) share() float64 {
	return (ownProcessor() - u.processor).Seconds() / time.Since(u.at).Seconds()
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
