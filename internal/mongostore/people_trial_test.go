package mongostore

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/auth"
	"pryde/internal/people"
	"pryde/internal/wire"
)

// TestTheFormerSystemCanGoOnWithPeople writes during a trial, looks at what the former system
// would find, and reads it again in either form.
func TestTheFormerSystemCanGoOnWithPeople(t *testing.T) {
	d := database(t)
	trial := openWith(t, d, Options{FormerKey: oldKey, Legacy: true})
	want := people.Account{
		ID: user(1), Username: "Ada", DisplayName: "Ada L", PasswordHash: "$2a$12$x", Role: "user",
		Details: people.Details{FullName: "Ada Lovelace", Birthday: "1990-05-04", Pronouns: "she/her", Gender: "woman", Bio: "b", Location: "London"},
	}
	join(t, trial.Store, want)
	join(t, trial.Store, people.Account{ID: user(2), Username: "bob"})
	want.Email, want.Active = "ada@example.com", true

	stored := raw(t, trial.Store, usersName, byID(user(1)))
	for field, want := range map[string]any{
		"username": "Ada", "email": "ada@example.com", "displayName": "Ada L", "password": "$2a$12$x", "fullName": "Ada Lovelace",
		"bio": "b", "location": "London", "gender": "woman", "pronouns": "she/her", "birthday": "1990-05-04T00:00:00.000Z",
	} {
		got := stored[field]
		if field == "gender" || field == "pronouns" || field == "birthday" {
			sealed, _ := got.(string)
			got, _ = oldKey.Unseal(sealed)
		}
		if got != want {
			t.Errorf("%s is stored as %v, want %v", field, got, want)
		}
	}
	if _, there := stored["details"]; there {
		t.Error("details are sealed in our own form too")
	}
	ours := openWith(t, d, Options{FormerKey: oldKey})
	for form, s := range map[string]*opened{"trial": trial, "ours": ours} {
		got, err := s.Account(t.Context(), user(1))
		if err != nil {
			t.Fatal(err)
		}
		differs(t, "account in the form of "+form, got, want)
	}
	// Whoever had details in our form has them in the former one when they change.
	want.Details.Bio = "sealed"
	for _, legacy := range []bool{false, true} {
		s := openWith(t, d, Options{FormerKey: oldKey, Legacy: legacy})
		if done, err := s.SetProfile(t.Context(), want); err != nil || !done {
			t.Fatalf("SetProfile: %t, %v", done, err)
		}
		want.Revision++
		if got, err := s.Account(t.Context(), user(1)); err != nil || got.Details != want.Details {
			t.Errorf("details are %+v, %v", got.Details, err)
		}
	}
	if stored := raw(t, trial.Store, usersName, byID(user(1))); stored["bio"] != "sealed" || stored["details"] != nil {
		t.Errorf("the bio is stored as %v beside %v", stored["bio"], stored["details"])
	}
}

func TestTheFormerSystemCanGoOnWithSessions(t *testing.T) {
	s := openWith(t, database(t), Options{FormerKey: oldKey, Legacy: true})
	join(t, s.Store, people.Account{ID: user(1), Username: "ada"})
	n := aSession(user(1))
	n.Hash = sha256.Sum256([]byte("token"))
	n.Device = auth.Device{UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Address: "192.0.2.1"}
	list := func() (entries []bson.M) {
		t.Helper()
		for _, e := range raw(t, s.Store, usersName, byID(user(1)))["activeSessions"].(bson.A) {
			entries = append(entries, toM(e))
		}
		return entries
	}
	if err := s.CreateSession(t.Context(), n); err != nil {
		t.Fatal(err)
	}

	stored := raw(t, s.Store, sessionsName, bson.D{is("sessionId", n.ID)})
	for field, want := range map[string]any{
		"refreshTokenHash": hex.EncodeToString(n.Hash[:]), "previousRefreshTokenHash": nil, "device": "Desktop", "browser": "Firefox", "os": "Linux",
		"ipAddress": "192.0.2.1", "lastUserAgent": "Firefox | Linux | Desktop", "isActive": true, "revokedAt": nil,
	} {
		if stored[field] != want {
			t.Errorf("%s is stored as %v, want %v", field, stored[field], want)
		}
	}
	if l := list(); len(l) != 1 || l[0]["sessionId"] != n.ID || l[0]["refreshTokenHash"] != stored["refreshTokenHash"] {
		t.Errorf("the account lists %v", l)
	}
	next := n
	next.Generation, next.Previous, next.Hash = 2, n.Hash, sha256.Sum256([]byte("next"))
	if done, err := s.RotateSession(t.Context(), 1, next); err != nil || !done {
		t.Fatalf("RotateSession: %t, %v", done, err)
	}
	if l := list(); l[0]["refreshTokenHash"] != hex.EncodeToString(next.Hash[:]) {
		t.Errorf("after a rotation the account lists %v", l)
	}
	if got, err := s.Session(t.Context(), n.ID); err != nil || got.Hash != next.Hash || got.Previous != n.Hash || got.Device.Address != "192.0.2.1" {
		t.Errorf("the session is %+v, %v", got, err)
	}
	if done, err := s.RevokeSession(t.Context(), n.ID, start); err != nil || !done {
		t.Fatalf("RevokeSession: %t, %v", done, err)
	}
	if l := list(); len(l) != 0 {
		t.Errorf("after its end the account lists %v", l)
	}
	if stored := raw(t, s.Store, sessionsName, bson.D{is("sessionId", n.ID)}); stored["isActive"] != false || stored["revokedAt"] == nil {
		t.Errorf("after its end the session is %v", stored)
	}
}

func toM(v any) bson.M {
	m := bson.M{}
	for _, e := range v.(bson.D) {
		m[e.Key] = e.Value
	}
	return m
}

func TestTheFormerSystemCanGoOnWithTies(t *testing.T) {
	s := openWith(t, database(t), Options{FormerKey: oldKey, Legacy: true})
	for i, name := range []string{"ada", "bob"} {
		join(t, s.Store, people.Account{ID: user(i), Username: name})
	}
	b := people.Block{ID: wire.BlockID(messageID(1)), Blocker: user(0), Blocked: user(1), Reason: "rude", CreatedAt: start}
	if _, _, err := s.AddBlock(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if d := raw(t, s.Store, blocksName, bson.D{}); d["reason"] != "rude" {
		t.Errorf("the reason is stored as %v", d["reason"])
	}
	if got, err := s.Blocks(t.Context(), user(0)); err != nil || len(got) != 1 || got[0] != b {
		t.Errorf("blocks are %+v, %v", got, err)
	}
	lists := func() (following, followers int) {
		t.Helper()
		a, _ := raw(t, s.Store, usersName, byID(user(0)))["following"].(bson.A)
		b, _ := raw(t, s.Store, usersName, byID(user(1)))["followers"].(bson.A)
		return len(a), len(b)
	}
	for range 2 {
		if _, err := s.Follow(t.Context(), user(0), user(1), start); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := lists(); a != 1 || b != 1 {
		t.Errorf("a follow is listed %d and %d times", a, b)
	}
	if _, err := s.Unfollow(t.Context(), user(0), user(1)); err != nil {
		t.Fatal(err)
	}
	if a, b := lists(); a != 0 || b != 0 {
		t.Errorf("after its end a follow is listed %d and %d times", a, b)
	}
}

func TestTheFormerSystemCanGoOnWithASecondFactor(t *testing.T) {
	s := openWith(t, database(t), Options{FormerKey: oldKey, Legacy: true})
	join(t, s.Store, people.Account{ID: user(1), Username: "ada"})
	key, err := s.vault.ServerKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := people.SecondFactor{Secret: "GEZDGNBVGY3TQOJQ", Offered: []string{"AAAAA-BBBBB", "CCCCC-DDDDD"}, Mark: [32]byte{1}}
	code := people.HashBackupCode(key, user(1), "aaaaabbbbb")
	if offered, err := s.OfferSecondFactor(t.Context(), user(1), f, [][32]byte{code}); err != nil || !offered {
		t.Fatalf("offered %t, %v", offered, err)
	}
	f.LastStep = 7

	if done, err := s.EnforceSecondFactor(t.Context(), user(1), f); err != nil || !done {
		t.Fatalf("enforced %t, %v", done, err)
	}

	stored := raw(t, s.Store, usersName, byID(user(1)))
	secret, _ := stored["twoFactorSecret"].(string)
	if text, ok := oldKey.Unseal(secret); !ok || text != f.Secret || stored["twoFactorEnabled"] != true {
		t.Errorf("it is stored as %v", stored)
	}
	if again, err := s.EnforceSecondFactor(t.Context(), user(1), f); err != nil || again {
		t.Errorf("enforced again: %t, %v", again, err)
	}
	for _, want := range []bool{true, false} {
		if spent, err := s.SpendBackupCode(t.Context(), user(1), code); err != nil || spent != want {
			t.Errorf("spent %t, %v; want %t", spent, err, want)
		}
	}
	for step, want := range map[int64]bool{7: false, 8: true} {
		if spent, err := s.SpendStep(t.Context(), user(1), step); err != nil || spent != want {
			t.Errorf("step %d: spent %t, %v; want %t", step, spent, err, want)
		}
	}
	got, err := s.SecondFactor(t.Context(), user(1))
	differs(t, "factor", got, people.SecondFactor{Secret: f.Secret, InForce: true, LastStep: 8, Left: 1})
	if err != nil {
		t.Error(err)
	}
}

// TestNamesThatChangedDuringATrialAreFound lets the former system rename somebody between two
// openings.
func TestNamesThatChangedDuringATrialAreFound(t *testing.T) {
	d := database(t)
	trial := openWith(t, d, Options{FormerKey: oldKey, Legacy: true})
	join(t, trial.Store, people.Account{ID: user(1), Username: "ada", DisplayName: "before"})
	trial.close(t)
	if _, err := d.data.Collection(usersName).UpdateOne(t.Context(), byID(user(1)), set(is("displayName", "After"))); err != nil {
		t.Fatal(err)
	}

	s := openWith(t, d, Options{FormerKey: oldKey})

	for part, want := range map[string]int{"before": 0, "after": 1} {
		if found, err := s.SearchAccounts(t.Context(), part, nil, 9); err != nil || len(found) != want {
			t.Errorf("%s finds %d, %v", part, len(found), err)
		}
	}
	if meta := raw(t, s.Store, stateName, bson.D{is("_id", metaID)}); meta["trial"] != false {
		t.Errorf("a trial goes on: %v", meta["trial"])
	}
}
