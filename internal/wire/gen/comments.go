package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"pryde/internal/wire"
)

// comments are the doc comments of types and their fields, by Go name.
type comments map[string]comment

type comment struct {
	text   string
	fields map[string]string // by JSON name
	embeds []string          // types whose fields are the type's own
}

// readComments reads the packages in these folders; files of tests are left out.
func readComments(folders ...string) (comments, error) {
	all := comments{}
	for _, folder := range folders {
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			return nil, err
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("no Go files in %s: run in the root of the repository", folder)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			if err := all.read(path); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func (c comments) read(path string) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, decl := range parsed.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range group.Specs {
			if t, ok := spec.(*ast.TypeSpec); ok {
				c.add(parsed.Name.Name, group, t)
			}
		}
	}
	return nil
}

func (c comments) add(pkg string, group *ast.GenDecl, t *ast.TypeSpec) {
	found := comment{text: oneLine(t.Doc), fields: map[string]string{}}
	if found.text == "" && len(group.Specs) == 1 {
		found.text = oneLine(group.Doc)
	}
	if s, ok := t.Type.(*ast.StructType); ok {
		for _, f := range s.Fields.List {
			found.field(f)
		}
	}
	name := t.Name.Name
	if pkg == "id" {
		name += "ID"
	}
	c[name] = found
}

func (c *comment) field(f *ast.Field) {
	if embedded, ok := f.Type.(*ast.Ident); ok && len(f.Names) == 0 {
		c.embeds = append(c.embeds, embedded.Name)
		return
	}
	if f.Tag == nil {
		return
	}
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return // the parser has read it as a string
	}
	name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	c.fields[name] = oneLine(f.Doc)
	if c.fields[name] == "" {
		c.fields[name] = oneLine(f.Comment)
	}
}

func oneLine(g *ast.CommentGroup) string { return strings.Join(strings.Fields(g.Text()), " ") }

// of returns the comment of one field of a type.
func (c comments) of(name, field string) string {
	if text := c[name].fields[field]; text != "" {
		return text
	}
	for _, embedded := range c[name].embeds {
		if text := c.of(embedded, field); text != "" {
			return text
		}
	}
	return ""
}

// into makes descriptions of the comments.
func (c comments) into(d *wire.Description) {
	for name, s := range d.Shapes {
		if _, known := c[name]; !known {
			name = strings.TrimSuffix(name, "Input")
		}
		c.describe(name, s)
	}
	for name, s := range d.Answers {
		c.describe(strings.TrimSuffix(name, "Answer"), s)
		s.Properties["requestId"].Description = "The name of this request in the server's log."
	}
}

func (c comments) describe(name string, s *jsonschema.Schema) {
	if text := c[name].text; text != "" {
		s.Description = text
	}
	for _, form := range append([]*jsonschema.Schema{s}, s.AnyOf...) {
		for field, p := range form.Properties {
			if text := c.of(name, field); text != "" {
				p.Description = text
			}
		}
	}
}
