package files_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"pryde/internal/files"
)

func picture(t *testing.T, b []byte) image.Image {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("the picture that is given out: %v", err)
	}
	return m
}

func TestNothingButPixelsStaysOfAPicture(t *testing.T) {
	w := newWorld(t)
	const secret = "48.2082"
	comment := append([]byte("Comment\x00"), secret...)
	animation := gifOf(t, 8, 8, 2)
	tagged := append(append([]byte{}, animation[:len(animation)-1]...), append(append([]byte{0x21, 0xfe, byte(len(secret))}, secret...), 0, 0x3b)...)
	for name, file := range map[string][]byte{
		"exif in jpeg":         behindStart(jpegOf(t, painted(32, 32)), exifSegment(1)),
		"comment in jpeg":      behindStart(jpegOf(t, painted(32, 32)), segment(0xfe, []byte(secret))),
		"profile in jpeg":      behindStart(jpegOf(t, painted(32, 32)), segment(0xe2, []byte("ICC_PROFILE\x00\x01\x01"+secret))),
		"xmp in jpeg":          behindStart(jpegOf(t, painted(32, 32)), segment(0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>"+secret))),
		"behind the jpeg":      append(jpegOf(t, painted(32, 32)), secret...),
		"text in png":          behindHeader(pngOf(t, painted(32, 32)), pngChunk("tEXt", comment)),
		"exif in png":          behindHeader(pngOf(t, painted(32, 32)), pngChunk("eXIf", exif(1, binary.LittleEndian))),
		"a chunk of our own":   behindHeader(pngOf(t, painted(32, 32)), pngChunk("prIv", comment)),
		"behind the png":       append(pngOf(t, painted(32, 32)), secret...),
		"comment in gif":       tagged,
		"behind the gif":       append(append([]byte{}, animation...), secret...),
		"exif in webp":         riff("WEBP", extended(8, 20, 20), lossless(20, 20, color.NRGBA{9, 9, 9, 255}), riffChunk("EXIF", exif(1, binary.LittleEndian))),
		"a strange webp chunk": riff("WEBP", extended(0, 20, 20), riffChunk("priv", comment), lossless(20, 20, color.NRGBA{9, 9, 9, 255})),
	} {
		if !bytes.Contains(file, []byte(secret)) {
			t.Fatalf("%s: the secret is not in what is sent", name)
		}

		f, b := w.get(w.send(ann, file))

		if bytes.Contains(b, []byte(secret)) || bytes.Contains(b, []byte("Exif")) {
			t.Errorf("%s: it is still there", name)
		}
		if m := picture(t, b); m.Bounds().Dx() == 0 || !strings.HasPrefix(f.Type, "image/") {
			t.Errorf("%s: what is left is %s, %v", name, f.Type, m.Bounds())
		}
	}
}

func TestPixelsOfAPictureStay(t *testing.T) {
	w := newWorld(t)
	gray16 := image.NewGray16(image.Rect(0, 0, 20, 10))
	see := image.NewNRGBA(image.Rect(0, 0, 20, 10))
	colors := image.NewPaletted(image.Rect(0, 0, 20, 10), color.Palette{color.Black, color.White, color.RGBA{255, 0, 0, 255}})
	deep := image.NewNRGBA64(image.Rect(0, 0, 20, 10))
	for i := range 200 {
		x, y := i%20, i/20
		gray16.SetGray16(x, y, color.Gray16{uint16(i * 300)})
		see.SetNRGBA(x, y, color.NRGBA{byte(i), 100, 200, byte(255 - i)})
		colors.SetColorIndex(x, y, uint8(i%3))
		deep.SetNRGBA64(x, y, color.NRGBA64{uint16(i * 300), 7, 60_000, uint16(65_535 - i)})
	}
	all := map[string]image.Image{"gray of 16 bits": gray16, "transparent": see, "a palette": colors, "16 bits": deep, "plain": painted(33, 21)}
	for name, m := range all {
		_, b := w.get(w.send(ann, pngOf(t, m)))
		got := picture(t, b)
		if got.Bounds() != m.Bounds() {
			t.Errorf("%s: %v became %v", name, m.Bounds(), got.Bounds())
			continue
		}
		for i := range m.Bounds().Dx() * m.Bounds().Dy() {
			x, y := i%m.Bounds().Dx(), i/m.Bounds().Dx()
			if m.ColorModel() == color.Gray16Model || m.ColorModel() == color.NRGBA64Model {
				if !near(got.At(x, y), m.At(x, y)) {
					t.Errorf("%s: the pixel at %d, %d changed", name, x, y)
					break
				}
				continue // it has 8 bits now
			}
			r, g, bl, a := got.At(x, y).RGBA()
			wr, wg, wb, wa := m.At(x, y).RGBA()
			if r != wr || g != wg || bl != wb || a != wa {
				t.Errorf("%s: the pixel at %d, %d changed", name, x, y)
				break
			}
		}
	}
	_, b := w.get(w.send(ann, riff("WEBP", lossless(40, 30, color.NRGBA{10, 200, 30, 128}))))
	if m := picture(t, b); m.Bounds() != image.Rect(0, 0, 40, 30) || !near(m.At(20, 20), color.NRGBA{10, 200, 30, 128}) {
		t.Errorf("lossless WebP became %v of %v", m.Bounds(), m.At(20, 20))
	}
}

func TestAnimationsStayAnimated(t *testing.T) {
	w := newWorld(t)

	f, b := w.get(w.send(ann, gifOf(t, 12, 9, 7)))

	g, err := gif.DecodeAll(bytes.NewReader(b))
	if err != nil || f.Type != "image/gif" {
		t.Fatalf("%s, error %v", f.Type, err)
	}
	if len(g.Image) != 7 || g.LoopCount != 3 || g.Delay[6] != 16 || g.Config.Width != 12 || g.Config.Height != 9 {
		t.Errorf("%d frames, shown %d times, the last for %d, %dx%d", len(g.Image), g.LoopCount, g.Delay[6], g.Config.Width, g.Config.Height)
	}
	if got := g.Image[2].At(5, 5); !near(got, color.RGBA{255, 0, 0, 255}) {
		t.Errorf("the third frame is %v", got)
	}
}

// upright is what a picture of red, green, blue and white corners (clockwise from above left) looks
// like once it is turned: the corners in the same order.
var upright = map[int]string{1: "rgbw", 2: "grwb", 3: "bwrg", 4: "wbgr", 5: "rwbg", 6: "wrgb", 7: "bgrw", 8: "gbwr"}

func corners(m image.Image) string {
	b := m.Bounds()
	var s strings.Builder
	for _, p := range []image.Point{{b.Min.X + 1, b.Min.Y + 1}, {b.Max.X - 2, b.Min.Y + 1}, {b.Max.X - 2, b.Max.Y - 2}, {b.Min.X + 1, b.Max.Y - 2}} {
		r, g, bl, _ := m.At(p.X, p.Y).RGBA()
		switch {
		case r > 0x8000 && g > 0x8000 && bl > 0x8000:
			s.WriteByte('w')
		case r > 0x8000:
			s.WriteByte('r')
		case g > 0x8000:
			s.WriteByte('g')
		case bl > 0x8000:
			s.WriteByte('b')
		}
	}
	return s.String()
}

func TestPicturesAreTurnedUpright(t *testing.T) {
	w := newWorld(t)
	for orientation, want := range upright {
		size := image.Rect(0, 0, 64, 32)
		if orientation >= 5 {
			size = image.Rect(0, 0, 32, 64)
		}
		for name, file := range map[string][]byte{
			"jpeg":     behindStart(jpegOf(t, painted(64, 32)), exifSegment(orientation)),
			"png":      behindHeader(pngOf(t, painted(64, 32)), pngChunk("eXIf", exif(orientation, binary.LittleEndian))),
			"png, end": append(bytes.TrimSuffix(pngOf(t, painted(64, 32)), pngChunk("IEND", nil)), append(pngChunk("eXIf", exif(orientation, binary.BigEndian)), pngChunk("IEND", nil)...)...),
		} {
			_, b := w.get(w.send(ann, file))
			m := picture(t, b)
			if got := corners(m); got != want || m.Bounds() != size {
				t.Errorf("%s, orientation %d: corners %s in %v, want %s in %v", name, orientation, got, m.Bounds(), want, size)
			}
		}
	}
	for name, block := range map[string][]byte{
		"an orientation of 0":  exif(0, binary.BigEndian),
		"an orientation of 9":  exif(9, binary.BigEndian),
		"no block":             []byte("II"),
		"a block far away":     []byte("II*\x00\xff\xff\xff\xff"),
		"entries without end":  []byte("II*\x00\x08\x00\x00\x00\xff\xff\x12\x01"),
		"something else in it": []byte("JUNKJUNKJUNKJUNK"),
	} {
		_, b := w.get(w.send(ann, behindStart(jpegOf(t, painted(64, 32)), segment(0xe1, append([]byte("Exif\x00\x00"), block...)))))
		if got := corners(picture(t, b)); got != "rgbw" {
			t.Errorf("%s: corners %s, want them as they were", name, got)
		}
	}
}

func TestEveryKindOfPixelsIsTurnedAlike(t *testing.T) {
	plain := painted(30, 22)
	gray := image.NewGray(plain.Rect)
	cmyk := image.NewCMYK(plain.Rect)
	for i := range 30 * 22 {
		gray.Set(i%30, i/30, plain.At(i%30, i/30))
		cmyk.Set(i%30, i/30, plain.At(i%30, i/30))
	}
	all := map[string]image.Image{"nrgba": plain, "cmyk": cmyk}
	for _, ratio := range []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio440,
		image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
	} {
		m := image.NewYCbCr(plain.Rect, ratio)
		for i := range 30 * 22 {
			x, y := i%30, i/30
			c := plain.NRGBAAt(x, y)
			l, cb, cr := color.RGBToYCbCr(c.R, c.G, c.B)
			m.Y[m.YOffset(x, y)], m.Cb[m.COffset(x, y)], m.Cr[m.COffset(x, y)] = l, cb, cr
		}
		all[ratio.String()] = m
	}
	for orientation, want := range upright {
		for name, m := range all {
			if got := corners(files.Turned(m, orientation)); got != want {
				t.Errorf("%s, orientation %d: corners %s, want %s", name, orientation, got, want)
			}
		}
		turned := files.Turned(gray, orientation)
		if w, h := turned.Bounds().Dx(), turned.Bounds().Dy(); (w == 22) != (orientation >= 5) || w*h != 30*22 {
			t.Errorf("gray, orientation %d: %dx%d", orientation, w, h)
		}
	}
}

func TestALargePictureIsTaken(t *testing.T) {
	w := newWorld(t)
	for name, file := range map[string][]byte{
		"12 megapixels": jpegOf(t, image.NewYCbCr(image.Rect(0, 0, 4_000, 3_000), image.YCbCrSubsampleRatio420)),
		"39 megapixels": hugePNG(t, 6_500, 6_000, 0, 8),
	} {
		_, b := w.get(w.send(ann, file))
		c, _, err := image.DecodeConfig(bytes.NewReader(b))
		if err != nil || c.Width < 4_000 {
			t.Errorf("%s: %dx%d, error %v", name, c.Width, c.Height, err)
		}
	}
}

// Every decoder that a test reads with.
var _, _ = jpeg.Decode, png.Decode

// What a picture says of itself decides whether there is memory for it: it must not take more.
func TestPicturesTakeNoMoreMemoryThanIsKept(t *testing.T) {
	const w, h = 1_600, 1_200
	ycc := func(ratio image.YCbCrSubsampleRatio) []byte {
		return jpegOf(t, image.NewYCbCr(image.Rect(0, 0, w, h), ratio))
	}
	for name, file := range map[string][]byte{
		"jpeg":              ycc(image.YCbCrSubsampleRatio420),
		"jpeg, turned":      behindStart(ycc(image.YCbCrSubsampleRatio420), exifSegment(6)),
		"jpeg, gray":        jpegOf(t, image.NewGray(image.Rect(0, 0, w, h))),
		"jpeg, gray turned": behindStart(jpegOf(t, image.NewGray(image.Rect(0, 0, w, h))), exifSegment(8)),
		"png, gray":         hugePNG(t, w, h, 0, 8),
		"png, color":        hugePNG(t, w, h, 2, 8),
		"png, transparent":  hugePNG(t, w, h, 6, 8),
		"png, 16 bits":      hugePNG(t, w, h, 6, 16),
		"png, gray 16 bits": hugePNG(t, w, h, 0, 16),
		"png, turned":       behindHeader(hugePNG(t, w, h, 2, 8), pngChunk("eXIf", exif(6, binary.LittleEndian))),
		"gif":               gifOf(t, 400, 300, 16),
		"webp":              riff("WEBP", lossless(w, h, color.NRGBA{1, 2, 3, 4})),
		"webp, turned":      riff("WEBP", extended(8, w, h), lossless(w, h, color.NRGBA{1, 2, 3, 4}), riffChunk("EXIF", exif(6, binary.LittleEndian))),
	} {
		said, err := files.Memory(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var out bytes.Buffer
		out.Grow(8 << 20)

		taken := allocated(func() { err = files.Remake(t.Context(), file, &out) })

		const buffers = 2 << 20 // of what reads and encodes
		if err != nil || int64(taken) > said+buffers {
			t.Errorf("%s takes %d KB, error %v; said were %d KB", name, taken>>10, err, said>>10)
		}
	}
}
