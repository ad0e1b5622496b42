package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json/jsontext"

	"pryde/internal/wire"
)

// A catalogue is everything that is generated from.
type catalogue struct {
	events   []*wire.EventSpec
	routes   []*wire.RouteSpec
	comments comments
	examples fs.FS // what lies in testdata
}

func load(root string) (*catalogue, error) {
	c, err := readComments(
		filepath.Join(root, "internal", "wire"),
		filepath.Join(root, "internal", "id"),
	)
	if err != nil {
		return nil, err
	}
	return &catalogue{
		events:   wire.Events(),
		routes:   wire.Routes(),
		comments: c,
		examples: os.DirFS(filepath.Join(root, "internal", "wire", "testdata")),
	}, nil
}

// describe returns the schemas with the comments of the source as descriptions.
func (c *catalogue) describe(refs string) (*wire.Description, error) {
	d, err := wire.Describe(refs)
	if err != nil {
		return nil, err
	}
	c.comments.into(d)
	return d, nil
}

// from returns the events of one side.
func (c *catalogue) from(side wire.Direction) []*wire.EventSpec {
	var of []*wire.EventSpec
	for _, e := range c.events {
		if e.Direction == side {
			of = append(of, e)
		}
	}
	return of
}

// example reads an example; it is nil where there is none, which the tests of wire allow only
// where there is nothing to show.
func (c *catalogue) example(path string) (jsontext.Value, error) {
	b, err := fs.ReadFile(c.examples, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}
