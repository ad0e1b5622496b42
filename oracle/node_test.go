package oracle

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// A nodeParser is the running program that asks the reference parsers. It is safe for
// concurrent use.
type nodeParser struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

// startNode starts the program, and installs its packages where they are not there yet. On a
// machine without Node the test is skipped; where CI is set it fails.
func startNode(t testing.TB) *nodeParser {
	t.Helper()
	node, err1 := exec.LookPath("node")
	npm, err2 := exec.LookPath("npm")
	if err1 != nil || err2 != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("there is no node and npm here: nothing was compared with the reference parsers")
		}
		t.Skip("THERE IS NO NODE AND NPM HERE: NOTHING WAS COMPARED WITH THE REFERENCE PARSERS")
	}
	install(t, npm)
	cmd := exec.Command(node, filepath.Join("npm", "parse.mjs"))
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the reference parsers: %v", err)
		}
	})
	return &nodeParser{in: in, out: bufio.NewReader(out)}
}

// installing keeps tests of one process from installing at once.
var installing sync.Mutex

func install(t testing.TB, npm string) {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	have, err1 := os.Stat(filepath.Join("npm", "node_modules", ".package-lock.json"))
	want, err2 := os.Stat(filepath.Join("npm", "package-lock.json"))
	if err2 != nil {
		t.Fatal(err2)
	}
	if err1 == nil && !have.ModTime().Before(want.ModTime()) {
		return
	}
	cmd := exec.Command(npm, "ci", "--no-fund", "--no-audit")
	cmd.Dir = "npm"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

// ask returns what a parser makes of frames, unless it refuses them. parser is a name that the
// program knows.
func (n *nodeParser) ask(parser string, frames []string, is any) (accepted bool, err error) {
	question, err := json.Marshal(map[string]any{"parser": parser, "frames": frames})
	if err != nil {
		return false, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := n.in.Write(append(question, '\n')); err != nil {
		return false, err
	}
	line, err := n.out.ReadBytes('\n')
	if err != nil {
		return false, err
	}
	answer := struct {
		Accepted bool
		Is       json.RawMessage
	}{}
	if err := json.Unmarshal(line, &answer); err != nil || !answer.Accepted {
		return false, err
	}
	if err := json.Unmarshal(answer.Is, is); err != nil {
		return false, fmt.Errorf("answer %.200q: %w", line, err)
	}
	return true, nil
}

func textFrame(text string) string    { return "t" + base64.StdEncoding.EncodeToString([]byte(text)) }
func binaryFrame(bytes []byte) string { return "b" + base64.StdEncoding.EncodeToString(bytes) }
