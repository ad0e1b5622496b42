package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf16"

	"pryde/internal/testkit/mongod"
	"pryde/internal/wire"
)

// TestNothingThatPeopleWriteLiesOpenOnTheDisk plants a canary in everything that is sealed and
// looks for it in every file of the data folder and of MongoDB, while the server runs and after
// it stopped.
func TestNothingThatPeopleWriteLiesOpenOnTheDisk(t *testing.T) {
	t.Parallel()
	dirs, vars, stopStore := []string{t.TempDir()}, map[string]string{}, func() error { return nil }
	if onMongoDB() {
		// Packed texts would not be found.
		db := mongod.ForTest(t, mongod.Options{Args: []string{
			"--wiredTigerCollectionBlockCompressor", "none", "--wiredTigerJournalCompressor", "none", "--wiredTigerIndexPrefixCompression", "false",
		}})
		dirs, vars["MONGODB_URI"], stopStore = append(dirs, db.Dir()), db.URI("canary"), db.Stop
	}
	w := start(t, dirs[0], vars)
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

	search(t, dirs, canaries)
	if err := errors.Join(w.stop(), stopStore()); err != nil {
		t.Fatal(err)
	}
	search(t, dirs, canaries)
}

// TestTheKeysLieWhereTheyAreTold runs with the keys in a folder of their own: the data folder
// alone is of no use.
func TestTheKeysLieWhereTheyAreTold(t *testing.T) {
	t.Parallel()
	embeddedOnly(t)
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

// search looks for canaries in every file of the folders.
func search(t *testing.T, dirs, canaries []string) {
	t.Helper()
	files, found := 0, false
	for _, file := range filesOf(t, dirs) {
		raw, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the database has removed it meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		files++
		found = found || bytes.Contains(raw, []byte("canary_person"))
		for _, canary := range canaries {
			for _, form := range forms(canary) {
				if bytes.Contains(raw, form) {
					t.Errorf("%q lies open in %s", canary, filepath.Base(file))
				}
			}
		}
	}
	if files < 3 || !found {
		t.Errorf("%d files searched, the username found: %v; the search looks at the wrong place", files, found)
	}
}

func filesOf(t *testing.T, dirs []string) []string {
	t.Helper()
	var files []string
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				files = append(files, path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
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
