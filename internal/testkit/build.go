package testkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// A Build says how the server's binary is made.
type Build struct {
	Root    string // the folder of the module; where it is empty, the one that the working directory is in
	Package string // ./cmd/pryde where it is empty
	Overlay string // a file for go build -overlay; none where it is empty
	Race    bool   // with the race detector
}

// Into builds the binary into a folder and returns its path. Calling it again for the same
// folder builds only what changed.
func (b Build) Into(ctx context.Context, dir string) (string, error) {
	root := b.Root
	if root == "" {
		var err error
		if root, err = ModuleRoot(); err != nil {
			return "", err
		}
	}
	binary := filepath.Join(dir, "pryde")
	args := []string{"build", "-o", binary}
	if b.Race {
		// SQLite is machine-translated C, which the detector makes 37 times slower instead of 4.
		// Only that one package is left out: with more, the linker may take generic code of the
		// standard library from there, and races are reported that are none.
		args = append(args, "-race", "-gcflags=modernc.org/sqlite/lib=-race=false")
	}
	if b.Overlay != "" {
		args = append(args, "-overlay", b.Overlay)
	}
	pkg := b.Package
	if pkg == "" {
		pkg = "./cmd/pryde"
	}
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Dir = root
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out.Bytes())
	}
	return binary, nil
}

// ModuleRoot returns the folder of the server's module, from any working directory within
// it, nested modules included.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(b, []byte("module pryde\n")) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the module: the working directory is in no folder of it")
		}
		dir = parent
	}
}
