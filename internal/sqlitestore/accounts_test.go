package sqlitestore

import (
	"bytes"
	"errors"
	"path/filepath"
	"strconv"
	"testing"

	"pryde/internal/id"
	"pryde/internal/people"
)

// TestAccountsOfTheReleaseBeforeAreFound stores an account as a release does that does not know
// the columns of the search.
func TestAccountsOfTheReleaseBeforeAreFound(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.CreateAccount(t.Context(), people.Account{ID: user(1), Username: "alice", Email: "a@example.com", DisplayName: "Ada", Active: true}); err != nil {
		t.Fatal(err)
	}
	s.close(t)
	schema(t, dir, `INSERT INTO users (id, username, username_key, email, display_name, profile_photo, password_hash, role,
		details, active, deleted, banned, created_at)
		SELECT x'0000000000000000000000ff', 'bob', 'bob', 'b@example.com', 'Bobby ÄDA', '', '', 'user', details, 1, 0, 0, 0 FROM users;
		DELETE FROM users WHERE username = 'alice';
		UPDATE users SET id = x'`+user(1).String()+`'`)

	found, err := open(t, dir).SearchAccounts(t.Context(), "äda", nil, 10)

	if err != nil || len(found) != 1 || found[0].Username != "bob" || found[0].PasswordEra != 0 || !found[0].EmailVerified {
		t.Errorf("found %+v, %v", found, err)
	}
}

func TestNamesAreFoldedHoweverManyThereAre(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).close(t)
	many := strconv.Itoa(2*foldBatch + 1)
	schema(t, dir, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < `+many+`)
		INSERT INTO users (id, username, username_key, email, display_name, profile_photo, password_hash, role,
		details, active, deleted, banned) SELECT unhex(printf('%024x', i)), i, i, i, 'Ä' || i, '', '', 'user', x'', 1, 1, 0 FROM n`)
	open(t, dir).close(t)
	c, err := connect(filepath.Join(dir, fileName), true)
	if err != nil {
		t.Fatal(err)
	}

	folded, err := c.number("SELECT count(*) FROM users WHERE display_key = 'ä' || username")

	if err := errors.Join(err, c.close()); err != nil || strconv.FormatInt(folded, 10) != many {
		t.Errorf("%d of %s names were folded, %v", folded, many, err)
	}
}

func TestAnAddressIsVerifiedBesideTheServer(t *testing.T) {
	dir := t.TempDir()
	missing := VerifyEmail(dir, "alice")
	s := open(t, dir)
	if err := s.CreateAccount(t.Context(), people.Account{ID: user(1), Username: "Alice", Email: "a@example.com", Active: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateAccount(t.Context(), people.Account{ID: user(2), Username: "bob", Email: "b@example.com", Active: true}); err != nil {
		t.Fatal(err)
	}

	unknown, done := VerifyEmail(dir, "a@example.com"), VerifyEmail(dir, "aLICE")

	if missing == nil || !errors.Is(unknown, people.ErrNoAccount) || done != nil {
		t.Errorf("without a database %v, of nobody %v, of alice %v", missing, unknown, done)
	}
	for u, want := range map[id.User]bool{user(1): true, user(2): false} {
		if a, err := s.Account(t.Context(), u); err != nil || a.EmailVerified != want {
			t.Errorf("%s is verified: %t, %v", a.Username, a.EmailVerified, err)
		}
	}
}

func TestWhatADeletedPersonToldIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	a := people.Account{ID: user(1), Username: "alice", Email: "canary-of-the-address@example.com", DisplayName: "canary-of-the-name", PasswordHash: "canary-of-the-hash", Active: true}
	if err := s.CreateAccount(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DeleteAccount(t.Context(), user(1), start); err != nil {
		t.Fatal(err)
	}
	s.close(t)

	seen := false
	for path, content := range filesIn(t, dir) {
		seen = seen || bytes.Contains(content, []byte("alice"))
		if bytes.Contains(content, []byte("canary-of-the")) {
			t.Errorf("%s still holds what was deleted", path)
		}
	}
	if !seen {
		t.Error("not even the username was found: the search is blind")
	}
}
