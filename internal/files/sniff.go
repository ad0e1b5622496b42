package files

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A family is what can be done with a file: pictures are made anew, the others stay as they are.
type family string

const (
	picture family = "picture"
	video   family = "video"
	sound   family = "sound"
)

// A format is what a file turned out to be.
type format struct {
	family  family
	kind    string  // media type
	seconds float64 // of a video or sound; 0 where it does not say
}

// extensions are the media types that files have here.
var extensions = map[string]string{
	"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif",
	"video/mp4": "mp4", "video/webm": "webm", "video/ogg": "ogv", "video/quicktime": "mov",
	"audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/ogg": "ogg", "audio/webm": "weba", "audio/wav": "wav", "audio/aac": "aac", "audio/flac": "flac",
}

// extension is what names of a media type end with; "bin" for one that is not known here.
func extension(kind string) string {
	if e, ok := extensions[kind]; ok {
		return e
	}
	return "bin"
}

// content is a file that is looked at: any part of it, more than once.
type content struct {
	io.ReadSeeker
	size int64
}

// from reads from an offset on, through a buffer.
func (c content) from(offset int64) (*bufio.Reader, error) {
	if _, err := c.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	return bufio.NewReader(c), nil
}

// headSize is how much of a file tells which kind it may be.
const headSize = 32

// sniff says what a file is, by its content alone. It is ErrType where it is nothing that is
// taken, and ErrDamaged where it begins like something that is but does not go on like it.
func sniff(c content) (format, error) {
	r, err := c.from(0)
	if err != nil {
		return format{}, err
	}
	head, err := r.Peek(headSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return format{}, err
	}
	f, err := examine(c, head)
	if err == nil {
		err = pure(c)
	}
	if err != nil {
		return format{}, damaged(err)
	}
	return f, nil
}

func examine(c content, head []byte) (format, error) {
	begins := func(at int, text string) bool { return len(head) > at && bytes.HasPrefix(head[at:], []byte(text)) }
	switch {
	case begins(0, "\xff\xd8\xff"):
		return format{family: picture, kind: "image/jpeg"}, nil
	case begins(0, "\x89PNG\r\n\x1a\n"):
		return format{family: picture, kind: "image/png"}, nil
	case begins(0, "GIF87a"), begins(0, "GIF89a"):
		return format{family: picture, kind: "image/gif"}, nil
	case begins(0, "RIFF") && begins(8, "WEBP"):
		return format{family: picture, kind: "image/webp"}, nil
	case begins(4, "ftyp"):
		return examineMP4(c)
	case begins(0, "\x1a\x45\xdf\xa3"):
		return examineWebM(c)
	case begins(0, "OggS"):
		return examineOgg(c)
	case begins(0, "RIFF") && begins(8, "WAVE"):
		return examineWAV(c)
	case begins(0, "fLaC"):
		return examineFLAC(c)
	case begins(0, "ID3"), len(head) > 1 && head[0] == 0xff && head[1]&0xe0 == 0xe0:
		return examineFrames(c)
	}
	return format{}, ErrType
}

// damaged turns the end of a file where none should be, and what a parser says of a malformed one,
// into ErrDamaged. Faults stay what they are.
func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errMalformed) {
		return ErrDamaged.Because(err)
	}
	return err
}

// errMalformed is what the parsers of this package say of a file that is not what it begins as.
var errMalformed = errors.New("malformed file")

func malformed(what string) error { return fmt.Errorf("%w: %s", errMalformed, what) }

// Signatures of what hides in a file of another kind: archives and programs, documents that run
// scripts, pages. Whoever unpacks or opens such a file under another name must not find them in
// what the server gives out.
var (
	// Anywhere. None of them is in a compressed stream by chance: six random bytes are once in 28
	// million files of 10 MB.
	hidden = [][]byte{
		[]byte("Rar!\x1a\x07"), []byte("7z\xbc\xaf\x27\x1c"), []byte("\xfd7zXZ\x00"), []byte("PK\x03\x04\x14\x00"), []byte("PK\x03\x04\x0a\x00"),
	}
	// Anywhere, in letters of either case.
	markup = [][]byte{
		[]byte("<script"), []byte("<iframe"), []byte("<object"), []byte("<!doctype html"), []byte("<html"), []byte("<body"), []byte("<svg"), []byte("<?php"),
		[]byte("<foreignobject"), []byte("javascript:"),
	}
	// In the first bytes, where readers of PDF look.
	early = []byte("%PDF-")
)

const (
	earlySize = 1 << 10
	scanSize  = 64 << 10
	// overlap is more than the longest signature has.
	overlap = 32
	// Of the end of a ZIP archive: its size without the comment, and the longest comment.
	endSize    = 22
	maxComment = 1<<16 - 1
)

// pure refuses files that are something else besides.
func pure(c content) error {
	r, err := c.from(0)
	if err != nil {
		return err
	}
	window := make([]byte, overlap+scanSize)
	lower := make([]byte, 0, len(window))
	kept := 0 // bytes of the window before, in front
	for first := true; ; first = false {
		n, err := io.ReadFull(r, window[kept:])
		part := window[:kept+n]
		if first && bytes.Contains(part[:min(len(part), earlySize)], early) {
			return ErrType
		}
		if lower = lowered(lower, part); containsAny(part, hidden) || containsAny(lower, markup) {
			return ErrType
		}
		if err != nil {
			return errors.Join(ended(err), noArchive(c))
		}
		kept = copy(window, part[len(part)-min(overlap, len(part)):])
	}
}

// ended passes over the end of a file.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func lowered(into, b []byte) []byte {
	into = into[:len(b)]
	for i, v := range b {
		if 'A' <= v && v <= 'Z' {
			v += 'a' - 'A'
		}
		into[i] = v
	}
	return into
}

func containsAny(b []byte, signatures [][]byte) bool {
	for _, s := range signatures {
		if bytes.Contains(b, s) {
			return true
		}
	}
	return false
}

// noArchive refuses files that end like a ZIP archive: with the record that readers look for from
// the end backwards, and a comment of just the length that it says.
func noArchive(c content) error {
	tail := min(c.size, endSize+maxComment)
	r, err := c.from(c.size - tail)
	if err != nil {
		return err
	}
	b := make([]byte, tail)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	for i := len(b) - endSize; i >= 0; i-- {
		if bytes.HasPrefix(b[i:], []byte("PK\x05\x06")) && int(binary.LittleEndian.Uint16(b[i+20:])) <= len(b)-i-endSize {
			return ErrType
		}
	}
	return nil
}
