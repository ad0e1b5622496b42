package powercut

import (
	"fmt"
	"io"
	"log"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// An FS is a mounted file system. Cut is safe for concurrent use; the other methods are for
// one goroutine. Processes that use the mount must be others than the one that serves it: a
// page fault on a mapped file would stop the very process that has to answer it.
type FS struct {
	dir    string
	delay  time.Duration
	disk   *disk
	server *fuse.Server
}

// Mount mounts an empty file system on a directory that exists, as root and without a
// helper program. Where that is not possible the error has ErrUnavailable in its chain.
// The caller unmounts it.
func Mount(dir string, o Options) (*FS, error) {
	f := &FS{dir: dir, delay: o.SyncDelay, disk: newDisk(o.Seed)}
	if err := f.mount(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return f, nil
}

func (f *FS) mount() error {
	quiet := log.New(io.Discard, "", 0)
	server, err := fs.Mount(f.dir, &node{fs: f, file: f.disk.root}, &fs.Options{
		MountOptions: fuse.MountOptions{
			DirectMountStrict: true,
			FsName:            "powercut",
			Name:              "powercut",
			DisableXAttrs:     true,
			MaxWrite:          1 << 17,
			Logger:            quiet,
		},
		RootStableAttr: &fs.StableAttr{Ino: f.disk.root.ino},
		Logger:         quiet,
	})
	if err != nil {
		return fmt.Errorf("mount %s: %w", f.dir, err)
	}
	f.server = server
	return nil
}

// Cut cuts the power: what is not on the disk by now never will be, and every operation
// fails with EIO until Restore.
func (f *FS) Cut() { f.disk.cut() }

// Restore turns the power on again after a Cut. No process may have a file of the mount
// open. The mount is made anew, so that no cache of the kernel knows more than the disk.
func (f *FS) Restore() error {
	if err := f.Unmount(); err != nil {
		return err
	}
	f.disk.restore()
	return f.mount()
}

// Unmount ends the mount. One that is still in use is detached, so that it ends with its
// last user, and is an error.
func (f *FS) Unmount() error {
	if err := f.server.Unmount(); err != nil {
		if detached := syscall.Unmount(f.dir, syscall.MNT_DETACH); detached != nil {
			return fmt.Errorf("unmount %s: %w", f.dir, detached)
		}
		return fmt.Errorf("unmount %s: %w", f.dir, err)
	}
	return nil
}
