package files

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// examineOgg walks an Ogg file, page by page to its end.
func examineOgg(c content) (format, error) {
	r, err := c.from(0)
	if err != nil {
		return format{}, err
	}
	f := format{family: sound, kind: "audio/ogg"}
	var rate, early float64 // samples a second, and samples that are not played
	var samples int64
	known := false
	for left := c.size; left > 0; {
		page, body, err := oggPage(r)
		if err != nil {
			return format{}, err
		}
		left -= int64(len(page) + len(body))
		if page[5]&2 == 0 { // not the first of its stream
			if at := int64(binary.LittleEndian.Uint64(page[6:])); at > samples {
				samples = at
			}
			continue
		}
		switch {
		case bytes.HasPrefix(body, []byte("\x80theora")):
			f, known = format{family: video, kind: "video/ogg"}, true
		case bytes.HasPrefix(body, []byte("OpusHead")) && len(body) >= 12:
			rate, early, known = 48_000, float64(binary.LittleEndian.Uint16(body[10:])), true
		case bytes.HasPrefix(body, []byte("\x01vorbis")) && len(body) >= 16:
			rate, known = float64(binary.LittleEndian.Uint32(body[12:])), true
		case bytes.HasPrefix(body, []byte("Speex   ")), bytes.HasPrefix(body, []byte("\x7fFLAC")):
			known = true
		}
	}
	if !known {
		return format{}, ErrType
	}
	if rate > 0 && f.family == sound {
		f.seconds = seconds((float64(samples) - early) / rate)
	}
	return f, nil
}

// oggPage reads a page: its head with the table of lengths, and its body.
func oggPage(r *bufio.Reader) (page, body []byte, err error) {
	page = make([]byte, 27, 27+255)
	if _, err := io.ReadFull(r, page); err != nil {
		return nil, nil, err
	}
	if string(page[:4]) != "OggS" || page[4] != 0 {
		return nil, nil, malformed("a page of an Ogg file")
	}
	page = page[:27+int(page[26])]
	if _, err := io.ReadFull(r, page[27:]); err != nil {
		return nil, nil, err
	}
	length := 0
	for _, n := range page[27:] {
		length += int(n)
	}
	body = make([]byte, length)
	_, err = io.ReadFull(r, body)
	return page, body, err
}

// examineWAV walks the chunks of a WAV file. Recorders that do not know its length at first write
// one that is too large for the last chunk.
func examineWAV(c content) (format, error) {
	r, err := c.from(12)
	if err != nil {
		return format{}, err
	}
	f := format{family: sound, kind: "audio/wav"}
	var perSecond, data int64
	for left := c.size - 12; left >= 8; {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return format{}, err
		}
		left -= 8
		length := int64(binary.LittleEndian.Uint32(head[4:]))
		switch string(head[:4]) {
		case "fmt ":
			b := make([]byte, min(length, 16))
			if _, err := io.ReadFull(r, b); err != nil || len(b) < 16 {
				return format{}, errors.Join(err, malformed("the format of a WAV file"))
			}
			perSecond = int64(binary.LittleEndian.Uint32(b[8:]))
			length, left = length-16, left-16
		case "data":
			length = min(length, left)
			data += length
		}
		if length += length & 1; length == left+1 {
			length = left // some writers leave out the last byte of filling
		}
		if length > left {
			return format{}, malformed("a chunk of a WAV file")
		}
		if err := skip(r, length); err != nil {
			return format{}, err
		}
		left -= length
	}
	if perSecond == 0 || data == 0 {
		return format{}, malformed("no sound in a WAV file")
	}
	f.seconds = seconds(float64(data) / float64(perSecond))
	return f, nil
}

// examineFLAC reads the first block of a FLAC file.
func examineFLAC(c content) (format, error) {
	r, err := c.from(4)
	if err != nil {
		return format{}, err
	}
	var b [38]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return format{}, err
	}
	info := b[4:]
	rate := uint32(info[10])<<12 | uint32(info[11])<<4 | uint32(info[12])>>4
	samples := int64(info[13]&0xf)<<32 | int64(binary.BigEndian.Uint32(info[14:]))
	if b[0]&0x7f != 0 || b[1] != 0 || b[2] != 0 || b[3] != 34 || rate == 0 {
		return format{}, malformed("the first block of a FLAC file")
	}
	return format{family: sound, kind: "audio/flac", seconds: seconds(float64(samples) / float64(rate))}, nil
}

// leastFrames is how many frames make a file one of MP3 or AAC: a few bytes that look like one are
// in many files.
const leastFrames = 3

// examineFrames reads MP3 and AAC, which are frames one behind the other, behind a tag where there
// is one. What follows the last frame is a tag too, and is not looked at.
func examineFrames(c content) (format, error) {
	at, err := id3Size(c)
	if err != nil {
		return format{}, err
	}
	r, err := c.from(at)
	if err != nil {
		return format{}, err
	}
	var kind string
	var played float64
	for frames := 0; ; frames++ {
		head, err := r.Peek(7)
		if err != nil && !errors.Is(err, io.EOF) {
			return format{}, err
		}
		k, length, s := soundFrame(head)
		if frames == 0 {
			kind = k
		}
		if length == 0 || k != kind {
			if frames < leastFrames {
				return format{}, ErrType
			}
			return format{family: sound, kind: kind, seconds: seconds(played)}, nil
		}
		if n, err := r.Discard(length); err != nil {
			if !errors.Is(err, io.EOF) || frames < leastFrames {
				return format{}, err
			}
			// The last frame was cut off, as happens where a recording stops.
			return format{family: sound, kind: kind, seconds: seconds(played + s*float64(n)/float64(length))}, nil
		}
		played += s
	}
}

// id3Size returns how long the ID3 tag is in front of a file.
func id3Size(c content) (int64, error) {
	r, err := c.from(0)
	if err != nil {
		return 0, err
	}
	b, err := r.Peek(10)
	if err != nil {
		return 0, err
	}
	if !bytes.HasPrefix(b, []byte("ID3")) {
		return 0, nil
	}
	n := int64(10)
	for i, v := range b[6:10] {
		if v&0x80 != 0 {
			return 0, malformed("a tag of an MP3 file")
		}
		n += int64(v) << (7 * (3 - i))
	}
	if b[5]&0x10 != 0 {
		n += 10 // it is repeated at the end of the tag
	}
	if n > c.size {
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}

var (
	mp3Rates1 = [16]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0} // kbit/s, layer 3 of MPEG 1
	mp3Rates2 = [16]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0}     // of MPEG 2
	mp3Hertz  = [4]int{44_100, 48_000, 32_000, 0}
	aacHertz  = [16]int{96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350, 0, 0, 0}
)

// soundFrame reads the head of a frame: its media type, its length in bytes, and how long it plays.
// The length is 0 where it is none.
func soundFrame(b []byte) (kind string, length int, seconds float64) {
	if len(b) < 7 || b[0] != 0xff {
		return "", 0, 0
	}
	if b[1]&0xf6 == 0xf0 { // ADTS
		hertz := aacHertz[b[2]>>2&0xf]
		length = int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5])>>5
		if hertz == 0 || length < 7 {
			return "", 0, 0
		}
		return "audio/aac", length, 1024 / float64(hertz)
	}
	version, layer := b[1]>>3&3, b[1]>>1&3
	if b[1]&0xe0 != 0xe0 || version == 1 || layer != 1 {
		return "", 0, 0
	}
	rates, samples, hertz := &mp3Rates1, 1152, mp3Hertz[b[2]>>2&3]
	if version != 3 {
		rates, samples, hertz = &mp3Rates2, 576, hertz/2
	}
	if version == 0 {
		hertz /= 2
	}
	rate := rates[b[2]>>4]
	if rate == 0 || hertz == 0 {
		return "", 0, 0
	}
	return "audio/mpeg", samples/8*rate*1000/hertz + int(b[2]>>1&1), float64(samples) / float64(hertz)
}
