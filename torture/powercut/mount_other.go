//go:build !linux

package powercut

// An FS is a mounted file system; this machine knows none.
type FS struct{}

// Mount fails with ErrUnavailable.
func Mount(string, Options) (*FS, error) { return nil, ErrUnavailable }

// Cut does nothing.
func (*FS) Cut() {}

// Restore fails with ErrUnavailable.
func (*FS) Restore() error { return ErrUnavailable }

// Unmount fails with ErrUnavailable.
func (*FS) Unmount() error { return ErrUnavailable }
