package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A disk is what the journal needs of the file system.
type disk interface {
	create(path string) (file, error) // a new private file; one that is there is an error
	open(path string) (file, error)   // for writing
	remove(path string) error
	rename(from, to string) error
	syncFolder(dir string) error
}

// A file is an open file.
type file interface {
	WriteAt(b []byte, at int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

type osDisk struct{}

func (osDisk) create(path string) (file, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

func (osDisk) open(path string) (file, error) { return os.OpenFile(path, os.O_WRONLY, 0) }

func (osDisk) remove(path string) error { return os.Remove(path) }

func (osDisk) rename(from, to string) error { return os.Rename(from, to) }

// syncFolder makes the names in a folder durable.
func (osDisk) syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ensureFolder makes a private folder that outlives a power cut.
func ensureFolder(dir string, d disk) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	if err := d.syncFolder(filepath.Dir(dir)); err != nil {
		return fmt.Errorf("sync the folder above: %w", err)
	}
	return nil
}

// createDurably makes a file that holds b and outlives a power cut.
func createDurably(d disk, path string, b []byte) (file, error) {
	f, err := d.create(path)
	if err != nil {
		return nil, err
	}
	if _, err = f.WriteAt(b, 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = d.syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), d.remove(path))
	}
	return f, nil
}
