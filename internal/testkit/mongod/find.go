package mongod

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"pryde/internal/testkit"
)

// ErrNone is in the chain of the error where no mongod can be had; the error says why.
var ErrNone = errors.New("there is no mongod")

// findTimeout is enough to fetch one.
const findTimeout = 5 * time.Minute

// Find returns the path of a mongod as scripts/mongod.sh finds it: the one that the variable
// MONGOD names, else one on the PATH, else one that is fetched into the user's cache folder. It
// looks once; later calls return the same. It is safe for concurrent use.
func Find() (string, error) { return find() }

var find = sync.OnceValues(func() (string, error) {
	root, err := testkit.ModuleRoot()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
	defer cancel()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(root, "scripts", "mongod.sh"))
	cmd.Env = append(os.Environ(), "MONGOD="+os.Getenv("MONGOD")) // read here, so that the test cache sees it
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %w\n%s", ErrNone, err, said.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
})
