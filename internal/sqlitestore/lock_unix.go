//go:build unix

package sqlitestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// A folderLock says that the folder is in use. The system takes it back when the process
// ends, however it ends.
type folderLock struct{ file *os.File }

// lockFolder takes the lock of a folder, or says that another process has it.
func lockFolder(dir string) (*folderLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("the folder is in use by another process: %w", err), f.Close())
	}
	return &folderLock{f}, nil
}

func (l *folderLock) release() error { return l.file.Close() }
