package mongostore

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// TestIndexesAreDocumented compares the table in the documentation with what Open makes.
func TestIndexesAreDocumented(t *testing.T) {
	const begin, end = "<!-- indexes -->\n", "<!-- end of indexes -->"
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), begin)
	got, _, ended := strings.Cut(rest, end)

	if want := indexTable(); !found || !ended || got != want {
		t.Errorf("docs/operations.md has no up to date table of the indexes; it is:\n%s%s%s", begin, want, end)
	}
}

func indexTable() string {
	var b strings.Builder
	b.WriteString("| collection | index | of |\n|---|---|---|\n")
	for _, c := range collections {
		for _, x := range c.indexes {
			var keys []string
			for _, k := range x.keys {
				key := "`" + k.Key + "`"
				if k.Value == -1 {
					key += " descending"
				}
				keys = append(keys, key)
			}
			of := strings.Join(keys, ", ")
			if x.unique {
				of += "; unique"
			}
			for i, p := range x.partial {
				of += []string{"; only where", ","}[min(i, 1)] + fmt.Sprintf(" `%s` %s", p.Key, condition(p.Value))
			}
			fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", c.name, x.title(), of)
		}
	}
	return b.String()
}

func condition(v any) string {
	d, ok := v.(bson.D)
	switch {
	case v == nil:
		return "is missing"
	case !ok:
		return fmt.Sprintf("is %v", v)
	}
	switch op := d[0]; op.Key {
	case "$exists":
		return "is there"
	case "$gt":
		if op.Value == (bson.ObjectID{}) {
			return "is an id"
		}
		return fmt.Sprintf("is above %v", op.Value)
	case "$type":
		return fmt.Sprintf("is of type %v", op.Value)
	default:
		return fmt.Sprintf("%s %v", op.Key, op.Value)
	}
}

func TestIndexesAreMadeOnceAndOthersStay(t *testing.T) {
	d := database(t)
	log := slog.New(slog.DiscardHandler)
	old := bson.D{is("sender", 1), is("createdAt", -1)}
	if _, err := d.data.Collection(messagesName).Indexes().CreateMany(t.Context(), collection{indexes: []index{{keys: old}}}.models()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.ensure(t.Context(), log); err != nil {
			t.Fatal(err)
		}
	}

	for _, c := range collections {
		there, err := d.data.Collection(c.name).Indexes().ListSpecifications(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range there {
			got = append(got, s.Name)
		}
		want := []string{"_id_"}
		for _, x := range c.indexes {
			want = append(want, x.title())
		}
		if c.name == messagesName {
			want = append(want, "sender_1_createdAt_-1")
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("the indexes of %s are %q, want %q", c.name, got, want)
		}
	}
}

// The lookup of an attempt must not walk through what its sender ever wrote.
func TestAttemptsAreLookedUpByTheirIndex(t *testing.T) {
	s := open(t)
	two := needs{attempts: []attempt{{user(1), "a"}, {user(2), "b"}}}
	careful := newUnit(t.Context(), s.Store)
	careful.careful = true
	filter := careful.unknownMessages(two)

	var plan struct {
		Queries bson.Raw `bson:"queryPlanner"`
	}
	err := s.db.data.RunCommand(t.Context(), bson.D{
		is("explain", bson.D{is("find", messagesName), is("filter", filter)}), is("verbosity", "queryPlanner"),
	}).Decode(&plan)
	if err != nil {
		t.Fatal(err)
	}

	winning := plan.Queries.Lookup("winningPlan").String()
	if !strings.Contains(winning, "sender_1_clientId_1") || strings.Contains(winning, "COLLSCAN") {
		t.Errorf("the plan is %s", winning)
	}
}

// A start asks whether old messages have no place yet. Those of groups, which never get one, must not
// make that slow.
func TestWhatHasNoPlaceIsFoundByItsIndex(t *testing.T) {
	s := open(t)
	for n := range 20 {
		insertOld(t, s.db, bson.D{is("_id", bson.ObjectID(messageID(n))), is("sender", bson.ObjectID(alice)), is("groupChat", bson.ObjectID(bob))})
	}
	insertOld(t, s.db, bson.D{is("_id", bson.ObjectID(messageID(100))), is("sender", bson.ObjectID(alice)), is("recipient", bson.ObjectID(bob)), is("groupChat", nil)})

	var plan struct {
		Stats struct {
			Examined int `bson:"totalDocsExamined"`
			Returned int `bson:"nReturned"`
		} `bson:"executionStats"`
	}
	find := bson.D{is("find", messagesName), is("filter", betweenPeople()), is("hint", indexUnplaced)}
	if err := s.db.data.RunCommand(t.Context(), bson.D{is("explain", find), is("verbosity", "executionStats")}).Decode(&plan); err != nil {
		t.Fatal(err)
	}

	if got := plan.Stats; got.Examined != 1 || got.Returned != 1 {
		t.Errorf("%d documents were looked at and %d found, want one", got.Examined, got.Returned)
	}
}
