package journalstore_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"pryde/internal/journal"
	"pryde/internal/journalstore"
	"pryde/internal/testkit/mongod"
)

// journalFiles returns what lies in the folder of the journal, by path.
func (h *house) journalFiles() map[string][]byte {
	h.t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// Nothing that people write, and nothing of who writes to whom, lies in the journal.
func TestNothingInTheJournalCanBeRead(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	h.inner.away(true)
	d := draft(1, alice, bob, "canary-of-the-content-1000003")
	d.Attachment = "/files/canary-of-the-attachment-1007922.png"
	d.ClientID = "canary-of-the-client-id-1015841"
	h.send(d)

	files := h.journalFiles()
	size := 0
	for path, b := range files {
		size += len(b)
		for name, secret := range map[string][]byte{
			"content": []byte(d.Content), "attachment": []byte(d.Attachment), "client id": []byte(d.ClientID),
			"sender": alice[:], "recipient": bob[:], "message": d.ID[:], "fingerprint": d.Fingerprint[:],
		} {
			for form, b64 := range map[string][]byte{
				"in the clear": secret, "in hexadecimal": []byte(hex.EncodeToString(secret)),
				"in base64": []byte(base64.RawStdEncoding.EncodeToString(secret)[:len(secret)]),
			} {
				if bytes.Contains(b, b64) {
					t.Errorf("the %s lies %s in %s", name, form, filepath.Base(path))
				}
			}
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(path), info.Mode())
		}
	}
	if size < len(d.Content)+len(d.Attachment) {
		t.Fatalf("the journal has %d bytes", size)
	}
	h.inner.away(false)
	h.drained()
	for path := range h.journalFiles() {
		if filepath.Ext(path) == ".journal" {
			t.Errorf("%s is left when everything is stored", filepath.Base(path))
		}
	}
}

// A record that is damaged is reported, and what is behind it is stored.
func TestADamagedRecordIsReportedAndTheRestStored(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	h.inner.away(true)
	for i := range 5 {
		h.send(draft(i, alice, bob, fmt.Sprint(i)))
	}
	h.close()
	for path, b := range h.journalFiles() {
		if filepath.Ext(path) != ".journal" {
			continue
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	h.open()
	if err := h.Drained(t.Context()); err != nil {
		t.Fatal(err)
	}

	same(t, "what is stored", texts(h.page(h.inner, alice, bob)), []string{"0", "1", "3", "4"})
	if l := h.Status().Losses; len(l) != 1 || l[0].From != 3 || l[0].To != 3 {
		t.Errorf("losses %+v, want the third", l)
	}
}

// A journal that cannot be opened with the keys of the database is not passed over.
func TestARecordThatDoesNotOpenIsAnError(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	h.close()
	h.bounds.Dir = h.dir
	j, err := journal.Open(h.bounds)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append([]byte("not sealed with the key of the server")); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	h.opens = func(o journalstore.Options) {
		s, err := journalstore.New(t.Context(), o)
		if err == nil {
			_ = s.Close() // the test has failed anyway
			t.Fatal("the journal was opened")
		}
		if err := o.Journal.Close(); err != nil {
			t.Error(err)
		}
		if n, _ := o.Journal.Waiting(); n != 1 {
			t.Errorf("%d records wait, want the one", n)
		}
		if err := os.RemoveAll(h.dir); err != nil {
			t.Error(err)
		}
	}
	h.open()
}

func TestADiskThatFailsRefuses(t *testing.T) {
	t.Parallel()
	h := calmHouse(t, mongod.Emptied(t))
	h.inner.away(true)
	h.send(draft(1, alice, bob, "before"))
	// A segment that cannot be begun is a disk that fails: the folder is gone.
	h.inner.away(false)
	h.drained()
	moved := h.dir + ".moved"
	if err := os.Rename(h.dir, moved); err != nil {
		t.Fatal(err)
	}
	h.inner.away(true)

	_, _, err := h.Append(t.Context(), draft(2, alice, bob, "refused"))

	if code(err) != "STORE_UNAVAILABLE" {
		t.Errorf("with a disk that fails: %v, want STORE_UNAVAILABLE", err)
	}
	if n := h.Status().Waiting; n != 0 {
		t.Errorf("%d wait, want none", n)
	}
	if err := os.Rename(moved, h.dir); err != nil {
		t.Fatal(err)
	}
	h.send(draft(2, alice, bob, "after"))
	h.inner.away(false)
	h.drained()
	same(t, "what is stored", texts(h.page(h.inner, alice, bob)), []string{"before", "after"})
}
