package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"pryde/internal/testkit/mongod"
)

const (
	// oldDocuments is a database as the former system left it, a collection a file, one document a
	// line, and the text of every message.
	oldDocuments = "../mongostore/testdata/old"
	// oldAnswers is what the former system answered from it, and who may log in how.
	oldAnswers = "testdata/olddb"
)

// oldSettings are those of the former system.
var oldSettings = map[string]string{
	"MESSAGE_ENCRYPTION_KEY": "7f3a9c1e5d2b8f60417ae9d3c5b1082f96e4d7a3b0c8f152e6d94b7a3c10f8e5",
	"JWT_SECRET":             "old-jwt-secret-for-tests",
	"JWT_REFRESH_SECRET":     "old-refresh-secret-for-tests",
}

// An oldAccount is somebody in the old database.
type oldAccount struct {
	Username, ID, Email, Password, TOTPSecret, AccessToken, RefreshToken string
	RevokedAccessToken, CacheOnlyAccessToken, StaleCacheAccessToken      string
	BackupCodes                                                          []struct {
		Code string
		Used bool
	}
}

// An oldAnswer is what the former system answered to a request.
type oldAnswer struct {
	Request string
	Status  int
	Body    any
}

// onOldDatabase runs a test on a fresh copy of the old database: before its messages have got
// their places, and after.
func onOldDatabase(t *testing.T, test func(*testing.T, *oldWorld)) {
	t.Run("before the backfill", func(t *testing.T) { test(t, startOld(t, "false")) })
	t.Run("after the backfill", func(t *testing.T) {
		w := startOld(t, "true")
		w.backfilled()
		test(t, w)
	})
}

// An oldWorld is a server on the old database.
type oldWorld struct {
	*world
	accounts map[string]oldAccount
	truth    *oldTruth
}

func startOld(t *testing.T, backfill string) *oldWorld {
	t.Helper()
	onMongoDBAnyway(t)
	uri := mongod.Database(t)
	loadOldDatabase(t, uri)
	vars := map[string]string{"MONGODB_URI": uri, "MONGODB_BACKFILL": backfill}
	for k, v := range oldSettings {
		vars[k] = v
	}
	w := &oldWorld{world: start(t, t.TempDir(), vars), accounts: map[string]oldAccount{}, truth: readTruth(t)}
	var list []oldAccount
	readJSON(t, filepath.Join(oldAnswers, "accounts.json"), &list)
	for _, a := range list {
		w.accounts[a.Username] = a
	}
	return w
}

// backfilled waits until all messages have their places.
func (w *oldWorld) backfilled() {
	w.t.Helper()
	for ctx := w.ctx(); !strings.Contains(w.log.String(), "the old messages have their places"); {
		select {
		case <-ctx.Done():
			w.t.Fatalf("the old messages have no places:\n%s", w.log)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// loadOldDatabase puts the old documents into a database, with the indexes of the former system.
func loadOldDatabase(t *testing.T, uri string) {
	t.Helper()
	parsed, err := connstring.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(t.Context()) }()
	db := client.Database(parsed.Database)
	var indexes map[string][]json.RawMessage
	readJSON(t, filepath.Join(oldDocuments, "indexes.json"), &indexes)
	files, err := filepath.Glob(filepath.Join(oldDocuments, "*.jsonl"))
	if err != nil || len(files) != 13 {
		t.Fatalf("%d collections, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		if name == "plain" {
			continue // the truth about messages
		}
		var docs []any
		for line := range jsonLines(t, file) {
			var doc bson.D
			if err := bson.UnmarshalExtJSON(line, true, &doc); err != nil {
				t.Fatal(err)
			}
			docs = append(docs, doc)
		}
		if _, err := db.Collection(name).InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
		makeOldIndexes(t, db, name, indexes[name])
	}
}

func makeOldIndexes(t *testing.T, db *mongo.Database, collection string, indexes []json.RawMessage) {
	t.Helper()
	var specs bson.A
	for _, raw := range indexes {
		var spec bson.D
		if err := bson.UnmarshalExtJSON(raw, false, &spec); err != nil {
			t.Fatal(err)
		}
		for i, e := range spec {
			if key, ok := e.Value.(bson.D); ok && e.Key == "key" && key[0].Key == "_fts" {
				spec[i].Value = bson.D{{Key: "username", Value: "text"}, {Key: "displayName", Value: "text"}}
			}
		}
		specs = append(specs, slices.DeleteFunc(spec, func(e bson.E) bool { return e.Key == "v" || e.Key == "textIndexVersion" }))
	}
	if err := db.RunCommand(t.Context(), bson.D{{Key: "createIndexes", Value: collection}, {Key: "indexes", Value: specs}}).Err(); err != nil {
		t.Fatalf("make the indexes of %s: %v", collection, err)
	}
}

// jsonLines yields the lines of a file.
func jsonLines(t *testing.T, file string) func(func([]byte) bool) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func([]byte) bool) {
		in := bufio.NewScanner(bytes.NewReader(raw))
		in.Buffer(nil, len(raw)+1)
		for in.Scan() && yield(in.Bytes()) {
		}
	}
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// get asks with a token, which may be empty, and returns status and body.
func (w *oldWorld) get(t *testing.T, token, path string) (int, any) {
	t.Helper()
	return w.call(t, token, http.MethodGet, path, nil)
}

func (w *oldWorld) call(t *testing.T, token, method, path string, in any) (int, any) {
	t.Helper()
	got, err := w.rest().As(token).Do(w.ctx(), method, path, in)
	if err != nil {
		t.Fatal(err)
	}
	var body any
	if err := json.Unmarshal(got.Body, &body); err != nil {
		t.Fatalf("%s %s answered %d %s: %v", method, path, got.Status, got.Body, err)
	}
	return got.Status, body
}

// TestTheOldDatabaseIsReadAsItIs compares every answer of the former system with ours.
func TestTheOldDatabaseIsReadAsItIs(t *testing.T) {
	t.Parallel()
	onOldDatabase(t, func(t *testing.T, w *oldWorld) {
		files, err := filepath.Glob(filepath.Join(oldAnswers, "answers", "*", "*.json"))
		if err != nil || len(files) != 126 {
			t.Fatalf("%d answers, %v", len(files), err)
		}
		for _, file := range files {
			username := filepath.Base(filepath.Dir(file))
			t.Run(username+"/"+strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
				var former oldAnswer
				readJSON(t, file, &former)
				w.compare(t, username, former)
			})
		}
	})
}

// compare asks what the former system was asked and compares the answers, as the route says.
func (w *oldWorld) compare(t *testing.T, username string, former oldAnswer) {
	path, ok := strings.CutPrefix(former.Request, "GET ")
	if !ok {
		t.Fatalf("%s is no GET", former.Request)
	}
	for _, r := range oldRoutes {
		if !strings.HasPrefix(path, r.prefix) {
			continue
		}
		status, body := w.get(t, w.accounts[username].AccessToken, path+r.query)
		if r.later != "" {
			if status != r.status {
				t.Errorf("%s answers %d, want %d until %q is there: move the row then", path, status, r.status, r.later)
			}
			return
		}
		want := r.right(w.truth, w.accounts[username].ID, former)
		if status != want.Status {
			t.Fatalf("%s answers %d %v, want %d", path, status, body, want.Status)
		}
		if want.Body == nil {
			return // only that it is answered
		}
		for _, list := range r.sorted {
			sortRows(want.Body, list)
			sortRows(body, list)
		}
		for _, d := range differences("", filled(want.Body), body) {
			if !r.allows(d) {
				t.Errorf("%s: %s", path, d)
			}
		}
		return
	}
	t.Fatalf("nothing is said of %s", path)
}

// A difference is one value that is not as the former system had it.
type difference struct {
	path      string // such as [].sender.username
	want, got string // JSON; "" where it is not there
}

func (d difference) String() string { return fmt.Sprintf("%s is %s, want %s", d.path, d.got, d.want) }

// differences compares two JSON values.
func differences(path string, want, got any) []difference {
	if _, any := want.(someText); any {
		if text, ok := got.(string); ok && text != "" {
			return nil
		}
		return []difference{{path, "some text", asJSON(got)}}
	}
	if list, ok := want.([]any); ok {
		if other, ok := got.([]any); ok && len(list) == len(other) {
			var all []difference
			for i := range list {
				all = append(all, differences(path+"[]", list[i], other[i])...)
			}
			return all
		}
	}
	if fields, ok := want.(map[string]any); ok {
		if other, ok := got.(map[string]any); ok {
			return fieldDifferences(path, fields, other)
		}
	}
	if path == "requestId" {
		return nil // of this request
	}
	if a, b := asJSON(want), asJSON(got); a != b {
		return []difference{{path, a, b}}
	}
	return nil
}

func fieldDifferences(path string, want, got map[string]any) (all []difference) {
	join := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	for name, v := range want {
		if other, there := got[name]; there {
			all = append(all, differences(join(name), v, other)...)
		} else {
			all = append(all, difference{join(name), asJSON(v), ""})
		}
	}
	for name, v := range got {
		if _, there := want[name]; !there {
			all = append(all, difference{join(name), "", asJSON(v)})
		}
	}
	slices.SortFunc(all, func(a, b difference) int { return strings.Compare(a.path, b.path) })
	return all
}

func asJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return string(raw)
}

// sortRows sorts a list in a body by its ids.
func sortRows(body any, field string) {
	if fields, ok := body.(map[string]any); ok {
		if rows, ok := fields[field].([]any); ok {
			slices.SortFunc(rows, func(a, b any) int {
				return strings.Compare(str(a, "userId")+str(a, "groupChatId"), str(b, "userId")+str(b, "groupChatId"))
			})
		}
	}
}
