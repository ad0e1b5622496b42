package mongostore

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/seal"
)

// raw returns a document as it is stored.
func raw(t testing.TB, s *Store, collection string, filter bson.D) (d bson.M) {
	t.Helper()
	if err := s.coll(collection).FindOne(t.Context(), filter).Decode(&d); err != nil {
		t.Fatalf("read a document of %s: %v", collection, err)
	}
	return d
}

func join(t testing.TB, s *Store, a people.Account) {
	t.Helper()
	a.Active, a.Email = true, a.Username+"@example.com"
	if err := s.CreateAccount(t.Context(), a); err != nil {
		t.Fatalf("create %s: %v", a.Username, err)
	}
}

func TestAnAccountComesBackWithItsStanding(t *testing.T) {
	s := open(t)
	for i, want := range []people.Account{
		{Username: "plain"},
		{Username: "suspended", SuspendedUntil: start.Add(time.Hour)},
		{Username: "system", System: true},
		{Username: "shy", ProfileAudience: people.Followers},
		{Username: "private", ProfileAudience: people.NoOne},
	} {
		want.ID, want.Role, want.Active, want.Email = user(i), "user", true, want.Username+"@example.com"
		join(t, s.Store, want)
		got, err := s.Account(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		differs(t, want.Username, got, want)
	}
}

func TestNobodyTakesTheAddressOfADeletedAccount(t *testing.T) {
	s := open(t)
	join(t, s.Store, people.Account{ID: user(1), Username: "alice"})
	thief := people.Account{ID: user(2), Username: "thief", Email: deletedEmail(user(1)), Active: true}

	if err := s.CreateAccount(t.Context(), thief); !errors.Is(err, people.ErrEmailTaken) {
		t.Errorf("CreateAccount gave %v, want ErrEmailTaken", err)
	}
	if _, err := s.DeleteAccount(t.Context(), user(1), start); err != nil {
		t.Errorf("DeleteAccount: %v", err)
	}
}

func TestWhatAnOldAccountToldIsSealedWhenItChanges(t *testing.T) {
	s := oldPeople(t, Options{})
	a, err := s.Account(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	a.Details.Bio, a.DisplayName = "canary", "Ada"

	if done, err := s.SetProfile(t.Context(), a); err != nil || !done {
		t.Fatalf("SetProfile: %t, %v", done, err)
	}

	a.Revision = 1
	got, err := s.Account(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	differs(t, "account", got, a)
	d := raw(t, s.Store, usersName, byID(alice))
	for _, field := range toldFields {
		if _, there := d[field]; there {
			t.Errorf("the field %s is still there", field)
		}
	}
	if _, sealed := d["details"].(bson.Binary); !sealed {
		t.Errorf("details are stored as %T", d["details"])
	}
	if found, err := s.SearchAccounts(t.Context(), "ada", nil, 9); err != nil || len(found) != 1 {
		t.Errorf("the new name finds %v, %v", found, err)
	}
	if done, err := s.SetProfile(t.Context(), got); err != nil || !done {
		t.Errorf("a second change: %t, %v", done, err)
	}
}

// TestADeletedAccountKeepsItsNameAlone deletes accounts of the former system, which kept a lot.
func TestADeletedAccountKeepsItsNameAlone(t *testing.T) {
	s := oldPeople(t, Options{})
	want := append([]string{
		"deletedAt", "displayName", "email", "emailVerified", "isDeleted", "password", "passwordEra", "profilePhoto", "revision", "searchKey",
	}, kept...)
	for i, u := range []id.User{alice, carol, oldtimer} {
		was, err := s.Account(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		name := was.Username

		ended, err := s.DeleteAccount(t.Context(), u, start)

		if err != nil || len(ended) != 1 {
			t.Errorf("%s: ended %v, %v", name, ended, err)
		}
		d := raw(t, s.Store, usersName, byID(u))
		for field := range maps.Keys(d) {
			if !slices.Contains(want, field) {
				t.Errorf("%s keeps %s", name, field)
			}
		}
		for _, field := range []string{"displayName", "password", "profilePhoto"} {
			if d[field] != "" {
				t.Errorf("%s keeps its %s", name, field)
			}
		}
		got, err := s.Account(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		differs(t, name, got, people.Account{
			ID: u, Username: name, Role: was.Role, Active: true, Deleted: true, CreatedAt: was.CreatedAt, PasswordEra: 1, Revision: 1,
		})
		if n, err := s.coll(sessionsName).CountDocuments(t.Context(), bson.D{ofUser(u)}); err != nil || n != 0 {
			t.Errorf("%s has %d sessions left, %v", name, n, err)
		}
		if _, err := s.SecondFactor(t.Context(), u); !errors.Is(err, people.ErrNoSecondFactor) {
			t.Errorf("%s has a second factor: %v", name, err)
		}
		again := people.Account{ID: user(i), Username: "another_" + name, Email: was.Email, Active: true}
		if err := s.CreateAccount(t.Context(), again); err != nil {
			t.Errorf("the address of %s: %v", name, err)
		}
		again.Email, again.Username = "x@example.com", name
		if err := s.CreateAccount(t.Context(), again); !errors.Is(err, people.ErrUsernameTaken) {
			t.Errorf("the name of %s: %v", name, err)
		}
	}
}

// TestOldNamesThatDifferInCaseAlone opens a database with two usernames that would be one here.
func TestOldNamesThatDifferInCaseAlone(t *testing.T) {
	d := database(t)
	var docs []any
	for i, name := range []string{"Zoe", "zoe", "other"} {
		docs = append(docs, bson.D{
			is("_id", bson.ObjectID(user(i))), is("username", name), is("email", name+string(rune('0'+i))+"@example.com"),
			is("displayName", "Ä\n"+name),
		})
	}
	if _, err := d.data.Collection(usersName).InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	for range 2 { // opening it again changes nothing
		s := openWith(t, d, Options{})
		for login, want := range map[string]int{"Zoe": 0, "zoe": 1, "ZOE": 0, "OTHER": 2, "zoe1@example.com": 1} {
			if a, err := s.AccountByLogin(t.Context(), login); err != nil || a.ID != user(want) {
				t.Errorf("%q is %s, %v", login, a.ID, err)
			}
		}
		found, err := s.SearchAccounts(t.Context(), "zoe", nil, 9)
		if err != nil || len(found) != 2 {
			t.Errorf("zoe finds %d, %v", len(found), err)
		}
		if found, err := s.SearchAccounts(t.Context(), "ä ", nil, 9); err != nil || len(found) != 3 {
			t.Errorf("a display name finds %d, %v", len(found), err)
		}
		err = s.CreateAccount(t.Context(), people.Account{ID: user(9), Username: "ZOE", Email: "z@example.com"})
		if !errors.Is(err, people.ErrUsernameTaken) {
			t.Errorf("CreateAccount gave %v, want ErrUsernameTaken", err)
		}
		s.close(t)
	}
}

// TestManyOldNamesAreFolded needs more than one round.
func TestManyOldNamesAreFolded(t *testing.T) {
	d := database(t)
	var docs, blocks []any
	for i := range foldBatch + 1 {
		name := "Name" + user(i).String()
		docs = append(docs, bson.D{is("_id", bson.ObjectID(user(i))), is("username", name), is("email", name)})
		blocks = append(blocks, bson.D{is("blocker", bson.ObjectID(user(i))), is("blocked", bson.ObjectID(user(i+1)))})
	}
	for collection, docs := range map[string][]any{usersName: docs, blocksName: blocks} {
		if _, err := d.data.Collection(collection).InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
	}

	s := openWith(t, d, Options{})

	for collection, field := range map[string]string{usersName: "usernameKey", blocksName: "pair"} {
		n, err := s.coll(collection).CountDocuments(t.Context(), bson.D{is(field, bson.D{is("$ne", nil)})})
		if err != nil || n != foldBatch+1 {
			t.Errorf("%d have a %s, %v", n, field, err)
		}
	}
}

func TestAnAddressIsVerifiedBesideTheServer(t *testing.T) {
	s := open(t)
	for i, name := range []string{"Alice", "bob"} {
		join(t, s.Store, people.Account{ID: user(i), Username: name})
	}

	unknown, done := VerifyEmail(t.Context(), s.db, "Alice@example.com"), VerifyEmail(t.Context(), s.db, "aLICE")

	if !errors.Is(unknown, people.ErrNoAccount) || done != nil {
		t.Errorf("of nobody %v, of alice %v", unknown, done)
	}
	for i, want := range []bool{true, false} {
		if a, err := s.Account(t.Context(), user(i)); err != nil || a.EmailVerified != want {
			t.Errorf("%s is verified: %t, %v", a.Username, a.EmailVerified, err)
		}
	}
}

func TestWhatPeopleTellIsSealed(t *testing.T) {
	s := open(t)
	join(t, s.Store, people.Account{ID: user(1), Username: "alice", Details: people.Details{FullName: "canary", Birthday: "canary", Bio: "canary"}})
	if err := s.CreateSession(t.Context(), aSession(user(1))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.AddBlock(t.Context(), people.Block{Blocker: user(1), Blocked: user(2), Reason: "canary"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.OfferSecondFactor(t.Context(), user(1), people.SecondFactor{Secret: "canary", Offered: []string{"canary"}}, nil); err != nil {
		t.Fatal(err)
	}
	for _, collection := range []string{usersName, sessionsName, blocksName, factorsName} {
		if d, err := s.coll(collection).FindOne(t.Context(), bson.D{}).Raw(); err != nil || bytes.Contains(d, []byte("canary")) {
			t.Errorf("%s says %s, %v", collection, d, err)
		}
	}
}

func aSession(u id.User) auth.Session {
	return auth.Session{
		ID: "00000000000000000000000000000000000000000000000000000000000000ab", User: u, Generation: 1, Hash: [32]byte{1},
		CreatedAt: start, LastActive: start, ExpiresAt: start.Add(time.Hour),
		Device: auth.Device{UserAgent: "canary (X11; Linux x86_64) Firefox/140.0", Address: "canary"},
	}
}

// TestAKeyIsAddedOnce lets several callers add a key for one owner.
func TestAKeyIsAddedOnce(t *testing.T) {
	keys := database(t).Keys()
	added := make(chan seal.WrappedKey)
	const callers = 8
	for i := range callers {
		go func() {
			k, err := keys.AddKey(t.Context(), seal.WrappedKey{ID: seal.DataKeyID(i) | 1<<63, Purpose: seal.PurposePerson, Owner: user(1), Master: 1<<32 - 1, Sealed: []byte{byte(i)}})
			if err != nil {
				t.Errorf("AddKey: %v", err)
			}
			added <- k
		}()
	}
	first := <-added
	for range callers - 1 {
		differs(t, "key of another caller", <-added, first)
	}

	server, err := keys.AddKey(t.Context(), seal.WrappedKey{ID: 9, Purpose: seal.PurposeServer, Owner: user(1)})
	if err != nil || server.ID != 9 {
		t.Errorf("a key of another purpose: %+v, %v", server, err)
	}
	if _, err := keys.AddKey(t.Context(), seal.WrappedKey{ID: first.ID, Purpose: seal.PurposePerson, Owner: user(2)}); err == nil {
		t.Error("an id was given twice")
	}
	for what, find := range map[string]func() (seal.WrappedKey, bool, error){
		"id": func() (seal.WrappedKey, bool, error) { return keys.KeyByID(t.Context(), first.ID) },
		"owner": func() (seal.WrappedKey, bool, error) {
			return keys.KeyByOwner(t.Context(), seal.PurposePerson, user(1))
		},
	} {
		got, found, err := find()
		if err != nil || !found {
			t.Errorf("by its %s: %t, %v", what, found, err)
		}
		differs(t, "key by its "+what, got, first)
	}
	if _, found, err := keys.KeyByID(t.Context(), 8); found || err != nil {
		t.Errorf("nobody's key: %t, %v", found, err)
	}
}
