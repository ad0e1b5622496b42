package sqlitestore

import (
	"bytes"
	"testing"

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
		SELECT x'0000000000000000000000ff', 'bob', 'bob', 'b@example.com', 'Bobby ADA', '', '', 'user', details, 1, 0, 0, 0 FROM users;
		DELETE FROM users WHERE username = 'alice';
		UPDATE users SET id = x'`+user(1).String()+`'`)

	found, err := open(t, dir).SearchAccounts(t.Context(), "ada", nil, 10)

	if err != nil || len(found) != 1 || found[0].Username != "bob" || found[0].PasswordEra != 0 {
		t.Errorf("found %+v, %v", found, err)
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
	for path, content := range files(t, dir) {
		seen = seen || bytes.Contains(content, []byte("alice"))
		if bytes.Contains(content, []byte("canary-of-the")) {
			t.Errorf("%s still holds what was deleted", path)
		}
	}
	if !seen {
		t.Error("not even the username was found: the search is blind")
	}
}
