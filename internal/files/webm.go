package files

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
)

// Elements of WebM.
const (
	ebmlHead     = 0x1a45dfa3
	ebmlDocType  = 0x4282
	webmSegment  = 0x18538067
	webmInfo     = 0x1549a966
	webmScale    = 0x2ad7b1
	webmDuration = 0x4489
	webmTracks   = 0x1654ae6b
	webmTrack    = 0xae
	webmKind     = 0x83
	webmCluster  = 0x1f43b675
	webmTime     = 0xe7
	webmGroup    = 0xa0
	webmBlock    = 0xa1
	webmSimple   = 0xa3
)

// unknownSize is that of an element which ends where one of its parents begins anew.
const unknownSize = -1

// maxWebMValue is the longest value of an element that is read.
const maxWebMValue = 64

// A webm is what the elements of a WebM file say.
type webm struct {
	r        *bufio.Reader
	left     int64 // bytes of the file
	docType  string
	video    bool
	sound    bool
	segments int
	scale    float64 // nanoseconds of a tick
	duration float64 // ticks
	cluster  float64 // ticks at which the cluster begins
	last     float64 // ticks of the last block
}

// examineWebM walks a WebM file to its end. Recorders in browsers write it without lengths and
// without a duration: that follows from the last block.
func examineWebM(c content) (format, error) {
	r, err := c.from(0)
	if err != nil {
		return format{}, err
	}
	w := &webm{r: r, left: c.size, scale: 1e6}
	for w.left > 0 {
		if err := w.element(); err != nil {
			return format{}, err
		}
	}
	f := format{family: sound, kind: "audio/webm"}
	switch {
	case w.docType != "webm" || !w.video && !w.sound:
		return format{}, ErrType
	case w.video:
		f = format{family: video, kind: "video/webm"}
	}
	f.seconds = seconds(max(w.duration, w.last) * w.scale / 1e9)
	return f, nil
}

// element reads one element, or the head of one whose parts are looked at: those follow it, as if
// they stood beside it.
func (w *webm) element() error {
	id, err := w.number(false)
	if err != nil {
		return err
	}
	size, err := w.number(true)
	if err != nil {
		return err
	}
	if size == unknownSize && id != webmSegment && id != webmCluster || size > w.left && id != webmSegment {
		return malformed("an element of a WebM file")
	}
	switch id {
	case webmSegment:
		if w.segments++; w.segments > 1 || w.docType == "" {
			return malformed("the segment of a WebM file")
		}
		return nil
	case ebmlHead, webmInfo, webmTracks, webmTrack, webmCluster, webmGroup:
		return nil
	case ebmlDocType, webmScale, webmDuration, webmKind, webmTime:
		return w.value(id, size)
	case webmBlock, webmSimple:
		return w.block(size)
	}
	if w.segments == 0 && w.left < size {
		return malformed("the head of a WebM file")
	}
	return w.skip(size)
}

// number reads a number of variable length: of an element's size without its mark.
func (w *webm) number(size bool) (int64, error) {
	first, err := w.r.ReadByte()
	if err != nil {
		return 0, err
	}
	length := 1
	for mark := byte(0x80); length <= 8 && first&mark == 0; mark >>= 1 {
		length++
	}
	if length > 8 || !size && length > 4 || int64(length) > w.left {
		return 0, malformed("a number of a WebM file")
	}
	n, ones := int64(first), true
	if size {
		n &= 0xff >> length
		ones = n == 0xff>>length
	}
	for range length - 1 {
		b, err := w.r.ReadByte()
		if err != nil {
			return 0, err
		}
		n, ones = n<<8|int64(b), ones && b == 0xff
	}
	w.left -= int64(length)
	if size && ones {
		return unknownSize, nil
	}
	return n, nil
}

func (w *webm) value(id, size int64) error {
	if size > maxWebMValue {
		return malformed("a value of a WebM file")
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(w.r, b); err != nil {
		return err
	}
	w.left -= size
	switch id {
	case ebmlDocType:
		w.docType = string(b)
	case webmScale:
		w.scale = float64(unsigned(b))
	case webmDuration:
		w.duration = float(b)
	case webmTime:
		w.cluster = float64(unsigned(b))
	case webmKind:
		w.video = w.video || unsigned(b) == 1
		w.sound = w.sound || unsigned(b) == 2
	}
	return nil
}

// block reads when a block is played: ticks behind the beginning of its cluster.
func (w *webm) block(size int64) error {
	before := w.left
	if _, err := w.number(true); err != nil { // the track
		return err
	}
	var b [2]byte
	if _, err := io.ReadFull(w.r, b[:]); err != nil {
		return err
	}
	w.left -= 2
	w.last = max(w.last, w.cluster+float64(int16(binary.BigEndian.Uint16(b[:]))))
	return w.skip(size - (before - w.left))
}

func (w *webm) skip(n int64) error {
	if n < 0 || n > w.left {
		return malformed("an element of a WebM file")
	}
	w.left -= n
	return skip(w.r, n)
}

func unsigned(b []byte) (n uint64) {
	for _, v := range b {
		n = n<<8 | uint64(v)
	}
	return n
}

func float(b []byte) float64 {
	switch len(b) {
	case 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case 8:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}
