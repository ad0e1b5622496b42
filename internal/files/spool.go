package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// spoolPrefix begins the names of files that are on their way in.
const spoolPrefix = "incoming-"

// A spool is a file on its way in: on the disk, since it may be large, and sealed there like at its
// destination. It has no name any more, so that nothing of it outlives the process.
type spool struct {
	file *os.File
	name Name
	key  fileKey
	size int64 // bytes, unsealed

	cabinet cabinet
	sealer  *sealer
}

// openSpool makes the folder of spools and removes what a process may have left there that died
// just after it had made a file.
func openSpool(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of files: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, spoolPrefix+"*"))
	if err != nil {
		return fmt.Errorf("list the folder of files: %w", err)
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what was on its way in: %w", err)
		}
	}
	return nil
}

// newSpool returns an empty spool with a name and a key of its own.
func newSpool(dir string, rand io.Reader) (*spool, error) {
	s := &spool{}
	if _, err := io.ReadFull(rand, s.name[:]); err != nil {
		return nil, fmt.Errorf("draw a name: %w", err)
	}
	if _, err := io.ReadFull(rand, s.key[:]); err != nil {
		return nil, fmt.Errorf("draw a key: %w", err)
	}
	var err error
	if s.cabinet, err = newCabinet(s.key, s.name); err != nil {
		return nil, err
	}
	if s.file, err = os.CreateTemp(dir, spoolPrefix+"*"); err != nil {
		return nil, fmt.Errorf("take a file: %w", full(err))
	}
	if err := os.Remove(s.file.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("take a file: %w", err), s.file.Close())
	}
	s.sealer = newSealer(s.file, s.cabinet)
	return s, nil
}

// Write adds to the spool.
func (s *spool) Write(p []byte) (int, error) {
	n, err := s.sealer.Write(p)
	if err != nil {
		err = fmt.Errorf("take a file: %w", full(err))
	}
	return n, err
}

// finish ends the writing.
func (s *spool) finish() error {
	if err := s.sealer.Close(); err != nil {
		return fmt.Errorf("take a file: %w", full(err))
	}
	s.size = s.sealer.size
	s.sealer = nil
	return nil
}

// reader reads what was written, from the beginning. It need not be closed.
func (s *spool) reader() *reader { return newReader(s, s.cabinet, s.size) }

// sealed reads what lies on the disk.
func (s *spool) sealed() io.Reader { return io.NewSectionReader(s.file, 0, sealedSize(s.size)) }

// From implements Object.
func (s *spool) From(offset int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(s.file, offset, sealedSize(s.size)-offset)), nil
}

// Close gives the room on the disk back.
func (s *spool) Close() error { return s.file.Close() }

// full marks the errors of a disk that has no room.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return ErrNoSpace.Because(err)
	}
	return err
}
