package testkit

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// roleVariable makes this test binary play a server.
const roleVariable = "TESTKIT_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

// play serves /readyz and its own environment until SIGTERM; its role says how it ends.
func play(role string) int {
	fmt.Println("I play", role)
	if role == "broken" {
		return 3
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	mux := http.NewServeMux()
	var asked atomic.Int64
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if role == "standby" && asked.Add(1) < 4 {
			fmt.Fprintln(w, "standing by")
		} else {
			fmt.Fprintln(w, "ok")
		}
	})
	mux.HandleFunc("/asked", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, asked.Load()) })
	mux.HandleFunc("/env/{name}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv(r.PathValue("name"))) })
	mux.HandleFunc("/pid", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) })
	go func() { _ = http.ListenAndServe(os.Getenv("HOST")+":"+os.Getenv("PORT"), mux) }()
	<-term
	if role == "unclean" {
		return 4
	}
	return 0
}

func player(t *testing.T, role string) ServerConfig {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return ServerConfig{Binary: self, DataDir: t.TempDir(), Env: []string{roleVariable + "=" + role, "RATE_LIMIT_FACTOR=7"}}
}

func started(t *testing.T, role string) *Server {
	t.Helper()
	s, err := StartServer(t.Context(), player(t, role))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestServerGetsItsEnvironment(t *testing.T) {
	s := started(t, "server")

	for name, want := range map[string]string{
		"HOST": "127.0.0.1", "DATA_DIR": s.config.DataDir, "RATE_LIMIT_FACTOR": "7",
	} {
		if got := fetch(t, s.BaseURL+"/env/"+name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestAServerThatStandsByIsReadyAndNotActive(t *testing.T) {
	s := started(t, "standby")
	if got := fetch(t, s.BaseURL+"/asked"); got != "1" {
		t.Errorf("it was ready after %s questions, want 1", got)
	}

	if err := s.Active(t.Context()); err != nil {
		t.Fatal(err)
	}

	if got := fetch(t, s.BaseURL+"/asked"); got != "4" {
		t.Errorf("it was active after %s questions, want 4", got)
	}
}

func TestServerComesBackOnItsPortAfterAKill(t *testing.T) {
	s := started(t, "server")
	first := fetch(t, s.BaseURL+"/pid")

	s.Kill()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}

	if second := fetch(t, s.BaseURL+"/pid"); second == first {
		t.Errorf("process %s answers before and after the kill", first)
	}
	if got := strings.Count(s.Output(), "I play server"); got != 2 {
		t.Errorf("the output tells of %d starts, want 2", got)
	}
}

func TestStopTellsAnUncleanEnd(t *testing.T) {
	if err := started(t, "server").Stop(); err != nil {
		t.Errorf("a clean end is told as %v", err)
	}
	if err := started(t, "unclean").Stop(); err == nil || !strings.Contains(err.Error(), "exit code 4") {
		t.Errorf("exit code 4 is told as %v", err)
	}
}

func TestStartTellsWhatABrokenServerPrinted(t *testing.T) {
	_, err := StartServer(t.Context(), player(t, "broken"))

	if !errors.Is(err, ErrExited) || !strings.Contains(err.Error(), "I play broken") {
		t.Errorf("error %v, want ErrExited with the output", err)
	}
}

func TestOutputKeepsTheNewest(t *testing.T) {
	var kept tail
	for range 5 {
		if _, err := kept.Write(make([]byte, maxOutput)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(&kept, "the end"); err != nil {
		t.Fatal(err)
	}

	got := kept.String()

	if len(got) > 2*maxOutput+10 || !strings.HasSuffix(got, "the end") {
		t.Errorf("%d bytes are kept, want the newest %d to %d", len(got), maxOutput, 2*maxOutput)
	}
}

func TestBuildTellsWhatTheCompilerSaid(t *testing.T) {
	_, err := Build{Package: "./internal/nothing-here"}.Into(t.Context(), t.TempDir())

	if err == nil || !strings.Contains(err.Error(), "nothing-here") {
		t.Errorf("error %v, want the compiler's", err)
	}
}
