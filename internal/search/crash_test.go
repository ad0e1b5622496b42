package search_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/search"
)

// crashDirs names the folders of a database to a process that writes into it until it is killed.
const crashDirs = "SEARCH_TEST_CRASH_DIRS"

// crashWriter sends messages, and edits every third one that came before, while indexes of both people
// are made. It says what was acknowledged.
func crashWriter(t *testing.T, dirs string) {
	data, keys, _ := strings.Cut(dirs, "\n")
	w := openWorld(t, data, keys)
	for _, u := range []id.User{alice, bob} {
		w.page(u, search.Query{Text: "x", Limit: 1})
	}
	var last message.Message
	for n := 1; ; n++ {
		m := w.send(alice, bob, fmt.Sprintf("sent%d common", n))
		w.service.Changed(search.Notice{Sender: alice, Recipient: bob})
		fmt.Printf("\nsent %d\n", n)
		if n%3 == 0 {
			w.edit(last.ID, fmt.Sprintf("edited%d common", n-1))
			w.service.Changed(search.Notice{Sender: alice, Recipient: bob, Late: true})
			fmt.Printf("\nedited %d\n", n-1)
		}
		last = m
		if n%64 == 0 {
			w.index(bob, 16)
		}
	}
}

// TestWhatWasAcknowledgedIsFoundAfterACrash kills a process while it writes and makes indexes.
func TestWhatWasAcknowledgedIsFoundAfterACrash(t *testing.T) {
	if dirs := os.Getenv(crashDirs); dirs != "" {
		crashWriter(t, dirs)
		return
	}
	data, keys := t.TempDir(), t.TempDir()
	writer := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWhatWasAcknowledgedIsFoundAfterACrash$", "-test.v")
	writer.Env = append(os.Environ(), crashDirs+"="+data+"\n"+keys)
	out, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	texts := map[int]string{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		what, number, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.Atoi(number)
		if err == nil && (what == "sent" || what == "edited") {
			texts[n] = what + number
		}
		if len(texts) == 700 {
			_ = writer.Process.Kill() // the second time it is gone already
		}
	}
	_ = writer.Wait() // it was killed

	w := openWorld(t, data, keys)
	w.sent = len(texts)
	if len(texts) < 700 || w.segments(bob) < 10 {
		t.Fatalf("%d messages and %d segments before the crash, want 700 and some", len(texts), w.segments(bob))
	}
	for _, when := range []string{"at once", "once the index is up to date"} {
		for _, u := range []id.User{alice, bob} {
			// The last ones may have been edited, which nobody has heard of.
			for n := 1; n < len(texts)-3; n += 7 {
				w.finds(when, u, texts[n], w.nth(n))
			}
			// One more may have been stored than was heard of.
			if got := len(w.find(u, "common", 100)); got < len(texts) || got > len(texts)+1 {
				t.Errorf("%s: %d messages are found, want %d", when, got, len(texts))
			}
			w.index(u, 16)
		}
	}
}
