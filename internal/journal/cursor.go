package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// The cursor file has two slots on pages of their own, so that one is whole whatever happens
// while the other is written. It never grows: a full disk does not keep anything from being
// done. A slot is magic 8, tag 8, position 8, CRC-32C 4.
const (
	cursorName  = "cursor"
	cursorMagic = "journal\x02"
	slotLength  = 28
	slotStride  = 4096
)

// A cursor is up to where everything is done.
type cursor struct {
	file  file
	tag   Tag
	slots [2]Position
	known bool // a slot could be read
}

func (c *cursor) upTo() Position { return max(c.slots[0], c.slots[1]) }

func (c *cursor) slot(p Position) []byte {
	b := make([]byte, 0, slotLength)
	b = append(b, cursorMagic...)
	b = append(b, c.tag[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p))
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// openCursor opens the cursor of a folder, or makes it there.
func openCursor(dir string, tag Tag, d disk) (*cursor, error) {
	c := &cursor{tag: tag}
	path := filepath.Join(dir, cursorName)
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		first := make([]byte, 2*slotStride)
		copy(first, c.slot(0))
		if c.file, err = createDurably(d, path, first); err != nil {
			return nil, fmt.Errorf("make the cursor: %w", err)
		}
		return c, nil
	case err != nil:
		return nil, fmt.Errorf("read the cursor: %w", err)
	}
	for i := range c.slots {
		if err := c.read(i, b[min(i*slotStride, len(b)):]); err != nil {
			return nil, err
		}
	}
	if c.file, err = d.open(path); err != nil {
		return nil, fmt.Errorf("open the cursor: %w", err)
	}
	return c, nil
}

// read takes over a slot; one that is damaged was being written, and counts for nothing.
func (c *cursor) read(i int, b []byte) error {
	if len(b) < slotLength || string(b[:8]) != cursorMagic ||
		crc32.Checksum(b[:slotLength-4], castagnoli) != binary.BigEndian.Uint32(b[slotLength-4:]) {
		return nil
	}
	if Tag(b[8:16]) != c.tag {
		return ErrForeign
	}
	c.slots[i], c.known = Position(binary.BigEndian.Uint64(b[16:])), true
	return nil
}

// move moves the cursor durably. Where it fails, the cursor may have moved on disk all the
// same, which is harmless: what it passed over is done.
func (c *cursor) move(p Position) error {
	i := 0
	if c.slots[1] < c.slots[0] {
		i = 1
	}
	if _, err := c.file.WriteAt(c.slot(p), int64(i*slotStride)); err != nil {
		return err
	}
	if err := c.file.Sync(); err != nil {
		return err
	}
	c.slots[i] = p
	return nil
}
