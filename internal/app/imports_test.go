package app_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "pryde/internal/"

// floors lists the packages from the ground up. A package imports only packages of lower
// floors: those that share a floor do not know each other.
var floors = [][]string{
	{"fault", "order", "lane", "dedup", "limit", "plaintext", "seal", "former", "filelock", "engineio", "metric", "heap"},
	{"id", "socketio", "journal"},
	{"wire"},
	{"auth", "bus"},
	{"message", "people", "presence", "typing", "files", "search", "custody", "retention", "realtime", "httpapi"},
	{"testkit"},
	{"sqlitestore", "mongostore", "journalstore", "files/folder", "files/s3", "export", "storetest", "testkit/mongod", "wire/gen", "socketio/fixture"},
	{"app", "testkit/mongod/with"},
}

// reserved names the only packages that may import what lies outside.
var reserved = map[string][]string{
	"modernc.org/":                       {"sqlitestore"},
	"go.mongodb.org/mongo-driver/":       {"mongostore", "testkit/mongod"},
	"github.com/coder/websocket":         {"testkit"},
	"github.com/gobwas/ws":               {"engineio"},
	"github.com/go-chi/chi/":             {"httpapi"},
	"github.com/golang-jwt/":             {"auth"},
	"github.com/microcosm-cc/bluemonday": {"plaintext"},
	"github.com/caarlos0/env/":           {"app"},
	"golang.org/x/crypto/argon2":         {"people"},
	"golang.org/x/image/":                {"files"},
	"golang.org/x/text/":                 {"search"},
	"github.com/minio/minio-go/":         {"files/s3"},
	"github.com/pquerna/otp":             {"people"},
	"net/http":                           {"httpapi", "engineio", "socketio", "socketio/fixture", "app", "metric", "testkit", "wire", "wire/gen", "files/s3"},
	"database/sql":                       {"sqlitestore"},
}

func TestImportsGoDown(t *testing.T) {
	t.Parallel()
	floor := make(map[string]int)
	for i, names := range floors {
		for _, name := range names {
			floor[name] = i
		}
	}
	// The files are read here, not by "go list", so that the test cache sees them.
	err := filepath.WalkDir("..", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		from := path.Dir(strings.TrimPrefix(filepath.ToSlash(file), "../"))
		at, known := floor[from]
		if !known {
			t.Errorf("%s: package %s has no floor", file, from)
		}
		src, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range src.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if name, ours := strings.CutPrefix(to, module); ours && floor[name] >= at {
				t.Errorf("%s imports %s, which is not below %s", file, name, from)
			}
			for prefix, allowed := range reserved {
				if strings.HasPrefix(to, prefix) && !slices.Contains(allowed, from) {
					t.Errorf("%s imports %s, which is reserved to %v", file, to, allowed)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
