package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf16"

	"pryde/internal/wire"
)

// TestNothingThatPeopleWriteLiesOpenOnTheDisk plants a canary in everything that is sealed and
// looks for it in every file of the data folder, while the server runs and after it stopped.
func TestNothingThatPeopleWriteLiesOpenOnTheDisk(t *testing.T) {
	w := newWorld(t)
	canaries := []string{"Canary-Full-Name", "Canary-Bio-77", "Canary-Pronouns", "Canary-Identity", "1987-06-05", "Canary-Agent", "Canary-Content-1", "Canary-Edited-2", "/upload/canary-file", password}
	in := form("canary_person")
	in.FullName, in.Bio, in.Pronouns, in.Identity, in.Birthday = canaries[0], canaries[1], canaries[2], canaries[3], canaries[4]
	rest := w.rest()
	rest.Header = map[string][]string{"User-Agent": {canaries[5]}}
	me, err := rest.SignUp(w.ctx(), in)
	if err != nil {
		t.Fatal(err)
	}
	ann := rest.As(me.AccessToken)
	bob := w.signUp()
	m, _, err := ann.PostMessage(w.ctx(), wire.PostedMessage{Recipient: bob.id, Content: canaries[6], Attachment: canaries[8], TempID: "t1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ann.Do(w.ctx(), "PUT", "/api/messages/"+m.ID.String(), wire.EditedContent{Content: canaries[7]}); err != nil {
		t.Fatal(err)
	}

	search(t, w.dir, canaries)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	search(t, w.dir, canaries)
}

// TestTheKeysLieWhereTheyAreTold runs with the keys in a folder of their own: the data folder
// alone is of no use.
func TestTheKeysLieWhereTheyAreTold(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "apart")
	w := start(t, t.TempDir(), map[string]string{"KEYS_DIR": keys})
	w.signUp()
	for _, name := range []string{"keys.db", "secrets.json"} {
		if _, err := os.Stat(filepath.Join(keys, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(w.dir, "keys")); err == nil {
		t.Error("the data folder has keys too")
	}
}

func search(t *testing.T, dir string, canaries []string) {
	t.Helper()
	files, found := 0, false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		found = found || bytes.Contains(raw, []byte("canary_person"))
		for _, canary := range canaries {
			for _, form := range forms(canary) {
				if bytes.Contains(raw, form) {
					t.Errorf("%q lies open in %s", canary, filepath.Base(path))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 3 || !found {
		t.Errorf("%d files searched, the username found: %v; the search looks at the wrong place", files, found)
	}
}

// forms are the ways in which a text may lie in a file.
func forms(s string) [][]byte {
	var wide []byte
	for _, u := range utf16.Encode([]rune(s)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	out := [][]byte{[]byte(s), wide, []byte(hex.EncodeToString([]byte(s)))}
	for shift := range 3 { // base64 depends on where the text begins
		b := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), s...))
		out = append(out, []byte(b[4:len(b)-4]))
	}
	return out
}
