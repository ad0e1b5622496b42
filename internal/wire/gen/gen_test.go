package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/wire"
)

const root = "../../.."

func loaded(t *testing.T) *catalogue {
	t.Helper()
	c, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func made(t *testing.T, c *catalogue) []file {
	t.Helper()
	files, err := generate(c)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// written returns a folder that holds what the catalogue makes.
func written(t *testing.T, c *catalogue) string {
	t.Helper()
	dir := t.TempDir()
	if err := write(dir, made(t, c)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// stale returns the files that compare complains of.
func stale(t *testing.T, dir string, files []file) []string {
	t.Helper()
	err := compare(dir, files)
	if err == nil {
		return nil
	}
	var paths []string
	for _, f := range files {
		if strings.Contains(err.Error(), f.path+" is ") {
			paths = append(paths, f.path)
		}
	}
	return paths
}

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	if err := run(root, true); err != nil {
		t.Error(err)
	}
}

func TestGeneratingTwiceMakesTheSame(t *testing.T) {
	if got := stale(t, written(t, loaded(t)), made(t, loaded(t))); got != nil {
		t.Errorf("the second run changed %q", got)
	}
}

func TestAnotherDeclarationIsNoticed(t *testing.T) {
	dir := written(t, loaded(t))
	withEvent := func(change func(*wire.EventSpec)) func(*catalogue) {
		return func(c *catalogue) {
			i := slices.IndexFunc(c.events, func(e *wire.EventSpec) bool { return e.Direction == wire.FromServer })
			e := *c.events[i]
			change(&e)
			c.events = slices.Clone(c.events)
			c.events[i] = &e
		}
	}
	withRoute := func(change func(*wire.RouteSpec)) func(*catalogue) {
		return func(c *catalogue) {
			r := *c.routes[0]
			change(&r)
			c.routes = append([]*wire.RouteSpec{&r}, c.routes[1:]...)
		}
	}
	types, openAPI, asyncAPI, tables := "web/src/wire/wire.gen.ts", "docs/openapi.yaml", "docs/asyncapi.yaml", "docs/events.md"
	for _, tt := range []struct {
		name   string
		change func(*catalogue)
		want   []string
	}{
		{"doc of an event", withEvent(func(e *wire.EventSpec) { e.Doc += " Now." }), []string{types, asyncAPI, tables}},
		{"durability of an event", withEvent(func(e *wire.EventSpec) { e.Durable = !e.Durable }), []string{types, asyncAPI, tables}},
		{"status of a route", withRoute(func(r *wire.RouteSpec) { r.Status++ }), []string{openAPI, tables}},
		{"parameter of a route", withRoute(func(r *wire.RouteSpec) { r.Query = []wire.Param{{Name: "page"}} }), []string{types, openAPI, tables}},
		{"comment of a field", func(c *catalogue) { c.comments["Person"].fields["username"] = "Unique." }, []string{types, openAPI, asyncAPI}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := loaded(t)
			tt.change(c)

			if diff := cmp.Diff(tt.want, stale(t, dir, made(t, c))); diff != "" {
				t.Errorf("- should be stale, + is stale\n%s", diff)
			}
		})
	}
}

func TestAnotherFieldIsNoticed(t *testing.T) {
	c := loaded(t)
	d, err := c.describe("")
	if err != nil {
		t.Fatal(err)
	}
	before := &tsWriter{}
	before.declare("Person", d.Shapes["Person"])

	person := d.Shapes["Person"].CloneSchemas()
	person.Properties["name"] = person.Properties["username"]
	delete(person.Properties, "username")
	person.PropertyOrder = slices.Clone(person.PropertyOrder)
	person.PropertyOrder[slices.Index(person.PropertyOrder, "username")] = "name"
	after := &tsWriter{}
	after.declare("Person", person)

	dir := t.TempDir()
	if err := write(dir, []file{{"person.ts", before.out.Bytes()}}); err != nil {
		t.Fatal(err)
	}
	err = compare(dir, []file{{"person.ts", after.out.Bytes()}})
	if err == nil || !strings.Contains(err.Error(), "-  username: string\n") || !strings.Contains(err.Error(), "+  name?: string\n") {
		t.Errorf("the renamed field is not in the difference: %v", err)
	}
}

func TestFileThatWasEditedOrLostIsNamed(t *testing.T) {
	c := loaded(t)
	dir := written(t, c)
	files := made(t, c)
	edited := filepath.Join(dir, filepath.FromSlash(files[0].path))
	text, err := os.ReadFile(edited)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "username: string", "userName: string", 1))
	if err := os.WriteFile(edited, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(files[1].path))); err != nil {
		t.Fatal(err)
	}

	err = compare(dir, files)

	if err == nil {
		t.Fatal("nothing was noticed")
	}
	for _, want := range []string{
		files[0].path + " is not up to date", "-  userName: string\n+  username: string\n", files[1].path + " is missing", "make generate",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in the report:\n%v", want, err)
		}
	}
}

func TestDifferenceIsShort(t *testing.T) {
	long := strings.Repeat("old\n", 100)

	got := difference("first\n"+long+"last", "first\nnew\nlast")

	want := "@@ line 2 @@\n" + strings.Repeat("-old\n", maxDifference) + "- (80 more lines)\n+new\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMissingExampleStopsTheGenerator(t *testing.T) {
	c := loaded(t)
	c.examples = os.DirFS(t.TempDir())

	_, err := examples(c)

	if want := "events/" + c.events[0].Key() + ".json is missing"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestEveryNamedShapeHasAComment(t *testing.T) {
	d, err := loaded(t).describe("")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Definitions())) {
		if d.Definitions()[name].Description == "" {
			t.Errorf("%s has no description", name)
		}
	}
}

func TestCommentsComeFromFieldsAndEmbeddedTypes(t *testing.T) {
	dir := t.TempDir()
	src := "package wire\n\n// A Base is\n// embedded.\ntype Base struct {\n\tA int `json:\"a\"` // behind\n}\n\n" +
		"type Outer struct {\n\tBase\n\t// above\n\tB int `json:\"b,omitzero\"`\n\tC int\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "shapes.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}

	c, err := readComments(dir)
	if err != nil {
		t.Fatal(err)
	}

	got := []string{c["Base"].text, c.of("Outer", "a"), c.of("Outer", "b"), c.of("Outer", "C")}
	if want := []string{"A Base is embedded.", "behind", "above", ""}; !cmp.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
