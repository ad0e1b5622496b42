package sqlitestore

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"pryde/internal/auth"
	"pryde/internal/message"
	"pryde/internal/people"
	"pryde/internal/seal"
	"pryde/internal/wire"
)

// disguises are the forms in which a text might lie in a file.
func disguises(text string) map[string][]byte {
	forms := map[string][]byte{
		"utf-8":            []byte(text),
		"hexadecimal":      []byte(hex.EncodeToString([]byte(text))),
		"upper-case hex":   []byte(strings.ToUpper(hex.EncodeToString([]byte(text)))),
		"utf-16le":         nil,
		"utf-16be":         nil,
		"reversed bytes":   nil,
		"escaped for JSON": []byte(strings.ReplaceAll(text, "-", `\u002d`)),
	}
	for _, unit := range utf16.Encode([]rune(text)) {
		forms["utf-16le"] = binary.LittleEndian.AppendUint16(forms["utf-16le"], unit)
		forms["utf-16be"] = binary.BigEndian.AppendUint16(forms["utf-16be"], unit)
	}
	for i := range text {
		forms["reversed bytes"] = append(forms["reversed bytes"], text[len(text)-1-i])
	}
	// What stands before a text shifts its base64; the ends depend on the neighbours.
	for shift := range 3 {
		for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			b := enc.EncodeToString([]byte(strings.Repeat("x", shift) + text))
			forms[fmt.Sprint(name, " ", shift)] = []byte(b[4 : len(b)-3])
		}
	}
	return forms
}

// filesIn reads every file under a folder.
func filesIn(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func plant(t *testing.T, s *Store) (canaries map[string]string, clear string) {
	t.Helper()
	canaries = map[string]string{}
	canary := func(field string) string {
		canaries[field] = fmt.Sprintf("canary-of-the-%s-%x", field, len(canaries)*7919+1_000_003)
		return canaries[field]
	}
	a := people.Account{
		ID: user(1), Username: "alice", Email: "alice@example.com", DisplayName: "planted-in-the-clear", Details: people.Details{
			FullName: canary("full name"), Birthday: canary("birthday"), Nickname: canary("nickname"),
			Pronouns: canary("pronouns"), CustomPronouns: canary("custom pronouns"), Gender: canary("gender"), CustomGender: canary("custom gender"),
			CoverPhoto: canary("cover photo"), Bio: canary("bio"), Location: canary("location"), Website: canary("website"), Identity: canary("identity"),
		},
	}
	if err := s.CreateAccount(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	f := people.SecondFactor{Secret: canary("second factor"), Offered: []string{canary("backup code")}}
	if _, err := s.OfferSecondFactor(t.Context(), user(1), f, [][32]byte{{1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.EnforceSecondFactor(t.Context(), user(1), f); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.AddBlock(t.Context(), people.Block{
		ID: wire.BlockID{1}, Blocker: user(1), Blocked: user(3), Reason: canary("reason of a block"), CreatedAt: start,
	}); err != nil {
		t.Fatal(err)
	}
	session := auth.Session{
		ID: strings.Repeat("ab", 32), User: user(1),
		Device: auth.Device{UserAgent: canary("user agent"), Address: canary("address")},
	}
	if err := s.CreateSession(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, _, err := s.Append(t.Context(), message.Draft{
			ID: messageID(i), Sender: user(1), Recipient: user(2), ClientID: fmt.Sprint(i), At: start,
			Content: canary(fmt.Sprint("content ", i)) + strings.Repeat(" and more", i*1000), Attachment: canary(fmt.Sprint("attachment ", i)),
			Extra: message.Extra{VoiceURL: canary(fmt.Sprint("voice note ", i)), Warning: canary(fmt.Sprint("warning ", i))},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Edit(t.Context(), messageID(1), canary("edited content"), start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.DeleteForAll(t.Context(), messageID(2), start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	draft := message.SavedDraft{Conversation: message.Between(user(1), user(2)), Text: canary("draft"), At: start}
	if err := s.SaveDraft(t.Context(), user(1), draft); err != nil {
		t.Fatal(err)
	}
	return canaries, a.DisplayName
}

func TestNothingSealedLiesInTheClear(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	canaries, clear := plant(t, s.Store)

	live := filesIn(t, dir)
	s.close(t)
	closed := filesIn(t, dir)

	for moment, all := range map[string]map[string][]byte{"while open": live, "after closing": closed} {
		seen := false
		for path, content := range all {
			seen = seen || bytes.Contains(content, []byte(clear))
			for field, text := range canaries {
				for form, b := range disguises(text) {
					if bytes.Contains(content, b) {
						t.Errorf("%s the %s lies in %s as %s", moment, field, path, form)
					}
				}
			}
		}
		if !seen {
			t.Errorf("%s not even a display name was found: the search is blind", moment)
		}
	}
}

func TestWrappedKeysLieInAFileOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	plant(t, s.Store)
	var wrapped [][]byte
	for purpose, owner := range map[seal.Purpose]seal.Owner{seal.PurposePerson: user(1), seal.PurposeServer: {}} {
		k, found, err := s.keys.KeyByOwner(t.Context(), purpose, owner)
		if err != nil || !found {
			t.Fatalf("key of purpose %d: found %v, error %v", purpose, found, err)
		}
		wrapped = append(wrapped, k.Sealed)
	}

	inKeys := 0
	for path, content := range filesIn(t, dir) {
		for _, k := range wrapped {
			switch {
			case !bytes.Contains(content, k):
			case filepath.Base(filepath.Dir(path)) == "keys":
				inKeys++
			default:
				t.Errorf("a wrapped key lies in %s", path)
			}
		}
	}

	if inKeys == 0 {
		t.Error("no wrapped key was found in the key folder: the search is blind")
	}
}

func TestOneKeyIsMadeForManyCallers(t *testing.T) {
	s := open(t, t.TempDir())
	errs := make(chan error, 32)
	for range cap(errs) {
		go func() { errs <- s.vault.Ensure(t.Context(), user(7)) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Errorf("Ensure: %v", err)
		}
	}

	var n int64
	if err := s.keys.readers.with(t.Context(), func(c *conn) (err error) {
		n, err = c.number("SELECT count(*) FROM keys WHERE purpose = ?", int64(seal.PurposePerson))
		return err
	}); err != nil || n != 1 {
		t.Errorf("%d keys were made, want 1 (error %v)", n, err)
	}
}
