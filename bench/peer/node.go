package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNoNode is returned where there is no Node on this machine.
var ErrNoNode = errors.New("no node and npm on this machine")

// Node returns how the peer on the reference implementation is run, after it installed the
// pinned packages where that has not been done. The working directory has to be in the
// module.
func Node(ctx context.Context) (Command, error) { return script(ctx, "node") }

// Former returns how the server of the former design is run, as Node does. It is no peer: it
// takes direct messages, and keeps them in the database that MONGODB_URI names.
func Former(ctx context.Context) (Command, error) {
	return script(ctx, filepath.Join("node", "former"))
}

// script returns how server.mjs in a folder of the module is run.
func script(ctx context.Context, folder string) (Command, error) {
	node, err1 := exec.LookPath("node")
	npm, err2 := exec.LookPath("npm")
	if err := errors.Join(err1, err2); err != nil {
		return Command{}, fmt.Errorf("%w: %w", ErrNoNode, err)
	}
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "pryde/bench").Output()
	if err != nil {
		return Command{}, fmt.Errorf("find the module: %w", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), folder)
	if !installed(dir) {
		cmd := exec.CommandContext(ctx, npm, "ci", "--no-fund", "--no-audit")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return Command{}, fmt.Errorf("npm ci: %w\n%s", err, out)
		}
	}
	return Command{Path: node, Args: []string{filepath.Join(dir, "server.mjs")}}, nil
}

// installed reports whether the packages are there and not older than their lock file.
func installed(dir string) bool {
	have, err1 := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	want, err2 := os.Stat(filepath.Join(dir, "package-lock.json"))
	return err1 == nil && err2 == nil && !have.ModTime().Before(want.ModTime())
}
