package powercut

import (
	"context"
	"maps"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// renameNoReplace is RENAME_NOREPLACE of renameat2.
const renameNoReplace = 1

// A node is a file as the kernel asks for it.
type node struct {
	fs.Inode
	fs   *FS
	file *file
}

var _ interface {
	fs.NodeGetattrer
	fs.NodeSetattrer
	fs.NodeLookuper
	fs.NodeReaddirer
	fs.NodeCreater
	fs.NodeMkdirer
	fs.NodeUnlinker
	fs.NodeRmdirer
	fs.NodeRenamer
	fs.NodeOpener
	fs.NodeReader
	fs.NodeWriter
	fs.NodeAllocater
	fs.NodeFsyncer
	fs.NodeStatfser
} = (*node)(nil)

// child returns the inode of a file in this directory, the same one each time.
func (n *node) child(ctx context.Context, f *file, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	errno := n.fs.disk.do(func() syscall.Errno { describe(f, &out.Attr); return 0 })
	if errno != 0 {
		return nil, errno
	}
	return n.NewInode(ctx, &node{fs: n.fs, file: f}, fs.StableAttr{Mode: f.mode & syscall.S_IFMT, Ino: f.ino}), 0
}

// describe fills in what stat shows. The caller is within do.
func describe(f *file, out *fuse.Attr) {
	out.Ino = f.ino
	out.Mode = f.mode
	out.Nlink = 1
	out.Size = uint64(len(f.live))
	out.Blocks = (out.Size + sectorSize - 1) / sectorSize
	out.Blksize = pageSize
	out.SetTimes(&f.changed, &f.changed, &f.changed)
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.fs.disk.do(func() syscall.Errno { describe(n.file, &out.Attr); return 0 })
}

func (n *node) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		if errno := n.fs.disk.truncate(n.file, int64(size)); errno != 0 {
			return errno
		}
	}
	errno := n.fs.disk.do(func() syscall.Errno {
		if mode, ok := in.GetMode(); ok {
			n.file.mode = n.file.mode&syscall.S_IFMT | mode
		}
		if at, ok := in.GetMTime(); ok {
			n.file.changed = at
		}
		return 0
	})
	if errno != 0 {
		return errno
	}
	return n.Getattr(ctx, h, out)
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f, errno := n.fs.disk.lookup(n.file, name)
	if errno != 0 {
		return nil, errno
	}
	return n.child(ctx, f, out)
}

func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	var list []fuse.DirEntry
	errno := n.fs.disk.do(func() syscall.Errno {
		for _, name := range slices.Sorted(maps.Keys(n.file.names)) {
			f := n.file.names[name]
			list = append(list, fuse.DirEntry{Name: name, Mode: f.mode & syscall.S_IFMT, Ino: f.ino})
		}
		return 0
	})
	return fs.NewListDirStream(list), errno
}

// cached lets the kernel keep what it read: nobody but the kernel writes to these files.
// Shared mappings, which SQLite needs, depend on its cache.
const cached = fuse.FOPEN_KEEP_CACHE

func (n *node) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	f, errno := n.fs.disk.create(n.file, name, syscall.S_IFREG|mode&0o7777)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	inode, errno := n.child(ctx, f, out)
	return inode, nil, cached, errno
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f, errno := n.fs.disk.create(n.file, name, syscall.S_IFDIR|mode&0o7777)
	if errno != 0 {
		return nil, errno
	}
	return n.child(ctx, f, out)
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return n.fs.disk.remove(n.file, name, false)
}

func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	return n.fs.disk.remove(n.file, name, true)
}

func (n *node) Rename(_ context.Context, name string, newParent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	to, ok := newParent.(*node)
	if !ok || flags&^renameNoReplace != 0 {
		return syscall.EINVAL
	}
	return n.fs.disk.move(n.file, name, to.file, newName, flags&renameNoReplace == 0)
}

func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_TRUNC != 0 {
		if errno := n.fs.disk.truncate(n.file, 0); errno != 0 {
			return nil, 0, errno
		}
	}
	return nil, cached, n.fs.disk.do(func() syscall.Errno { return 0 })
}

func (n *node) Read(_ context.Context, _ fs.FileHandle, into []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	count, errno := n.fs.disk.read(n.file, into, at)
	return fuse.ReadResultData(into[:count]), errno
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, b []byte, at int64) (uint32, syscall.Errno) {
	if errno := n.fs.disk.write(n.file, b, at); errno != 0 {
		return 0, errno
	}
	return uint32(len(b)), 0
}

func (n *node) Allocate(_ context.Context, _ fs.FileHandle, at, size uint64, mode uint32) syscall.Errno {
	if mode != 0 {
		return syscall.EOPNOTSUPP
	}
	return n.fs.disk.allocate(n.file, int64(at+size))
}

func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return n.fs.disk.sync(n.file, n.fs.delay)
}

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	return n.fs.disk.do(func() syscall.Errno {
		out.Bsize = pageSize
		out.Blocks = capacity / pageSize
		out.Bfree = (capacity - uint64(n.fs.disk.used)) / pageSize
		out.Bavail = out.Bfree
		out.NameLen = 255
		return 0
	})
}
