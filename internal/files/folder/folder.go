// Package folder keeps the sealed content of files in a folder, a file for each. It knows neither
// what they are nor whose.
package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"pryde/internal/files"
)

// writingFolder holds what is being written. No key begins like it.
const writingFolder = ".writing"

// A Folder is an open folder. Its methods are safe for concurrent use.
type Folder struct {
	root *os.Root
}

var _ files.Objects = (*Folder)(nil)

// Open opens a folder, or makes it, private to the server's user, and removes what a process left
// that died while it wrote. Close must be called.
func Open(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of files: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder of files: %w", err)
	}
	err = root.RemoveAll(writingFolder)
	if err == nil {
		err = root.Mkdir(writingFolder, 0o700)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the folder of files: %w", full(err)), root.Close())
	}
	return &Folder{root}, nil
}

// OpenToRead opens a folder beside a process that writes into it. Close must be called.
func OpenToRead(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder of files: %w", err)
	}
	return &Folder{root}, nil
}

// Close closes the folder. It must be called once.
func (f *Folder) Close() error { return f.root.Close() }

// keyForm is that of keys: names of folders and of a file.
var keyForm = regexp.MustCompile(`^[0-9a-z]+(/[0-9a-z]+)*$`)

func path(key string) (string, error) {
	if !keyForm.MatchString(key) {
		return "", fmt.Errorf("%q is no key", key)
	}
	return filepath.FromSlash(key), nil
}

// Put implements files.Objects: the object is written under another name, synced and renamed.
func (f *Folder) Put(_ context.Context, key string, content io.Reader, size int64) error {
	name, err := path(key)
	if err != nil {
		return err
	}
	dir := filepath.Dir(name)
	if err := f.makeFolder(dir); err != nil {
		return fmt.Errorf("store an object: %w", full(err))
	}
	writing := filepath.Join(writingFolder, filepath.Base(name))
	if err := f.write(writing, content, size); err != nil {
		return errors.Join(fmt.Errorf("store an object: %w", full(err)), f.discard(writing))
	}
	if err := f.root.Rename(writing, name); err != nil {
		return errors.Join(fmt.Errorf("store an object: %w", full(err)), f.discard(writing))
	}
	return f.sync(dir)
}

// makeFolder makes a folder that outlives a power cut, and those that it is in.
func (f *Folder) makeFolder(dir string) error {
	if dir == "." {
		return nil
	}
	err := f.root.Mkdir(dir, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if err := f.makeFolder(filepath.Dir(dir)); err != nil {
			return err
		}
		return f.makeFolder(dir)
	case err != nil:
		return err
	}
	return f.sync(filepath.Dir(dir))
}

func (f *Folder) write(name string, content io.Reader, size int64) (err error) {
	to, err := f.root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(to, content)
	if err == nil && n != size {
		err = fmt.Errorf("an object of %d bytes has %d", size, n)
	}
	if err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}

// discard removes what was not written to its end.
func (f *Folder) discard(name string) error {
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an unfinished object: %w", err)
	}
	return nil
}

func (f *Folder) sync(dir string) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the folder of files: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync the folder of files: %w", err)
	}
	return nil
}

// Open implements files.Objects.
func (f *Folder) Open(_ context.Context, key string) (files.Object, error) {
	name, err := path(key)
	if err != nil {
		return nil, err
	}
	file, err := f.root.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, files.ErrNoObject
	case err != nil:
		return nil, fmt.Errorf("open an object: %w", err)
	}
	return object{file}, nil
}

// An object is an open file.
type object struct{ *os.File }

// From implements files.Object.
func (o object) From(offset int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(o.File, offset, 1<<62)), nil
}

// Delete implements files.Objects.
func (f *Folder) Delete(_ context.Context, key string) error {
	name, err := path(key)
	if err != nil {
		return err
	}
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an object: %w", err)
	}
	return nil
}

// List implements files.Objects for the objects of one folder: prefix ends with a slash.
func (f *Folder) List(_ context.Context, prefix, after string, limit int) ([]files.Listed, error) {
	dir, err := path(strings.TrimSuffix(prefix, "/"))
	if err != nil {
		return nil, err
	}
	entries, err := f.entries(dir)
	if err != nil {
		return nil, fmt.Errorf("list objects: %w", err)
	}
	var list []files.Listed
	for _, e := range entries {
		key := prefix + e.Name()
		if key <= after || !keyForm.MatchString(key) || len(list) == limit {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("list objects: %w", err)
		}
		list = append(list, files.Listed{Key: key, Modified: info.ModTime()})
	}
	return list, nil
}

// entries returns what is in a folder, by name.
func (f *Folder) entries(dir string) ([]fs.DirEntry, error) {
	d, err := f.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := d.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, errors.Join(err, d.Close())
}

// full marks the errors of a disk that has no room.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return files.ErrNoSpace.Because(err)
	}
	return err
}
