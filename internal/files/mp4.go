package files

import (
	"encoding/binary"
	"io"
	"slices"
)

const (
	// maxBoxes bounds how many boxes of an MP4 file are looked at.
	maxBoxes = 20_000
	// maxDepth is how deep they lie in each other.
	maxDepth = 8
	// maxSeconds is the longest that a file may say that it plays.
	maxSeconds = 24 * 3600
)

// stillBrands are those of pictures and camera files in the same container.
var stillBrands = []string{"heic", "heix", "heim", "heis", "hevc", "mif1", "msf1", "avif", "avis", "crx ", "jp2 ", "jpx "}

// A movie is what the boxes of an MP4 file say.
type movie struct {
	content   content
	boxes     int
	depth     int
	brand     string
	hasVideo  bool
	hasSound  bool
	timescale float64
	duration  float64 // in units of timescale

	tracks  map[uint32]*track
	current *track // that the boxes are about; nil where none is known
	usual   uint32 // duration of a sample of the fragment
}

// examineMP4 walks an MP4 or QuickTime file: boxes from its first byte to its last, with at least
// one track that is played.
func examineMP4(c content) (format, error) {
	m := movie{content: c}
	if err := m.walk(0, c.size, m.outer); err != nil {
		return format{}, err
	}
	f := format{family: sound, kind: "audio/mp4"}
	switch {
	case slices.Contains(stillBrands, m.brand), !m.hasVideo && !m.hasSound:
		return format{}, ErrType
	case m.hasVideo && m.brand == "qt  ":
		f = format{family: video, kind: "video/quicktime"}
	case m.hasVideo:
		f = format{family: video, kind: "video/mp4"}
	}
	if m.timescale > 0 {
		f.seconds = seconds(m.duration / m.timescale)
	}
	if f.seconds == 0 {
		f.seconds = seconds(m.played())
	}
	return f, nil
}

// walk calls each for the boxes between two places of the file, which they fill.
func (m *movie) walk(from, to int64, each func(name string, from, to int64) error) error {
	if m.depth++; m.depth > maxDepth {
		return malformed("boxes in boxes of an MP4 file")
	}
	defer func() { m.depth-- }()
	for from < to {
		if m.boxes++; m.boxes > maxBoxes {
			return malformed("too many boxes in an MP4 file")
		}
		b, err := m.read(from, min(16, to-from))
		if err != nil {
			return err
		}
		if len(b) < 8 {
			return malformed("the end of an MP4 file")
		}
		length, head := int64(binary.BigEndian.Uint32(b)), int64(8)
		switch {
		case length == 0: // to the end
			length = to - from
		case length == 1 && len(b) == 16:
			length, head = int64(binary.BigEndian.Uint64(b[8:])), 16
		}
		if length < head || length > to-from {
			return malformed("a box of an MP4 file")
		}
		if err := each(string(b[4:8]), from+head, from+length); err != nil {
			return err
		}
		from += length
	}
	return nil
}

func (m *movie) read(at, n int64) ([]byte, error) {
	if _, err := m.content.Seek(at, io.SeekStart); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err := io.ReadFull(m.content, b)
	return b, err
}

func (m *movie) outer(name string, from, to int64) error {
	switch name {
	case "ftyp":
		b, err := m.read(from, min(4, to-from))
		m.brand = string(b)
		return err
	case "moov":
		return m.walk(from, to, m.inMovie)
	case "moof":
		return m.walk(from, to, m.fragments)
	}
	for _, c := range []byte(name) {
		if c < ' ' || c > '~' {
			return malformed("the name of a box of an MP4 file")
		}
	}
	return nil
}

func (m *movie) inMovie(name string, from, to int64) error {
	switch name {
	case "mvhd":
		return m.header(from, to)
	case "mvex":
		return m.walk(from, to, m.extends)
	case "tkhd":
		return m.trackHead(from, to)
	case "mdhd":
		return m.mediaHead(from, to)
	case "trak", "mdia":
		return m.walk(from, to, m.inMovie)
	case "hdlr":
		b, err := m.read(from, min(12, to-from))
		if err != nil || len(b) < 12 {
			return err
		}
		m.hasVideo = m.hasVideo || string(b[8:]) == "vide"
		m.hasSound = m.hasSound || string(b[8:]) == "soun"
	}
	return nil
}

// header reads how long it plays.
func (m *movie) header(from, to int64) error {
	b, err := m.read(from, min(32, to-from))
	if err != nil {
		return err
	}
	switch {
	case len(b) >= 20 && b[0] == 0:
		m.timescale, m.duration = float64(binary.BigEndian.Uint32(b[12:])), float64(binary.BigEndian.Uint32(b[16:]))
	case len(b) >= 32 && b[0] == 1:
		m.timescale, m.duration = float64(binary.BigEndian.Uint32(b[20:])), float64(binary.BigEndian.Uint64(b[24:]))
	}
	return nil
}

// seconds returns how long something plays in whole milliseconds; 0 where that cannot be.
func seconds(s float64) float64 {
	if !(s > 0) || s > maxSeconds {
		return 0
	}
	return float64(int64(s*1000+0.5)) / 1000
}
