package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestMasterKeyIsReplacedWhilePeopleRead(t *testing.T) {
	onBothStores(t, func(t *testing.T, h *house) {
		h.opens()
		ann, bob := h.moves("ann"), h.moves("bob")
		ann.writes(bob, "written under the first key")
		h.stops()

		says := h.does("keys", "add")
		fresh := regexp.MustCompile(`(?m)^MESSAGE_ENCRYPTION_KEY=([0-9a-f]{64})$`).FindStringSubmatch(says)
		if fresh == nil || strings.Contains(says, keyOne) {
			t.Fatalf("keys add said:\n%s", says)
		}
		h.vars["MESSAGE_ENCRYPTION_KEY"], h.vars["MESSAGE_ENCRYPTION_KEYS"] = fresh[1], keyOne
		h.opens()
		ann, bob = ann.back(), bob.back()
		if status := h.does("keys", "status"); strings.Contains(status, "it can go") || strings.Contains(status, keyOne) || strings.Contains(status, fresh[1]) {
			t.Errorf("before the rotation the status is:\n%s", status)
		}
		reading := h.readsOn(bob, ann)
		rotated := h.does("keys", "rotate")
		ann.writes(bob, "written under the second key")
		reading()

		if !strings.Contains(rotated, "data keys were wrapped") {
			t.Errorf("keys rotate said %q", rotated)
		}
		if status := h.does("keys", "status"); !strings.Contains(status, "it can go") {
			t.Errorf("after the rotation the status is:\n%s", status)
		}
		h.stops()
		delete(h.vars, "MESSAGE_ENCRYPTION_KEYS")
		h.opens()
		want := []string{"written under the first key", "written under the second key"}
		if got := texts(bob.back().reads(ann)); !slices.Equal(got, want) {
			t.Errorf("with the second key alone bob reads %q, want %q", got, want)
		}
		h.stops()
		h.vars["MESSAGE_ENCRYPTION_KEY"] = keyOne
		h.staysShut("MESSAGE_ENCRYPTION_KEY")
	})
}

// readsOn lets somebody read a thread again and again until the function that it returns is called.
func (h *house) readsOn(who, with *tenant) (end func()) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	n := 0
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			thread, err := who.Thread(h.t.Context(), with.id)
			if err != nil || len(thread) == 0 || thread[0].IsDeleted || thread[0].Content == "" {
				h.t.Errorf("a read gave %d messages and %v", len(thread), err)
				return
			}
			n++
		}
	})
	return func() {
		h.t.Helper()
		close(stop)
		all.Wait()
		if n == 0 {
			h.t.Error("nothing was read meanwhile: the test is blind")
		}
	}
}

func TestServerThatWasNotRestartedRefusesTheRotation(t *testing.T) {
	onBothStores(t, func(t *testing.T, h *house) {
		h.opens()
		ann, bob := h.moves("ann"), h.moves("bob")
		ann.writes(bob, "text")
		h.vars["MESSAGE_ENCRYPTION_KEY"], h.vars["MESSAGE_ENCRYPTION_KEYS"] = keyTwo, keyOne

		code, _, trouble := h.operator("keys", "rotate")

		if code != 1 || !strings.Contains(trouble, "start it with the new key first") {
			t.Errorf("keys rotate ended with %d and said %q", code, trouble)
		}
		if got := texts(bob.reads(ann)); !slices.Equal(got, []string{"text"}) {
			t.Errorf("bob reads %q", got)
		}
	})
}

// The sealing again is killed in the middle and goes on; nobody fails to read anything.
func TestLeakedDataKeyIsReplacedAlsoAcrossAKill(t *testing.T) {
	onBothStores(t, func(t *testing.T, h *house) {
		h.opens()
		ann, bob := h.moves("ann"), h.moves("bob")
		var want []string
		for i := range 400 {
			want = append(want, fmt.Sprint("text ", i))
			ann.writes(bob, want[i])
		}
		reading := h.readsOn(bob, ann)
		says := h.does("keys", "rotate", "--user", "ann")
		if !strings.Contains(says, "new data key") {
			t.Errorf("keys rotate --user said %q", says)
		}
		want = append(want, "written under the new key")
		ann.writes(bob, want[400])
		reading()
		h.eventually("the sealing again begins", func() bool {
			return strings.Contains(h.does("keys", "status"), "was replaced")
		})
		h.server.Kill()

		h.opens()
		ann, bob = ann.back(), bob.back()
		reading = h.readsOn(bob, ann)
		h.eventually("the sealing again ends", func() bool {
			return strings.Contains(h.does("keys", "status"), "after a last look")
		})
		reading()

		if got := texts(bob.reads(ann)); !slices.Equal(got, want) {
			t.Errorf("bob reads %d messages, want the %d that were written", len(got), len(want))
		}
	})
}

func TestWrongAndMissingKeysEndTheStart(t *testing.T) {
	onBothStores(t, func(t *testing.T, h *house) {
		h.opens()
		ann, bob := h.moves("ann"), h.moves("bob")
		ann.writes(bob, "text")
		h.stops()

		h.vars["MESSAGE_ENCRYPTION_KEY"] = keyTwo
		h.staysShut("MESSAGE_ENCRYPTION_KEY", "does not hold master key")
		h.vars["MESSAGE_ENCRYPTION_KEYS"] = keyThree
		h.staysShut("MESSAGE_ENCRYPTION_KEY", "does not hold master key")
		for _, args := range [][]string{{"keys", "rotate"}, {"user", "erase", "ann"}, {"user", "export", "ann", filepath.Join(t.TempDir(), "out")}} {
			if code, _, trouble := h.operator(args...); code != 1 || !strings.Contains(trouble, "does not hold master key") {
				t.Errorf("pryde %s ended with %d and said %q", strings.Join(args, " "), code, trouble)
			}
		}
		h.vars["MESSAGE_ENCRYPTION_KEYS"] = keyOne + "," + keyThree
		h.opens()
		if got := texts(bob.back().reads(ann)); !slices.Equal(got, []string{"text"}) {
			t.Errorf("with the right key among the former ones bob reads %q", got)
		}
		h.stops()
		h.vars["MESSAGE_ENCRYPTION_KEYS"] = "nonsense"
		h.staysShut("MESSAGE_ENCRYPTION_KEYS: ")
	})
}

func TestKeysThatAreGoneOrOlderEndTheStart(t *testing.T) {
	h := newHouse(t, "")
	h.opens()
	ann := h.moves("ann")
	h.stops()
	older := filesUnder(t, filepath.Join(h.dir, "keys"))
	h.opens()
	bob := h.moves("bob")
	bob.writes(ann, "text")
	h.stops()
	newest := filesUnder(t, filepath.Join(h.dir, "keys"))

	h.putKeys(older)
	h.staysShut("an older copy than the data")
	h.putKeys(nil)
	h.staysShut("the key folder holds no keys")
	if h.putKeys(newest); t.Failed() {
		return
	}
	h.opens()
	if got := texts(ann.back().reads(bob)); !slices.Equal(got, []string{"text"}) {
		t.Errorf("with the keys put back ann reads %q", got)
	}
}

// In development the master key is made on the first start. A second one is not made for keys that the
// first one wraps.
func TestLostSecretsOfDevelopmentAreNotMadeAnew(t *testing.T) {
	h := newHouse(t, "")
	delete(h.vars, "MESSAGE_ENCRYPTION_KEY")
	h.opens()
	ann, bob := h.moves("ann"), h.moves("bob")
	ann.writes(bob, "text")
	h.stops()
	secrets := filepath.Join(h.dir, "keys", "secrets.json")
	kept, err := os.ReadFile(secrets)
	if err := errors.Join(err, os.Remove(secrets)); err != nil {
		t.Fatal(err)
	}

	h.staysShut("secrets.json is gone")

	if _, err := os.Stat(secrets); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("secrets.json was made anew (%v)", err)
	}
	if err := os.WriteFile(secrets, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	h.opens()
	if got := texts(bob.back().reads(ann)); !slices.Equal(got, []string{"text"}) {
		t.Errorf("with the secrets put back bob reads %q", got)
	}
}

// putKeys makes the folder of the keys what it was at a time.
func (h *house) putKeys(files map[string][]byte) {
	h.t.Helper()
	dir := filepath.Join(h.dir, "keys")
	if err := os.RemoveAll(dir); err != nil {
		h.t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		h.t.Fatal(err)
	}
	for path, b := range files {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
}

func TestSubcommandsTellWhereNoServerHasWorked(t *testing.T) {
	vars := map[string]string{"DATA_DIR": t.TempDir()}
	for _, args := range []string{"keys rotate", "keys rotate --user ann", "keys status", "user erase ann", "user export ann " + filepath.Join(t.TempDir(), "x")} {
		h := &house{t: t, vars: vars}
		if code, out, trouble := h.operator(strings.Fields(args)...); code != 1 || !strings.Contains(trouble, "no server has worked here") || out != "" {
			t.Errorf("pryde %s ended with %d and said %q", args, code, trouble)
		}
	}
	if left := filesUnder(t, vars["DATA_DIR"]); len(left) > 0 {
		t.Errorf("files were made: %v", left)
	}
	for _, args := range []string{"keys", "keys rotate ann", "keys rotate --user", "keys rotate --user --user", "user erase", "user export ann", "user erase ann bob"} {
		h := &house{t: t, vars: vars}
		if code, _, trouble := h.operator(strings.Fields(args)...); code != 2 || !strings.HasPrefix(trouble, "usage: ") {
			t.Errorf("pryde %s ended with %d and said %q, want the usage", args, code, trouble)
		}
	}
}
