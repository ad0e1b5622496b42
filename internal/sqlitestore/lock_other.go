//go:build !unix

package sqlitestore

// A folderLock does nothing where there is no flock.
type folderLock struct{}

func lockFolder(string) (*folderLock, error) { return &folderLock{}, nil }

func (*folderLock) release() error { return nil }
