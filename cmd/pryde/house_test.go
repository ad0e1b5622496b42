package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/testkit/mongod"
	"pryde/internal/wire"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(suite{mongod.Around(m)})
}

// A suite removes what the tests have built.
type suite struct{ mongod.Suite }

func (s suite) Run() int {
	defer func() { _ = os.RemoveAll(built) }()
	return s.Suite.Run()
}

// built is the folder of the program, where a test has needed it.
var built string

// binary builds the program once for all tests.
var binary = sync.OnceValues(func() (program string, err error) {
	if built, err = os.MkdirTemp("", "pryde-cmd-"); err != nil {
		return "", err
	}
	return testkit.Build{}.Into(context.Background(), built)
})

var keyOne, keyTwo, keyThree = strings.Repeat("11", 32), strings.Repeat("22", 32), strings.Repeat("33", 32)

// A house is the real program on a store, with an operator beside it.
type house struct {
	t      *testing.T
	dir    string
	uri    string // of MongoDB; empty on the embedded store
	vars   map[string]string
	server *testkit.Server // nil while it does not run
}

// onBothStores runs a test on the embedded store and on MongoDB.
func onBothStores(t *testing.T, test func(*testing.T, *house)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newHouse(t, "")) })
	t.Run("mongodb", func(t *testing.T) { test(t, newHouse(t, mongod.Database(t))) })
}

func newHouse(t *testing.T, uri string) *house {
	h := &house{t: t, dir: filepath.Join(t.TempDir(), "data"), uri: uri, vars: map[string]string{
		"JWT_SECRET": strings.Repeat("a", 32), "JWT_REFRESH_SECRET": strings.Repeat("b", 32),
		"MESSAGE_ENCRYPTION_KEY": keyOne, "LOG_LEVEL": "info",
	}}
	h.vars["DATA_DIR"] = h.dir
	if uri != "" {
		h.vars["MONGODB_URI"] = uri
	}
	t.Cleanup(func() {
		if h.server != nil {
			h.server.Kill()
		}
		if t.Failed() && h.server != nil {
			t.Logf("the server printed:\n%s", h.server.Output())
		}
	})
	return h
}

func (h *house) config() testkit.ServerConfig {
	h.t.Helper()
	program, err := binary()
	if err != nil {
		h.t.Fatal(err)
	}
	c := testkit.ServerConfig{Binary: program, DataDir: h.dir}
	for name, value := range h.vars {
		c.Env = append(c.Env, name+"="+value)
	}
	return c
}

// opens starts the server, which must serve.
func (h *house) opens() {
	h.t.Helper()
	s, err := testkit.StartServer(h.t.Context(), h.config())
	if err != nil {
		h.t.Fatal(err)
	}
	if err := s.Active(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	h.server = s
}

// staysShut starts the server, which must end and say why.
func (h *house) staysShut(says ...string) {
	h.t.Helper()
	s, err := testkit.StartServer(h.t.Context(), h.config())
	if err == nil {
		s.Kill()
		h.t.Fatal("the server started")
	}
	if !errors.Is(err, testkit.ErrExited) {
		h.t.Errorf("the server did not end by itself: %v", err)
	}
	for _, want := range says {
		if !strings.Contains(err.Error(), want) {
			h.t.Errorf("the server ended without %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "panic") || h.vars["MESSAGE_ENCRYPTION_KEY"] != "" && strings.Contains(err.Error(), h.vars["MESSAGE_ENCRYPTION_KEY"]) {
		h.t.Errorf("the server ended with %v", err)
	}
}

func (h *house) stops() {
	h.t.Helper()
	if err := h.server.Stop(); err != nil {
		h.t.Fatal(err)
	}
	h.server = nil
}

// operator runs a subcommand and returns its exit code and what it said.
func (h *house) operator(args ...string) (code int, out, trouble string) {
	h.t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(args, h.vars, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// does is operator for what must succeed.
func (h *house) does(args ...string) string {
	h.t.Helper()
	code, out, trouble := h.operator(args...)
	if code != 0 || trouble != "" {
		h.t.Fatalf("pryde %s ended with %d: %s", strings.Join(args, " "), code, trouble)
	}
	return out
}

// A tenant is somebody who writes.
type tenant struct {
	*testkit.REST
	h        *house
	id       id.User
	username string
}

func (h *house) moves(name string) *tenant {
	h.t.Helper()
	rest := &testkit.REST{BaseURL: h.server.BaseURL}
	in, err := rest.SignUp(h.t.Context(), wire.SignUp{
		FullName: name + " Example", Username: name, Email: name + "@example.com", Password: "Correct-Horse-9-" + name, Birthday: "1990-01-01",
	})
	if err != nil {
		h.t.Fatalf("sign up: %v", err)
	}
	return &tenant{rest.As(in.AccessToken), h, in.User.ID, name}
}

// back is the same person at the server that runs now.
func (p *tenant) back() *tenant {
	again := *p
	rest := *p.REST
	rest.BaseURL = p.h.server.BaseURL
	again.REST = &rest
	return &again
}

func (p *tenant) writes(to *tenant, text string) wire.Message {
	p.h.t.Helper()
	m, _, err := p.PostMessage(p.h.t.Context(), wire.PostedMessage{Recipient: to.id, Content: text})
	if err != nil {
		p.h.t.Fatalf("post a message: %v", err)
	}
	return m
}

func (p *tenant) reads(with *tenant) []wire.Message {
	p.h.t.Helper()
	thread, err := p.Thread(p.h.t.Context(), with.id)
	if err != nil {
		p.h.t.Fatalf("read a thread: %v", err)
	}
	return thread
}

// texts are what a thread says.
func texts(thread []wire.Message) []string {
	all := make([]string, len(thread))
	for i, m := range thread {
		all[i] = m.Content
	}
	return all
}

// uploads stores a file and returns its address.
func (p *tenant) uploads(name string, content []byte) string {
	p.h.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write(content)
	}
	if err := errors.Join(err, form.Close()); err != nil {
		p.h.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(p.h.t.Context(), http.MethodPost, p.BaseURL+"/api/upload/chat-attachment", &body)
	if err != nil {
		p.h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Authorization", "Bearer "+p.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.h.t.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		p.h.t.Fatal(err)
	}
	var stored struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal(answer, &stored); err != nil || stored.URL == "" {
		p.h.t.Fatalf("an upload was answered %d %s", resp.StatusCode, answer)
	}
	return stored.URL
}

// eventually polls until something is so.
func (h *house) eventually(what string, so func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !so() {
		if time.Now().After(deadline) {
			h.t.Fatalf("%s: not within a minute", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// filesUnder reads every file below a folder.
func filesUnder(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went meanwhile
		}
		all[path] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func contains(t *testing.T, all map[string][]byte, what []byte) (where []string) {
	t.Helper()
	for path, b := range all {
		if bytes.Contains(b, what) {
			where = append(where, fmt.Sprint(filepath.Base(path)))
		}
	}
	return where
}
