package files

import (
	"bytes"
	"context"
	"image"
	"io"
)

// What the tests see of the inside.
const (
	ChunkSize       = chunkSize
	SealedChunk     = sealedChunk
	MaxOwnReceiving = maxOwnReceiving
	MaxReceiving    = maxReceiving
	MaxScans        = maxScans
	MaxSide         = maxSide
	OrphanAge       = orphanAge
	LeastAge        = leastAge
	RetryDue        = retryDue
)

// Sniff says what a file is.
func Sniff(b []byte) (kind string, seconds float64, err error) {
	f, err := sniff(content{bytes.NewReader(b), int64(len(b))})
	return f.kind, f.seconds, err
}

// Turned turns a picture.
func Turned(m image.Image, orientation int) image.Image { return turned(m, orientation) }

// SweepNow sweeps what is due, once.
func (s *Service) SweepNow(ctx context.Context) error { return s.sweep(ctx) }

// Compare compares rows and objects of one part.
func (s *Service) Compare(ctx context.Context, part byte) error { return s.compare(ctx, part) }

// Key is the key of a file's object.
func (s *Service) Key(n Name) string { return s.objectKey(n) }

// ParseFilename reads the name of a file.
func ParseFilename(file string) (Name, bool) {
	n, _, ok := parseFilename(file)
	return n, ok
}

// Memory returns how many bytes it is said that making a picture anew takes.
func Memory(b []byte) (int64, error) {
	c := content{bytes.NewReader(b), int64(len(b))}
	f, err := sniff(c)
	if err != nil {
		return 0, err
	}
	said, err := scan(f.kind, c)
	return said.memory, err
}

// Remake makes a picture anew.
func Remake(ctx context.Context, b []byte, to io.Writer) error {
	c := content{bytes.NewReader(b), int64(len(b))}
	f, err := sniff(c)
	if err == nil {
		_, err = newStudio().remake(ctx, f.kind, c, to)
	}
	return err
}
