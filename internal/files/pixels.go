package files

import (
	"bufio"
	"encoding/binary"
	"io"
)

// A frame is what a picture says of itself, before anything is decoded.
type frame struct {
	width, height int
	memory        int64 // bytes that decoding and turning it take, at most
	orientation   int   // as Exif has it, 1 to 8; 0 where it says nothing
	alpha         bool  // of WebP: it may be transparent
}

const (
	// maxPixels is how many pixels a picture has at most: more than most phones make.
	maxPixels = 40_000_000
	// maxSide is how many of them lie in one line.
	maxSide = 32_000
	// maxPlayed is how many pixels the frames of an animation have together.
	maxPlayed = 100_000_000
	// maxFrames is how many frames an animation has.
	maxFrames = 2_000
)

// check refuses pictures that would take too much.
func (f frame) check() error {
	if f.width > maxSide || f.height > maxSide || int64(f.width)*int64(f.height) > maxPixels || f.memory > decodeMemory {
		return ErrPixels
	}
	return nil
}

// Chunks of PNG are of at most maxHeadChunk bytes where they are read as a whole.
const maxHeadChunk = 64 << 10

// scanPNG walks a picture to its end.
func scanPNG(r *bufio.Reader) (f frame, err error) {
	if _, err := r.Discard(8); err != nil {
		return frame{}, err
	}
	for first := true; ; first = false {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return frame{}, err
		}
		length, name := int64(binary.BigEndian.Uint32(head[:])), string(head[4:])
		if first != (name == "IHDR") {
			return frame{}, malformed("a chunk of a PNG file")
		}
		if name == "IEND" {
			if f.orientation > 1 {
				f.memory += 8 * int64(f.width) * int64(f.height)
			}
			return f, nil
		}
		if (name == "IHDR" || name == "eXIf") && length <= maxHeadChunk {
			b := make([]byte, length)
			if _, err := io.ReadFull(r, b); err != nil {
				return frame{}, err
			}
			if name == "eXIf" {
				f.orientation = orientationIn(b)
			} else if f, err = pngFrame(b); err != nil {
				return frame{}, err
			}
			length = 0
		}
		// Behind a chunk stands its checksum.
		if err := skip(r, length+4); err != nil {
			return frame{}, err
		}
	}
}

// pngFrame reads the header of a picture.
func pngFrame(b []byte) (frame, error) {
	if len(b) != 13 {
		return frame{}, malformed("the header of a PNG file")
	}
	w, h := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if w == 0 || h == 0 || w > 1<<30 || h > 1<<30 {
		return frame{}, malformed("the header of a PNG file")
	}
	depth, color := b[8], b[9]
	perPixel := int64(4)
	switch {
	case depth == 16:
		perPixel = 12 // and what it becomes with 8 bits
	case color == 3: // a palette
		perPixel = 1
	}
	f := frame{width: int(w), height: int(h)}
	if f.width > maxSide || f.height > maxSide {
		return frame{}, ErrPixels // what is computed with it stays small
	}
	f.memory = int64(w) * int64(h) * perPixel
	if b[12] != 0 { // interlaced: a part of it is there twice
		f.memory += f.memory / 2
	}
	return f, nil
}

// scanGIF walks an animation to its end.
func scanGIF(r *bufio.Reader) (f frame, err error) {
	var head [13]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	f.width, f.height = int(binary.LittleEndian.Uint16(head[6:])), int(binary.LittleEndian.Uint16(head[8:]))
	if err := skipColors(r, head[10]); err != nil {
		return frame{}, err
	}
	frames := 0
	for {
		kind, err := r.ReadByte()
		if err != nil {
			return frame{}, err
		}
		switch kind {
		case 0x3b: // the end
			if frames == 0 || f.width == 0 || f.height == 0 {
				return frame{}, malformed("no picture in a GIF file")
			}
			return f, nil
		case 0x21: // an extension: a byte says which
			_, err = r.Discard(1)
		case 0x2c:
			var pixels int64
			pixels, err = gifImage(r)
			f.memory += pixels
			if frames++; frames > maxFrames || f.memory > maxPlayed {
				return frame{}, ErrPixels
			}
		default:
			err = malformed("a block of a GIF file")
		}
		if err == nil {
			err = skipBlocks(r)
		}
		if err != nil {
			return frame{}, err
		}
	}
}

// gifImage reads the head of one frame and returns how many pixels it has.
func gifImage(r *bufio.Reader) (int64, error) {
	var b [9]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, err
	}
	if err := skipColors(r, b[8]); err != nil {
		return 0, err
	}
	_, err := r.Discard(1) // the size of the first codes
	return int64(binary.LittleEndian.Uint16(b[4:])) * int64(binary.LittleEndian.Uint16(b[6:])), err
}

// skip passes over bytes that have to be there.
func skip(r *bufio.Reader, bytes int64) error {
	if bytes > MaxBytes {
		return io.ErrUnexpectedEOF
	}
	_, err := r.Discard(int(bytes))
	return err
}

// skipColors passes over a table of colors, where the flags say that there is one.
func skipColors(r *bufio.Reader, flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	_, err := r.Discard(3 << (flags&7 + 1))
	return err
}

// skipBlocks passes over blocks that each begin with their length, to an empty one.
func skipBlocks(r *bufio.Reader) error {
	for {
		n, err := r.ReadByte()
		if err != nil || n == 0 {
			return err
		}
		if _, err := r.Discard(int(n)); err != nil {
			return err
		}
	}
}

// scanWebP walks a picture to its end.
func scanWebP(r *bufio.Reader) (f frame, err error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	left := int64(binary.LittleEndian.Uint32(head[4:])) - 4
	orientation, lossless := 0, false
	for left >= 8 {
		var b [8]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return frame{}, err
		}
		name, length := string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:]))
		padded := length + length&1
		if left -= 8 + padded; left < 0 && left != -(length&1) {
			return frame{}, malformed("a chunk of a WebP file")
		}
		part, err := chunkHead(r, name, length)
		if err != nil {
			return frame{}, err
		}
		switch name {
		case "EXIF":
			orientation = orientationIn(part)
		case "VP8X", "VP8 ", "VP8L":
			w, h, err := webpSize(name, part)
			if err != nil {
				return frame{}, err
			}
			if name == "VP8X" {
				if part[0]&2 != 0 {
					return frame{}, errUnplaying
				}
				f.alpha = part[0]&16 != 0
			}
			f.width, f.height = max(f.width, w), max(f.height, h)
			lossless = lossless || name == "VP8L"
		}
		if err := skip(r, length-int64(len(part))); err != nil {
			return frame{}, err
		}
		if padded != length {
			_, _ = r.Discard(1) // some writers leave out the last one
		}
	}
	if f.width == 0 || f.height == 0 {
		return frame{}, malformed("no picture in a WebP file")
	}
	perPixel := int64(6) // what is decoded, and what is made of it
	if f.alpha || lossless {
		f.alpha, perPixel = true, 11
	}
	if orientation > 1 {
		perPixel += 4
	}
	f.orientation, f.memory = orientation, perPixel*blocks(f.width)*blocks(f.height)
	return f, nil
}

// chunkHead reads what is needed of a chunk of WebP: its size, or all of the camera's notes.
func chunkHead(r *bufio.Reader, name string, length int64) ([]byte, error) {
	want := min(length, 10)
	if name == "EXIF" {
		want = min(length, maxHeadChunk)
	}
	part := make([]byte, want)
	_, err := io.ReadFull(r, part)
	return part, err
}

// webpSize reads the size of a picture out of the head of one of the chunks that have it.
func webpSize(name string, b []byte) (w, h int, err error) {
	switch {
	case name == "VP8X" && len(b) == 10:
		return 1 + int(b[4]) + int(b[5])<<8 + int(b[6])<<16, 1 + int(b[7]) + int(b[8])<<8 + int(b[9])<<16, nil
	case name == "VP8 " && len(b) == 10 && b[3] == 0x9d && b[4] == 0x01 && b[5] == 0x2a:
		return int(binary.LittleEndian.Uint16(b[6:]) & 0x3fff), int(binary.LittleEndian.Uint16(b[8:]) & 0x3fff), nil
	case name == "VP8L" && len(b) >= 5 && b[0] == 0x2f:
		bits := binary.LittleEndian.Uint32(b[1:])
		return 1 + int(bits&0x3fff), 1 + int(bits>>14&0x3fff), nil
	}
	return 0, 0, malformed("a chunk of a WebP file")
}
