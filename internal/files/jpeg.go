package files

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// maxScans bounds the passes over a progressive picture. Encoders make about ten; each costs the
// time of the whole picture, however small it is in the file.
const maxScans = 64

// Markers of JPEG.
const (
	jpegSOF0 = 0xc0 // baseline
	jpegSOF1 = 0xc1 // extended
	jpegSOF2 = 0xc2 // progressive
	jpegDHT  = 0xc4
	jpegJPG  = 0xc8
	jpegDAC  = 0xcc
	jpegRST0 = 0xd0
	jpegRST7 = 0xd7
	jpegSOI  = 0xd8
	jpegEOI  = 0xd9
	jpegSOS  = 0xda
	jpegAPP1 = 0xe1
	jpegAPPE = 0xee
	jpegTEM  = 0x01
)

// A jpegHead is what the segments of a picture say.
type jpegHead struct {
	width, height int
	orientation   int
	components    []byte // three bytes each: name, sampling, table
	progressive   bool
	rgb           bool
	scans         int
}

// scanJPEG walks a picture to its end.
func scanJPEG(r *bufio.Reader) (frame, error) {
	if _, err := r.Discard(2); err != nil {
		return frame{}, err
	}
	var h jpegHead
	for {
		marker, err := nextMarker(r)
		switch {
		case err != nil:
			return frame{}, err
		case marker == jpegEOI:
			return h.frame()
		case marker == jpegTEM, marker >= jpegRST0 && marker <= jpegRST7:
			continue
		case marker == jpegSOI:
			return frame{}, malformed("a JPEG file in a JPEG file")
		case marker == jpegSOS:
			if h.scans++; h.scans > maxScans {
				return frame{}, ErrPixels
			}
		}
		if err := h.segment(r, marker); err != nil {
			return frame{}, err
		}
	}
}

// nextMarker passes over entropy-coded data to the next marker.
func nextMarker(r *bufio.Reader) (byte, error) {
	for {
		b, err := r.ReadByte()
		for err == nil && b != 0xff {
			b, err = r.ReadByte()
		}
		for err == nil && b == 0xff {
			b, err = r.ReadByte()
		}
		if err != nil || b != 0 {
			return b, err
		}
	}
}

func (h *jpegHead) segment(r *bufio.Reader, marker byte) error {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint16(length[:])) - 2
	if n < 0 {
		return malformed("a segment of a JPEG file")
	}
	sizes := marker >= jpegSOF0 && marker <= 0xcf && marker != jpegDHT && marker != jpegJPG && marker != jpegDAC
	if !sizes && marker != jpegAPP1 && marker != jpegAPPE {
		_, err := r.Discard(n)
		return err
	}
	segment := make([]byte, n)
	if _, err := io.ReadFull(r, segment); err != nil {
		return err
	}
	if sizes {
		return h.sizes(segment, marker)
	}
	if tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok && marker == jpegAPP1 && h.orientation == 0 {
		h.orientation = orientationIn(tiff)
	}
	if bytes.HasPrefix(segment, []byte("Adobe")) && marker == jpegAPPE && n >= 12 && segment[11] == 0 {
		h.rgb = true
	}
	return nil
}

// sizes reads the segment with the size of the picture.
func (h *jpegHead) sizes(b []byte, marker byte) error {
	if marker > jpegSOF2 {
		return malformed("a JPEG file of a rare kind")
	}
	if h.width != 0 || len(b) < 6 || b[5] == 0 || b[5] > 4 || len(b) != 6+3*int(b[5]) {
		return malformed("the frame of a JPEG file")
	}
	h.height, h.width = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	h.components, h.progressive = b[6:], marker == jpegSOF2
	if h.width == 0 || h.height == 0 {
		return malformed("the frame of a JPEG file")
	}
	return nil
}

// frame sums up what was read.
func (h *jpegHead) frame() (frame, error) {
	if h.width == 0 || h.scans == 0 {
		return frame{}, malformed("no picture in a JPEG file")
	}
	// Of each component the decoder makes whole blocks, fewer where it is sampled less.
	most, sum := int64(0), int64(0)
	names := ""
	for c := h.components; len(c) > 0; c = c[3:] {
		across, down := int64(c[1]>>4), int64(c[1]&0xf)
		if across == 0 || across > 4 || down == 0 || down > 4 {
			return frame{}, malformed("the frame of a JPEG file")
		}
		most, sum = max(most, across*down), sum+across*down
		names += string(rune(c[0]))
	}
	pixels := blocks(h.width) * blocks(h.height)
	planes := pixels * sum / most
	memory := planes
	if h.progressive {
		memory += 4 * planes // the coefficients are kept, 4 bytes each
	}
	count := int64(len(h.components) / 3)
	rgb := count == 3 && (h.rgb || names == "RGB")
	switch {
	case count == 4:
		memory += 8 * pixels // made CMYK, and RGBA
	case rgb:
		memory += 4 * pixels
	}
	usual := count == 1 || count == 3 && !rgb && sum == most+2 && most != 3
	switch {
	case h.orientation > 1 && usual:
		memory += planes
	case h.orientation > 1:
		memory += 8 * pixels
	}
	return frame{width: h.width, height: h.height, memory: memory, orientation: h.orientation}, nil
}

// blocks rounds a side of a picture up to what a decoder makes of it.
func blocks(side int) int64 { return (int64(side) + 31) / 32 * 32 }
