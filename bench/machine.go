package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pryde/bench/sample"
)

// A machine is where and of what the figures were taken.
type machine struct {
	CPUs       int       `json:"cpus"`
	CPU        string    `json:"cpu"`
	Kernel     string    `json:"kernel"`
	Go         string    `json:"go"` // that built the server
	Commit     string    `json:"commit,omitzero"`
	Changed    bool      `json:"changed"` // the tree differs from the commit
	Date       time.Time `json:"date"`
	Load       string    `json:"load"`      // averages over 1, 5 and 15 minutes at the start, the bench not included
	LoadAfter  string    `json:"loadAfter"` // the same at the end, the bench included
	MongoDB    string    `json:"mongodb,omitzero"`
	FileSystem string    `json:"fileSystem"` // of the data
	SyncMillis float64   `json:"syncMs"`     // median of writing and syncing 4 KiB to it
}

func (m machine) String() string {
	commit := m.Commit
	if m.Changed {
		commit += " with changes"
	}
	system := m.Go
	if m.MongoDB != "" {
		system += ", MongoDB " + m.MongoDB
	}
	return fmt.Sprintf("%s, %d x %s, Linux %s, %s, commit %s, load %s before and %s after, data on %s (4 KiB synced in %.2f ms)",
		m.Date.Format(time.DateOnly), m.CPUs, m.CPU, m.Kernel, system, commit, m.Load, m.LoadAfter, m.FileSystem, m.SyncMillis)
}

// describe tells of this machine, with the data in dir.
func describe(dir, binary string) (machine, error) {
	m := machine{CPUs: runtime.NumCPU(), Date: time.Now().UTC().Truncate(time.Second)}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return m, fmt.Errorf("read the server's binary: %w", err)
	}
	m.Go = info.GoVersion
	m.CPU = line("/proc/cpuinfo", "model name")
	m.Kernel = line("/proc/sys/kernel/osrelease", "")
	m.Load = loadAverage()
	if commit, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output(); err == nil { //nolint:noctx // it is local and short
		m.Commit = strings.TrimSpace(string(commit))
		status, err := exec.Command("git", "status", "--porcelain").Output() //nolint:noctx // the same
		m.Changed = err != nil || len(status) > 0
	}
	if m.FileSystem, err = fileSystem(dir); err != nil {
		return m, err
	}
	m.SyncMillis, err = syncTime(dir)
	return m, err
}

// loadAverage returns how many processes were at work, over 1, 5 and 15 minutes.
func loadAverage() string {
	fields := strings.Fields(line("/proc/loadavg", ""))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// line returns the first line of a file of the system that begins with a key, without the
// key; "unknown" where there is none.
func line(path, key string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for l := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(l, key); ok {
			return strings.TrimLeft(strings.TrimSpace(rest), ": \t")
		}
	}
	return "unknown"
}

// fileSystem names what a folder is on: on one that lives in memory a sync costs nothing, and
// the figures of writes mean little.
func fileSystem(dir string) (string, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "", fmt.Errorf("file system of %s: %w", dir, err)
	}
	switch uint32(s.Type) {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4", nil
	case unix.XFS_SUPER_MAGIC:
		return "xfs", nil
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs", nil
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs", nil
	case unix.TMPFS_MAGIC:
		return "tmpfs (memory: a sync costs nothing)", nil
	}
	return fmt.Sprintf("file system %#x", uint32(s.Type)), nil
}

// syncTime returns the median time, in milliseconds, of writing 4 KiB and syncing it.
func syncTime(dir string) (ms float64, err error) {
	const times = 200
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	var took sample.Set
	page := make([]byte, 4<<10)
	for range times {
		begun := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, fmt.Errorf("time a sync: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("time a sync: %w", err)
		}
		took.Add(time.Since(begun))
	}
	return float64(took.Quantile(0.5)) / float64(time.Millisecond), nil
}
