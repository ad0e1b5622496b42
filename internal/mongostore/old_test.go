package mongostore

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"pryde/internal/former"
	"pryde/internal/id"
	"pryde/internal/message"
)

// oldData is a database as the former system left it, one document a line.
const oldData = "testdata/old"

// oldKey is the key with which the former system encrypted it.
var oldKey = func() *former.Key {
	raw, err := hex.DecodeString("7f3a9c1e5d2b8f60417ae9d3c5b1082f96e4d7a3b0c8f152e6d94b7a3c10f8e5")
	if err != nil {
		panic(err)
	}
	return former.NewKey([former.KeySize]byte(raw))
}()

// The people of the old messages.
var (
	alice    = oldUser("696e1cc0c4ca4238a0085698")
	bob      = oldUser("6aad27c0c4ca4238a0085699")
	carol    = oldUser("68b82dc0c4ca4238a008569a")
	judy     = oldUser("6a0da240c4ca4238a00856a1")
	oldtimer = oldUser("65560440c4ca4238a00856a3")
)

func oldUser(hex string) id.User {
	u, err := bson.ObjectIDFromHex(hex)
	if err != nil {
		panic(err)
	}
	return id.User(u)
}

func oldLines(t testing.TB, name string) [][]byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(oldData, name))
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(bytes.NewReader(raw))
	in.Buffer(nil, len(raw)+1)
	var lines [][]byte
	for in.Scan() {
		lines = append(lines, bytes.Clone(in.Bytes()))
	}
	return lines
}

// loadOld puts collections of the old data into a database, with the former system's indexes.
func loadOld(t testing.TB, d *Database, collections ...string) {
	t.Helper()
	var indexes map[string][]json.RawMessage
	raw, err := os.ReadFile(filepath.Join(oldData, "indexes.json"))
	if err == nil {
		err = json.Unmarshal(raw, &indexes)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range collections {
		var docs []any
		for _, line := range oldLines(t, name+".jsonl") {
			var doc bson.D
			if err := bson.UnmarshalExtJSON(line, true, &doc); err != nil {
				t.Fatal(err)
			}
			docs = append(docs, doc)
		}
		if _, err := d.data.Collection(name).InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
		makeOldIndexes(t, d.data, name, indexes[name])
	}
}

func makeOldIndexes(t testing.TB, db *mongo.Database, collection string, indexes []json.RawMessage) {
	t.Helper()
	var specs bson.A
	for _, raw := range indexes {
		var index bson.D
		if err := bson.UnmarshalExtJSON(raw, false, &index); err != nil {
			t.Fatal(err)
		}
		text := slices.ContainsFunc(index, func(e bson.E) bool { return e.Key == "textIndexVersion" })
		spec := slices.DeleteFunc(index, func(e bson.E) bool { return e.Key == "v" || e.Key == "textIndexVersion" })
		for i, e := range spec {
			if text && e.Key == "key" {
				spec[i].Value = bson.D{is("username", "text"), is("displayName", "text")}
			}
		}
		specs = append(specs, spec)
	}
	if err := db.RunCommand(t.Context(), bson.D{is("createIndexes", collection), is("indexes", specs)}).Err(); err != nil {
		t.Fatalf("make the indexes of %s: %v", collection, err)
	}
}

// oldMessages returns a store over the old messages.
func oldMessages(t testing.TB) *opened {
	t.Helper()
	d := database(t)
	loadOld(t, d, "messages", "conversations", "groupchats")
	return openWith(t, d, Options{FormerKey: oldKey})
}

// backfilled waits until everything has its place.
func backfilled(t testing.TB, s *Store) {
	t.Helper()
	for !s.adoption.done.Load() {
		select {
		case <-t.Context().Done():
			t.Fatal("the old messages did not get their places")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestOldMessagesHaveTheirTexts(t *testing.T) {
	s := oldMessages(t)
	backfilled(t, s.Store)
	left := 0
	type truth struct {
		ID        string `json:"_id"`
		Format    string
		Plaintext *string
	}
	for _, line := range oldLines(t, "plain.jsonl") {
		var want truth
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		oid, err := bson.ObjectIDFromHex(want.ID)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.Message(t.Context(), id.Message(oid))
		switch {
		case errors.Is(err, message.ErrNoMessage):
			left++ // of somebody whom the former system forgot, or to nobody
		case err != nil:
			t.Errorf("message %s of format %s: %v", want.ID, want.Format, err)
		case !m.DeletedAt.IsZero():
			if m.Content != "" {
				t.Errorf("message %s is deleted and says %q", want.ID, m.Content)
			}
		case want.Plaintext != nil && m.Content != *want.Plaintext:
			t.Errorf("message %s of format %s says %q, want %q", want.ID, want.Format, m.Content, *want.Plaintext)
		case want.Plaintext == nil && m.Content == "":
			t.Errorf("message %s of format %s says nothing", want.ID, want.Format)
		}
	}
	if left != 4 {
		t.Errorf("%d messages are of nobody or to nobody, want 4", left)
	}
}
