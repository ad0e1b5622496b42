package files_test

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"testing"
)

// painted is a picture whose corners differ: red, green, blue and white, clockwise from above left.
func painted(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{255, 0, 0, 255}
			switch {
			case x >= w/2 && y < h/2:
				c = color.NRGBA{0, 255, 0, 255}
			case x >= w/2:
				c = color.NRGBA{0, 0, 255, 255}
			case y >= h/2:
				c = color.NRGBA{255, 255, 255, 255}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// gifOf is an animation of so many frames, each of another color.
func gifOf(t testing.TB, w, h, frames int) []byte {
	t.Helper()
	palette := color.Palette{color.Black, color.White, color.RGBA{255, 0, 0, 255}, color.RGBA{0, 255, 0, 255}}
	g := &gif.GIF{LoopCount: 3}
	for i := range frames {
		m := image.NewPaletted(image.Rect(0, 0, w, h), palette)
		for p := range m.Pix {
			m.Pix[p] = byte(i % len(palette))
		}
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 10+i)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// segment is a segment of JPEG.
func segment(marker byte, body []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(body)+2))
	return append(b, body...)
}

// behindStart puts segments behind the first marker of a JPEG file.
func behindStart(file []byte, segments ...[]byte) []byte {
	out := append([]byte{}, file[:2]...)
	for _, s := range segments {
		out = append(out, s...)
	}
	return append(out, file[2:]...)
}

// exif is an Exif block with an orientation, and a place that nobody should hear of.
func exif(orientation int, order binary.AppendByteOrder) []byte {
	b := []byte("II*\x00")
	if order.String() == binary.BigEndian.String() {
		b = []byte("MM\x00*")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	b = append(order.AppendUint32(order.AppendUint16(order.AppendUint16(b, 0x010e), 2), 4), "home"...) // a description
	b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, 0x0112), 3), 1)
	b = order.AppendUint16(order.AppendUint16(b, uint16(orientation)), 0)
	b = order.AppendUint32(b, 0)
	return append(b, "GPS 48.2082 N 16.3738 E"...)
}

func exifSegment(orientation int) []byte {
	return segment(0xe1, append([]byte("Exif\x00\x00"), exif(orientation, binary.BigEndian)...))
}

// pngChunk is a chunk of PNG.
func pngChunk(name string, body []byte) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), name...)
	b = append(b, body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// behindHeader puts chunks behind the header of a PNG file.
func behindHeader(file []byte, chunks ...[]byte) []byte {
	const header = 8 + 8 + 13 + 4
	out := append([]byte{}, file[:header]...)
	for _, c := range chunks {
		out = append(out, c...)
	}
	return append(out, file[header:]...)
}

// hugePNG is a real picture of black pixels, small in the file.
func hugePNG(t testing.TB, w, h int, color, depth byte) []byte {
	t.Helper()
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(h))
	var data bytes.Buffer
	z, err := zlib.NewWriterLevel(&data, zlib.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	channels := map[byte]int{0: 1, 2: 3, 6: 4}[color]
	row := make([]byte, 1+w*channels*int(depth)/8)
	for range h {
		if _, err := z.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	out := []byte("\x89PNG\r\n\x1a\n")
	out = append(out, pngChunk("IHDR", append(head, depth, color, 0, 0, 0))...)
	out = append(out, pngChunk("IDAT", data.Bytes())...)
	return append(out, pngChunk("IEND", nil)...)
}

// hugeJPEG says that it is large, and has nothing of it.
func hugeJPEG(w, h int, marker byte, scans int) []byte {
	out := []byte{0xff, 0xd8}
	out = append(out, segment(marker, []byte{8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), 1, 1, 0x11, 0})...)
	for range scans {
		out = append(out, segment(0xda, []byte{1, 1, 0, 0, 0, 0})...)
		out = append(out, 0x00, 0xff, 0x00, 0x12)
	}
	return append(out, 0xff, 0xd9)
}

// hugeGIF says that its frames are large.
func hugeGIF(w, h, frames int) []byte {
	out := append([]byte("GIF89a"), byte(w), byte(w>>8), byte(h), byte(h>>8), 0, 0, 0)
	for range frames {
		out = append(out, 0x2c, 0, 0, 0, 0, byte(w), byte(w>>8), byte(h), byte(h>>8), 0, 2, 1, 0x44, 0)
	}
	return append(out, 0x3b)
}

// riff is a RIFF file of chunks.
func riff(form string, chunks ...[]byte) []byte {
	body := []byte(form)
	for _, c := range chunks {
		body = append(body, c...)
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func riffChunk(name string, body []byte) []byte {
	b := append(binary.LittleEndian.AppendUint32([]byte(name), uint32(len(body))), body...)
	if len(body)%2 != 0 {
		b = append(b, 0)
	}
	return b
}

// lossless is the chunk of a lossless WebP picture of one color: no transform, no cache, one group
// of codes, each with one symbol, so that pixels take no bits at all.
func lossless(w, h int, c color.NRGBA) []byte {
	var bits bitWriter
	bits.put(uint64(w-1), 14)
	bits.put(uint64(h-1), 14)
	bits.put(1, 1) // transparency is used
	bits.put(0, 3)
	bits.put(0, 1) // no transform
	bits.put(0, 1) // no color cache
	bits.put(0, 1) // no groups
	for _, symbol := range []byte{c.G, c.R, c.B, c.A, 0} {
		bits.put(1, 1) // a simple code
		bits.put(0, 1) // of one symbol
		bits.put(1, 1) // that takes 8 bits
		bits.put(uint64(symbol), 8)
	}
	return riffChunk("VP8L", append([]byte{0x2f}, bits.bytes()...))
}

// A bitWriter writes bits, the lowest first.
type bitWriter struct {
	done []byte
	held uint64
	n    int
}

func (b *bitWriter) put(v uint64, bits int) {
	b.held |= v << b.n
	for b.n += bits; b.n >= 8; b.n -= 8 {
		b.done = append(b.done, byte(b.held))
		b.held >>= 8
	}
}

func (b *bitWriter) bytes() []byte { return append(b.done, byte(b.held), 0, 0, 0, 0) }

// extended is the first chunk of a WebP file with more than its pixels.
func extended(flags byte, w, h int) []byte {
	b := []byte{flags, 0, 0, 0, byte(w - 1), byte((w - 1) >> 8), byte((w - 1) >> 16), byte(h - 1), byte((h - 1) >> 8), byte((h - 1) >> 16)}
	return riffChunk("VP8X", b)
}

// box is a box of MP4.
func box(name string, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), name...), body...)
}

// movieOf is an MP4 file with tracks of these handlers that plays so many milliseconds.
func movieOf(brand string, millis uint32, media []byte, handlers ...string) []byte {
	head := make([]byte, 100)
	binary.BigEndian.PutUint32(head[12:], 1000)
	binary.BigEndian.PutUint32(head[16:], millis)
	tracks := [][]byte{box("mvhd", head)}
	for _, h := range handlers {
		tracks = append(tracks, box("trak", box("tkhd", make([]byte, 84)), box("mdia", box("mdhd", make([]byte, 24)), box("hdlr", make([]byte, 8), []byte(h), make([]byte, 13)))))
	}
	return bytes.Join([][]byte{box("ftyp", []byte(brand), make([]byte, 4), []byte("isom")), box("moov", tracks...), box("mdat", media)}, nil)
}

// recordingOf is an MP4 file as a browser records it: a second in each fragment, whose samples of 20
// ms say so themselves, in the head of the fragment, or nowhere but in the beginning.
func recordingOf(seconds int, where string) []byte {
	number := func(n ...uint32) (b []byte) {
		for _, v := range n {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		return b
	}
	const rate, step = 48_000, 960
	usual := uint32(0)
	if where == "beginning" {
		usual = step
	}
	parts := [][]byte{box("ftyp", []byte("iso5"), make([]byte, 4)), box("moov",
		box("mvhd", number(0, 0, 0, 1000, 0), make([]byte, 80)),
		box("trak", box("tkhd", number(7, 0, 0, 2), make([]byte, 68)), box("mdia", box("mdhd", number(0, 0, 0, rate, 0), make([]byte, 4)), box("hdlr", make([]byte, 8), []byte("soun"), make([]byte, 13)))),
		box("mvex", box("trex", number(0, 2, 1, usual, 0, 0))))}
	for range seconds {
		head, run := number(0x020000, 2), number(0x000001, 50, 0)
		switch where {
		case "fragment":
			head = number(0x020008|2, 2, 1, step)
		case "sample":
			run = number(0x000301, 50, 0)
			for range 50 {
				run = append(run, number(step, 100)...)
			}
		}
		parts = append(parts, box("moof", box("mfhd", number(0, 1)), box("traf", box("tfhd", head), box("tfdt", number(0, 0)), box("trun", run))), box("mdat", make([]byte, 500)))
	}
	return bytes.Join(parts, nil)
}

// element is an element of WebM.
func element(id uint32, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(append(elementID(id), 0x08), uint32(len(body))), body...)
}

func elementID(id uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, id)
	for b[0] == 0 {
		b = b[1:]
	}
	return b
}

// endless is an element whose size is not known.
func endless(id uint32, parts ...[]byte) []byte {
	return append(append(elementID(id), 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), bytes.Join(parts, nil)...)
}

// webmOf is a WebM file as a browser records it, without lengths, with a block each 20 ms.
func webmOf(docType string, millis int, kinds ...byte) []byte {
	var tracks []byte
	for _, k := range kinds {
		tracks = append(tracks, element(0xae, element(0x83, []byte{k}))...)
	}
	parts := [][]byte{
		element(0x1549a966, element(0x2ad7b1, []byte{0x0f, 0x42, 0x40})),
		element(0x1654ae6b, tracks),
	}
	for at := 0; at <= millis; at += 1000 {
		parts = append(parts, endless(0x1f43b675, element(0xe7, []byte{byte(at >> 8), byte(at)})))
		for within := 0; within < 1000 && at+within <= millis; within += 20 {
			parts = append(parts, element(0xa3, []byte{0x81, byte(within >> 8), byte(within), 0x80, 1, 2, 3, 4}))
		}
	}
	head := element(0x1a45dfa3, element(0x4282, []byte(docType)))
	return append(head, endless(0x18538067, parts...)...)
}

// page is a page of Ogg.
func page(flags byte, position uint64, body []byte) []byte {
	b := append([]byte("OggS\x00"), flags)
	b = binary.LittleEndian.AppendUint64(b, position)
	b = append(b, make([]byte, 12)...)
	lengths := bytes.Repeat([]byte{255}, len(body)/255)
	lengths = append(lengths, byte(len(body)%255))
	b = append(append(b, byte(len(lengths))), lengths...)
	return append(b, body...)
}

// opusOf is an Ogg file with a stream of Opus that plays so many milliseconds.
func opusOf(millis int) []byte {
	const early = 312
	head := append([]byte("OpusHead\x01\x01"), early&0xff, early>>8, 0x80, 0xbb, 0, 0, 0, 0, 0)
	out := append(page(2, 0, head), page(0, 0, []byte("OpusTags\x00\x00\x00\x00\x00\x00\x00\x00"))...)
	for at := 20; at <= millis; at += 20 {
		out = append(out, page(0, uint64(early+48*at), bytes.Repeat([]byte{7}, 300))...)
	}
	return out
}

// wavOf is a WAV file that plays so many milliseconds.
func wavOf(millis int) []byte {
	f := binary.LittleEndian.AppendUint16(nil, 1)
	f = binary.LittleEndian.AppendUint16(f, 1)
	f = binary.LittleEndian.AppendUint32(f, 8000)
	f = binary.LittleEndian.AppendUint32(f, 16_000)
	f = append(f, 2, 0, 16, 0)
	return riff("WAVE", riffChunk("fmt ", f), riffChunk("data", make([]byte, 16*millis)))
}

// mp3Of has so many frames of 26 ms: MPEG 1, 128 kbit/s, 44,100 Hz.
func mp3Of(frames int, tag []byte) []byte {
	out := append([]byte{}, tag...)
	for range frames {
		out = append(out, append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 413)...)...)
	}
	return out
}

func id3(size int) []byte {
	return append([]byte{'I', 'D', '3', 4, 0, 0, 0, 0, byte(size >> 7), byte(size & 0x7f)}, make([]byte, size)...)
}

// aacOf has so many frames of 1024 samples at 44,100 Hz.
func aacOf(frames int) []byte {
	const length = 100
	var out []byte
	for range frames {
		out = append(out, append([]byte{0xff, 0xf1, 4<<2 | 1<<6, 0x80 | length>>11, length >> 3 & 0xff, length << 5 & 0xff, 0xfc}, make([]byte, length-7)...)...)
	}
	return out
}

func flacOf(seconds int) []byte {
	info := make([]byte, 34)
	const rate = 44_100
	info[10], info[11], info[12] = rate>>12, rate>>4&0xff, rate<<4&0xf0
	binary.BigEndian.PutUint32(info[14:], uint32(rate*seconds))
	return append(append([]byte("fLaC"), 0x80, 0, 0, 34), append(info, make([]byte, 500)...)...)
}

func zipOf(t testing.TB, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// near reports whether two colors look the same.
func near(a, b color.Color) bool {
	ar, ag, ab, aa := a.RGBA()
	br, bg, bb, ba := b.RGBA()
	far := func(x, y uint32) bool { return math.Abs(float64(x)-float64(y)) > 0x3000 }
	return !far(ar, br) && !far(ag, bg) && !far(ab, bb) && !far(aa, ba)
}
