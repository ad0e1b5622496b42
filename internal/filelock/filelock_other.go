//go:build !unix

package filelock

// A Lock does nothing where there is no flock.
type Lock struct{}

// Folder does nothing.
func Folder(string) (*Lock, error) { return &Lock{}, nil }

// Release does nothing.
func (*Lock) Release() error { return nil }
