package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pryde/internal/files"
	"pryde/internal/files/s3"
	"pryde/internal/storetest"
	"pryde/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	accessKey = "test-access-key"
	secretKey = "test-secret-key-of-thirty-two-letters"
	region    = "eu-central-1"
)

// startTimeout is how long a server may take to answer.
const startTimeout = 30 * time.Second

// binary returns the path of an S3-compatible server, and why there is none.
var binary = sync.OnceValues(func() (string, error) {
	root, err := testkit.ModuleRoot()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(context.Background(), filepath.Join(root, "scripts", "s3server.sh"))
	cmd.Env = append(os.Environ(), "S3_SERVER="+os.Getenv("S3_SERVER")) // read here, so that the test cache sees it
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
})

// A server is a real one, whose buckets are folders.
type server struct {
	url string
	dir string
}

// serve starts a server over a folder, which the end of the test ends.
func serve(t testing.TB, dir string) server {
	t.Helper()
	path, err := binary()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("there is no S3-compatible server: %v", err)
		}
		fmt.Fprintln(os.Stderr, "THE OBJECT STORE IS NOT TESTED HERE: there is no S3-compatible server:", err)
		t.Skip(err)
	}
	port, err := testkit.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	var said bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, "--access", accessKey, "--secret", secretKey, "--region", region, "--port", address, "--quiet", "posix", dir)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the server said: %s", said.Bytes())
		}
	})
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(10 * time.Millisecond) {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = c.Close()
			return server{"http://" + address, dir}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not answer: %v", err)
		}
	}
}

// bucket makes an empty bucket.
func (s server) bucket(t testing.TB, name string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(s.dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
}

func (s server) options(bucket string) s3.Options {
	return s3.Options{Endpoint: s.url, Region: region, Bucket: bucket, AccessKey: accessKey, SecretKey: secretKey}
}

func (s server) open(t testing.TB, bucket string) *s3.Bucket {
	t.Helper()
	b, err := s3.Open(t.Context(), s.options(bucket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestBucketKeepsItsPromises(t *testing.T) {
	s := serve(t, t.TempDir())
	n := 0
	storetest.Objects(t, func(t *testing.T) files.Objects {
		n++
		name := fmt.Sprintf("bucket-%d", n)
		s.bucket(t, name)
		return s.open(t, name)
	})
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	s := serve(t, t.TempDir())
	s.bucket(t, "there")
	for what, change := range map[string]func(*s3.Options){
		"no address":       func(o *s3.Options) { o.Endpoint = "nowhere" },
		"another bucket":   func(o *s3.Options) { o.Bucket = "not-there" },
		"a wrong key":      func(o *s3.Options) { o.SecretKey = "wrong" },
		"nobody's key":     func(o *s3.Options) { o.AccessKey = "nobody" },
		"nobody listening": func(o *s3.Options) { o.Endpoint = "http://127.0.0.1:1" },
	} {
		o := s.options("there")
		change(&o)
		b, err := s3.Open(t.Context(), o)
		if err == nil {
			_ = b.Close()
			t.Errorf("%s: it opens", what)
			continue
		}
		if strings.Contains(err.Error(), o.SecretKey) {
			t.Errorf("%s: the error repeats the key", what)
		}
	}
}

func TestAFullStoreIsSaid(t *testing.T) {
	for what, answer := range map[string]func(http.ResponseWriter){
		"507": func(w http.ResponseWriter) { w.WriteHeader(http.StatusInsufficientStorage) },
		"a quota": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`<Error><Code>QuotaExceeded</Code><Message>no room</Message></Error>`))
		},
	} {
		gate := &testServer{}
		url := gate.start(t)
		b, err := s3.Open(t.Context(), s3.Options{Endpoint: url, Region: region, Bucket: "bucket", AccessKey: accessKey, SecretKey: secretKey})
		if err != nil {
			t.Fatal(err)
		}
		gate.set(answer)

		if err := b.Put(t.Context(), "a", bytes.NewReader([]byte("x")), 1); !errors.Is(err, files.ErrNoSpace) {
			t.Errorf("%s: %v, want ErrNoSpace", what, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}
