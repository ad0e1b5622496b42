package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
	_ "modernc.org/sqlite"

	"pryde/internal/export"
	"pryde/internal/id"
	"pryde/internal/mongostore"
	"pryde/internal/seal"
	"pryde/internal/sqlitestore"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

// A backup is a copy of the data, made as the documentation says.
type backup struct {
	sealed  map[string][]byte // what ann sealed: by its place, as it lies there
	restore func()            // puts the copy in the place of the data; no server runs
}

// backsUp copies the data while the server runs; the keys are left out.
func (h *house) backsUp(ann *tenant) backup {
	h.t.Helper()
	if h.uri != "" {
		return h.backsUpShared(ann)
	}
	file := filepath.Join(h.t.TempDir(), "pryde.db")
	h.onFile(filepath.Join(h.dir, "pryde.db"), func(db *sql.DB) error {
		_, err := db.ExecContext(h.t.Context(), "VACUUM INTO ?", file)
		return err
	})
	b := backup{sealed: map[string][]byte{}}
	h.onFile(file, func(db *sql.DB) error {
		rows, err := db.QueryContext(h.t.Context(), "SELECT id, conversation, content FROM messages WHERE sender = ? AND content IS NOT NULL", ann.id[:])
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var message, conversation, content []byte
			if err := rows.Scan(&message, &conversation, &content); err != nil {
				return err
			}
			b.sealed[string(message)+string(conversation)] = content
		}
		return rows.Err()
	})
	b.restore = func() {
		for _, end := range []string{"", "-wal", "-shm"} {
			if err := os.RemoveAll(filepath.Join(h.dir, "pryde.db"+end)); err != nil {
				h.t.Fatal(err)
			}
		}
		content, err := os.ReadFile(file)
		if err := errors.Join(err, os.WriteFile(filepath.Join(h.dir, "pryde.db"), content, 0o600)); err != nil {
			h.t.Fatal(err)
		}
	}
	return b
}

func (h *house) onFile(path string, do func(*sql.DB) error) {
	h.t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := errors.Join(do(db), db.Close()); err != nil {
		h.t.Fatal(err)
	}
}

// backsUpShared does the same as mongodump of the data and mongorestore with --drop.
func (h *house) backsUpShared(ann *tenant) backup {
	h.t.Helper()
	b := backup{sealed: map[string][]byte{}}
	copied := map[string][]any{}
	h.onDatabase(func(ctx context.Context, db *mongo.Database) error {
		names, err := db.ListCollectionNames(ctx, bson.D{})
		if err != nil {
			return err
		}
		for _, name := range names {
			c, err := db.Collection(name).Find(ctx, bson.D{})
			if err != nil {
				return err
			}
			var docs []bson.Raw
			if err := c.All(ctx, &docs); err != nil {
				return err
			}
			for _, d := range docs {
				copied[name] = append(copied[name], d)
				if sender, ok := d.Lookup("sender").ObjectIDOK(); name == "messages" && ok && sender == bson.ObjectID(ann.id) {
					i := d.Lookup("_id").ObjectID()
					_, conv := d.Lookup("conv").Binary()
					_, content := d.Lookup("content").Binary()
					b.sealed[string(i[:])+string(conv)] = content
				}
			}
		}
		return nil
	})
	b.restore = func() {
		h.onDatabase(func(ctx context.Context, db *mongo.Database) error {
			for name, docs := range copied {
				if _, err := db.Collection(name).DeleteMany(ctx, bson.D{}); err != nil {
					return err
				}
				if _, err := db.Collection(name).InsertMany(ctx, docs); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return b
}

func (h *house) onDatabase(do func(context.Context, *mongo.Database) error) {
	h.t.Helper()
	address, err := connstring.ParseAndValidate(h.uri)
	if err != nil {
		h.t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(h.uri))
	if err != nil {
		h.t.Fatal(err)
	}
	err = do(h.t.Context(), client.Database(address.Database))
	if err := errors.Join(err, client.Disconnect(context.WithoutCancel(h.t.Context()))); err != nil {
		h.t.Fatal(err)
	}
}

// opened returns what of the sealed texts the master key and the wrapped keys that are there open.
func (h *house) opened(b backup) (texts []string) {
	h.t.Helper()
	var master seal.Key
	if err := master.UnmarshalText([]byte(h.vars["MESSAGE_ENCRYPTION_KEY"])); err != nil {
		h.t.Fatal(err)
	}
	ring, err := seal.RingOf(master)
	if err != nil {
		h.t.Fatal(err)
	}
	h.withKeys(func(keys seal.KeyStore) {
		v := seal.New(ring, keys, rand.Reader)
		for at, sealed := range b.sealed {
			text, err := v.Open(h.t.Context(), seal.Place{
				Collection: "messages", Field: "content", Document: []byte(at[:12]), Conversation: []byte(at[12:]),
			}, sealed)
			switch {
			case err == nil:
				texts = append(texts, string(text))
			case !errors.Is(err, seal.ErrKeyGone):
				h.t.Errorf("a text of the backup: %v", err)
			}
		}
	})
	return texts
}

func (h *house) withKeys(do func(seal.KeyStore)) {
	h.t.Helper()
	if h.uri == "" {
		keys, err := sqlitestore.OpenKeys(h.t.Context(), filepath.Join(h.dir, "keys"))
		if err != nil {
			h.t.Fatal(err)
		}
		do(keys)
		if err := keys.Close(); err != nil {
			h.t.Error(err)
		}
		return
	}
	db, err := mongostore.Connect(h.t.Context(), h.uri, mongostore.ConnectOptions{})
	if err != nil {
		h.t.Fatal(err)
	}
	do(db.Keys())
	if err := db.Close(); err != nil {
		h.t.Error(err)
	}
}

// wrapped is ann's key as it is kept.
func (h *house) wrapped(ann *tenant) (w []byte) {
	h.t.Helper()
	h.withKeys(func(keys seal.KeyStore) {
		k, _, err := keys.KeyByOwner(h.t.Context(), seal.PurposePerson, seal.Owner(ann.id))
		if err != nil {
			h.t.Fatal(err)
		}
		w = k.Sealed
	})
	return w
}

func TestErasedPersonIsUnreadableInDataFilesAndBackups(t *testing.T) {
	onBothStores(t, func(t *testing.T, h *house) {
		h.opens()
		ann, bob := h.moves("ann"), h.moves("bob")
		for i := range 5 {
			ann.writes(bob, fmt.Sprint("the secret of ann ", i))
		}
		bob.writes(ann, "what bob wrote to her")
		picture := ann.uploads("a.png", drawing(t))
		b, wrapped := h.backsUp(ann), h.wrapped(ann)
		if got := h.opened(b); len(got) != 5 || !strings.HasPrefix(got[0], "the secret of ann") {
			t.Fatalf("before the erasing the backup opens to %q: the test is blind", got)
		}
		if where := contains(t, filesUnder(t, h.dir), wrapped); h.uri == "" && len(where) == 0 {
			t.Fatal("her wrapped key is in no file: the search is blind")
		}

		says := h.does("user", "erase", "ann")

		if !strings.Contains(says, "erased") {
			t.Errorf("user erase said %q", says)
		}
		h.annIsGone(ann, bob, picture)
		if got := h.opened(b); len(got) > 0 {
			t.Errorf("after the erasing the backup opens to %q", got)
		}
		if where := contains(t, filesUnder(t, h.dir), wrapped); len(where) > 0 {
			t.Errorf("her wrapped key still lies in %q", where)
		}
		h.server.Kill()
		if where := contains(t, filesUnder(t, h.dir), wrapped); len(where) > 0 {
			t.Errorf("after a kill her wrapped key lies in %q", where)
		}
		h.opens()
		h.annIsGone(ann.back(), bob.back(), picture)
		h.stops()

		b.restore()
		h.opens()
		h.annIsGone(ann.back(), bob.back(), picture)
		if !strings.Contains(h.server.Output(), "is erased again") {
			t.Error("the server does not say that it has erased her again")
		}
	})
}

// annIsGone looks at everything that is left of ann.
func (h *house) annIsGone(ann, bob *tenant, picture string) {
	h.t.Helper()
	thread := bob.reads(ann)
	if len(thread) != 6 {
		h.t.Errorf("bob sees %d messages, want 6", len(thread))
	}
	for _, m := range thread {
		hers := m.Sender.ID == ann.id
		if hers != m.IsDeleted || hers != (m.Content == "") || !hers && m.Content != "what bob wrote to her" {
			h.t.Errorf("bob reads %q (deleted: %v) of %v", m.Content, m.IsDeleted, m.Sender.ID)
		}
	}
	list, err := bob.Conversations(h.t.Context())
	if err != nil || len(list) != 1 {
		h.t.Errorf("bob has %d conversations (error %v), want the one", len(list), err)
	}
	if _, err := bob.Sync(h.t.Context(), "0"); err != nil {
		h.t.Errorf("bob's sync: %v", err)
	}
	if _, err := ann.Thread(h.t.Context(), bob.id); statusOf(err) != http.StatusUnauthorized {
		h.t.Errorf("ann's session reads: %v", err)
	}
	if _, err := ann.LogIn(h.t.Context(), wire.LogIn{Email: "ann@example.com", Password: "Correct-Horse-9-ann"}); err == nil {
		h.t.Error("ann can log in")
	}
	resp, err := http.Get(bob.BaseURL + picture)
	if err != nil {
		h.t.Fatal(err)
	}
	if resp.StatusCode < 400 {
		h.t.Errorf("her picture is answered %d", resp.StatusCode)
	}
	_ = resp.Body.Close()
}

func statusOf(err error) int {
	if refused, ok := errors.AsType[*testkit.StatusError](err); ok {
		return refused.Status
	}
	return 0
}

// drawing is a small picture.
func drawing(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestErasingWorksWithoutAServer(t *testing.T) {
	onBothStores(t, func(t *testing.T, h *house) {
		h.opens()
		ann, bob := h.moves("ann"), h.moves("bob")
		ann.writes(bob, "the secret of ann")
		h.stops()

		h.does("user", "erase", "Ann")

		code, _, trouble := h.operator("user", "erase", "nobody")
		if code != 1 || !strings.Contains(trouble, "no account with this username") {
			t.Errorf("erasing nobody ended with %d and said %q", code, trouble)
		}
		h.opens()
		thread := bob.back().reads(ann)
		if len(thread) != 1 || thread[0].Content != "" || !thread[0].IsDeleted {
			t.Errorf("bob reads %+v", thread)
		}
		if status := h.does("keys", "status"); !strings.Contains(status, "people who were erased: 1") {
			t.Errorf("the status is:\n%s", status)
		}
	})
}

// An order that the server cannot carry out before it dies is carried out by the next one.
func TestErasingIsCarriedOutAfterAKill(t *testing.T) {
	onBothStores(t, func(t *testing.T, h *house) {
		h.opens()
		ann, bob := h.moves("ann"), h.moves("bob")
		ann.writes(bob, "the secret of ann")
		if err := h.server.Pause(); err != nil {
			t.Fatal(err)
		}
		type answer struct {
			code         int
			out, trouble string
		}
		answered := make(chan answer, 1)
		go func() {
			code, out, trouble := h.operator("user", "erase", "ann")
			answered <- answer{code, out, trouble}
		}()
		h.eventually("the order is there", func() bool { return strings.Contains(h.does("keys", "status"), "waits to be carried out: erase") })
		h.server.Kill()

		h.opens()

		if got := <-answered; got.code != 0 || !strings.Contains(got.out, "erased") {
			t.Errorf("user erase ended with %d and said %q %q", got.code, got.out, got.trouble)
		}
		thread := bob.back().reads(ann)
		if len(thread) != 1 || thread[0].Content != "" || !thread[0].IsDeleted {
			t.Errorf("bob reads %+v", thread)
		}
	})
}

func TestExportHasEverythingOfAPerson(t *testing.T) {
	onBothStores(t, func(t *testing.T, h *house) {
		h.opens()
		ann, bob, cay := h.moves("ann"), h.moves("bob"), h.moves("cay")
		var want []string
		for i := range 430 { // more than two pages
			text := fmt.Sprint("I <3 you & yours ", i)
			want = append(want, text)
			ann.writes(bob, text)
		}
		cay.writes(bob, "not for ann")
		cay.writes(ann, "for ann")
		content := drawing(t)
		ann.uploads("a.png", content)
		group, err := ann.CreateGroup(t.Context(), wire.NewGroup{Name: "the group", MemberIDs: []id.User{bob.id}})
		if err != nil {
			t.Fatal(err)
		}
		_ = group
		dir := filepath.Join(t.TempDir(), "out")

		h.does("user", "export", "ANN", dir)

		h.looksAtExport(dir, ann, bob, want)
		if code, _, trouble := h.operator("user", "export", "ann", dir); code != 1 || !strings.Contains(trouble, "exists") {
			t.Errorf("an export into a folder that is there ended with %d and said %q", code, trouble)
		}
		if code, _, trouble := h.operator("user", "export", "nobody", dir+"2"); code != 1 || !strings.Contains(trouble, "no account") {
			t.Errorf("an export of nobody ended with %d and said %q", code, trouble)
		}
		ann.writes(bob, "the server goes on")
		h.stops()
		h.does("user", "export", "ann", dir+"3")
		if got := read[[]export.Message](t, dir+"3", "conversations/"+bob.id.String()+".json"); len(got) != len(want)+1 {
			t.Errorf("an export without the server has %d messages, want %d", len(got), len(want)+1)
		}
	})
}

func (h *house) looksAtExport(dir string, ann, bob *tenant, want []string) {
	t := h.t
	t.Helper()
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v (error %v), want it private", info, err)
	}
	for path, b := range filesUnder(t, dir) {
		if bytes.Contains(b, []byte(ann.Token)) || bytes.Contains(b, []byte("not for ann")) || bytes.Contains(b, []byte("argon2")) {
			t.Errorf("%s has what is not hers to have, or a secret", path)
		}
	}
	about := read[export.About](t, dir, "about.json")
	if about.Format != export.Format || about.Person.Username != "ann" || about.Messages < len(want)+1 || about.Files != 1 {
		t.Errorf("about.json is %+v", about)
	}
	if p := read[export.Profile](t, dir, "profile.json"); p.Email != "ann@example.com" || p.Details.FullName != "ann Example" || p.Settings.WhoCanMessage != "everyone" {
		t.Errorf("profile.json is %+v", p)
	}
	if s := read[[]export.Session](t, dir, "sessions.json"); len(s) != 1 {
		t.Errorf("sessions.json has %d sessions", len(s))
	}
	messages := read[[]export.Message](t, dir, "conversations/"+bob.id.String()+".json")
	var got []string
	for _, m := range slices.Backward(messages) {
		got = append(got, m.Content)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the conversation has %d messages, want the %d that were written, newest first", len(got), len(want))
	}
	if c := read[[]export.Conversation](t, dir, "conversations.json"); len(c) != 2 || c[1].With.Username != "bob" && c[0].With.Username != "bob" {
		t.Errorf("conversations.json is %+v", c)
	}
	if g := read[[]export.Group](t, dir, "groups.json"); len(g) != 1 || g[0].Name != "the group" || len(g[0].Members) != 2 {
		t.Errorf("groups.json is %+v", g)
	}
	files := read[[]export.File](t, dir, "files.json")
	if len(files) != 1 || files[0].Type != "image/png" {
		t.Fatalf("files.json is %+v", files)
	}
	content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(files[0].File)))
	if err != nil || int64(len(content)) != files[0].Size {
		t.Errorf("the file has %d bytes (error %v), want %d", len(content), err, files[0].Size)
	}
	if _, err := png.Decode(bytes.NewReader(content)); err != nil {
		t.Errorf("the file is no picture: %v", err)
	}
}

// read reads a file of an export, strictly.
func read[T any](t *testing.T, dir, name string) (v T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}
