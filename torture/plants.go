package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// An edit changes one place of one file of the server.
type edit struct {
	file string // from the root of the module
	old  string // occurs exactly once
	new  string
}

// A plant is a bug: what it changes in the server, where that runs to find it, and what happens to
// it then; nothing named is everything.
type plant struct {
	store  store
	faults []string
	edits  []edit
}

// plants are the bugs that the torture must find, by name.
var plants = map[string]plant{
	// A commit is answered before it is on the disk; only a power cut shows it.
	"ack-before-sync": {store: sqlite, edits: []edit{{
		file: "internal/sqlitestore/store.go",
		old:  `"journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)", "wal_autocheckpoint(0)"`,
		new:  `"journal_mode(WAL)", "synchronous(OFF)", "secure_delete(ON)", "wal_autocheckpoint(0)"`,
	}}},
	// Operations are answered, and so announced, when they have run and not when they are
	// committed.
	"publish-before-commit": {store: sqlite, edits: []edit{
		{
			file: "internal/sqlitestore/writer.go",
			old:  "\t_, err := w.conn.exec(\"COMMIT\")\n",
			new:  "\tfor _, o := range batch {\n\t\tclose(o.done)\n\t}\n\t_, err := w.conn.exec(\"COMMIT\")\n",
		},
		{
			file: "internal/sqlitestore/writer.go",
			old:  "\t\t\tclose(o.done)\n\t\t\tbatch[i] = nil\n",
			new:  "\t\t\tselect {\n\t\t\tcase <-o.done:\n\t\t\tdefault:\n\t\t\t\tclose(o.done)\n\t\t\t}\n\t\t\tbatch[i] = nil\n",
		},
	}},
	// The client's name for an attempt is ignored.
	"no-dedup": {store: sqlite, edits: []edit{{
		file: "internal/message/draft.go",
		old:  "ClientID: in.TempID, RepeatWindow: repeatWindow,",
		new:  "RepeatWindow: 0,",
	}}},
	// Half of a group hears nothing of what is new in it.
	"group-half-told": {store: sqlite, edits: []edit{{
		file: "internal/message/send.go",
		old:  "of.tell(arrived, m.Seq, w, others...)",
		new:  "of.tell(arrived, m.Seq, w, others[:len(others)-len(others)/2]...)",
	}}},
	// An operation is answered before MongoDB has committed it.
	"mongo-ack-before-commit": {store: onMongo, faults: []string{"server killed", "mongod killed"}, edits: []edit{
		{
			file: "internal/mongostore/commit.go",
			old:  "\tif err := w.session.CommitTransaction(ctx); err != nil {\n\t\tif err",
			new:  "\tfor i, o := range batch {\n\t\to.answer(outcomes[i])\n\t}\n\tif err := w.session.CommitTransaction(ctx); err != nil {\n\t\tif err",
		},
		{
			file: "internal/mongostore/writer.go",
			old:  "\to.err = err\n\tclose(o.done)\n",
			new:  "\tselect {\n\tcase <-o.done:\n\tdefault:\n\t\to.err = err\n\t\tclose(o.done)\n\t}\n",
		},
	}},
	// A server that has lost the lease goes on: it neither looks at the clock nor at the token.
	"no-fence": {store: onMongo, faults: []string{"server paused"}, edits: []edit{
		{
			file: "internal/mongostore/store.go",
			old:  `return bson.D{is("_id", leaseID), is("token", s.token)}`,
			new:  `return bson.D{is("_id", leaseID)}`,
		},
		{file: "internal/mongostore/lease.go", old: "\t\t\tend = time.After(t.left())\n", new: ""},
		{file: "internal/mongostore/lease.go", old: "return t.lease.outlast || t.left() > 0", new: "return true"},
		{file: "internal/mongostore/lease.go", old: "\t\tcase !found:\n\t\t\tt.Fence()\n", new: "\t\tcase !found:\n"},
		{file: "internal/mongostore/lease.go", old: "\t\tbound = min(bound, t.left())\n", new: ""},
	}},
	// The highest number is not stored with what has it: who takes over gives it again.
	"numbers-again": {store: onMongo, faults: []string{"server stopped", "server replaced"}, edits: []edit{{
		file: "internal/mongostore/tx.go",
		old:  `is("seq", u.highest)`,
		new:  `is("seq", 0)`,
	}}},
	// Half of a batch out of the journal is not stored, and taken for stored.
	"replay-forgets": {store: mongoJournal, edits: []edit{{
		file: "internal/journalstore/drain.go",
		old:  "\terr := s.inner.Replay(ctx, ws)\n",
		new:  "\terr := s.inner.Replay(ctx, ws[len(ws)/2:])\n",
	}}},
	// What is stored already is counted once more when it comes out of the journal.
	"replay-twice": {store: mongoJournal, faults: []string{"answers stalled", "mongod killed"}, edits: []edit{
		{
			file: "internal/mongostore/replay.go",
			old:  "\t\treturn nil\n\t}\n\tif !doc.between() {\n",
			new:  "\t}\n\tif !doc.between() {\n\t\tif known != nil {\n\t\t\treturn nil\n\t\t}\n",
		},
		{
			file: "internal/mongostore/replay.go",
			old:  "\tt.insert(doc)\n\tt.unit.highest = max(t.unit.highest, doc.Seq)\n\tfor _, row",
			new:  "\tif known == nil {\n\t\tt.insert(doc)\n\t}\n\tt.unit.highest = max(t.unit.highest, doc.Seq)\n\tfor _, row",
		},
	}},
	// A server that starts does not look into its journal.
	"journal-forgotten": {store: mongoJournal, faults: []string{"server killed while the database is in trouble"}, edits: []edit{{
		file: "internal/journalstore/store.go",
		old:  "\tfound := s.journal.Recovered()\n",
		new:  "\tfound := s.journal.Recovered()[:0]\n",
	}}},
}

func plantNames() []string { return slices.Sorted(maps.Keys(plants)) }

// overlay writes the changed files of a plant into dir, and the file that tells the go
// command to build with them; it returns the latter's path.
func overlay(root, dir, name string) (string, error) {
	p, ok := plants[name]
	if !ok {
		return "", fmt.Errorf("no plant is called %q; there are %s", name, strings.Join(plantNames(), ", "))
	}
	return p.overlay(root, dir, name)
}

func (p plant) overlay(root, dir, name string) (string, error) {
	changed, err := p.changed(root)
	if err != nil {
		return "", fmt.Errorf("plant %s: %w", name, err)
	}
	replace := map[string]string{}
	for file, text := range changed {
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("plant %s: %w", name, err)
		}
		replace[filepath.Join(root, file)] = to
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("plant %s: %w", name, err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return "", fmt.Errorf("plant %s: %w", name, err)
	}
	return path, nil
}

// changed returns the changed files by their names.
func (p plant) changed(root string) (map[string]string, error) {
	changed := map[string]string{}
	for _, e := range p.edits {
		text, seen := changed[e.file]
		if !seen {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, err
			}
			text = string(b)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return nil, fmt.Errorf("%s has the text to change %d times, not once; the code has moved on, and so must the plant:\n%s", e.file, n, e.old)
		}
		changed[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	return changed, nil
}
