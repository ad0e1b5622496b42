package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pryde/internal/testkit"
	"pryde/internal/testkit/mongod"
)

func TestTheCommandFindsTheServerAndItsExitCodeIsTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "uri")

	code, err := run([]string{"sh", "-c", `printf %s "$MONGODB_TEST_URI" >"$0"; exit 7`, file})

	if errors.Is(err, mongod.ErrNone) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if code != 7 || err != nil {
		t.Errorf("exit code %d and %v, want 7", code, err)
	}
	uri, err := os.ReadFile(file)
	addr, _, _ := strings.Cut(strings.TrimPrefix(string(uri), "mongodb://"), "/")
	if err != nil || !strings.HasPrefix(addr, "127.0.0.1:") {
		t.Errorf("the command found %q, %v", uri, err)
	}
	if testkit.Listens(t.Context(), addr) {
		t.Error("the server outlives the command")
	}
}
