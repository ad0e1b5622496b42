package export

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// create writes a file of the folder; it must not be there.
func (w *writer) create(name string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(filepath.Join(w.folder, filepath.FromSlash(name)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	b := bufio.NewWriterSize(f, 1<<16)
	if err := errors.Join(write(b), b.Flush(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// document writes one value as a file.
func (w *writer) document(name string, v any) error {
	return w.create(name, func(to io.Writer) error { return encode(to, v) })
}

// list writes a file with an array, one value after the other.
func (w *writer) list(name string, fill func(add func(any) error) error) error {
	return w.create(name, func(to io.Writer) error {
		between := "[\n"
		err := fill(func(v any) error {
			if _, err := io.WriteString(to, between); err != nil {
				return err
			}
			between = ",\n"
			return encode(to, v)
		})
		if err != nil {
			return err
		}
		end := "]\n"
		if between == "[\n" {
			end = "[]\n"
		}
		_, err = io.WriteString(to, end)
		return err
	})
}

// encode writes a value on lines of its own, with characters as they are.
func encode(to io.Writer, v any) error {
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
