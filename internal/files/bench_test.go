package files_test

import (
	"bytes"
	"image"
	"io"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// photograph is a picture of 12 megapixels with something to encode in it.
func photograph() image.Image {
	m := image.NewYCbCr(image.Rect(0, 0, 4_000, 3_000), image.YCbCrSubsampleRatio420)
	for i := range m.Y {
		m.Y[i] = byte(i%4_000/16 + i/4_000/12 + i*i%7)
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = byte(i%2_000/8), byte(i/2_000/6)
	}
	return m
}

func BenchmarkStore(b *testing.B) {
	sound := append(mp3Of(3, nil), make([]byte, 10<<20-3*417)...)
	for name, file := range map[string][]byte{
		"photograph of 12 MP": jpegOf(b, photograph()),
		"picture of 1 MP":     jpegOf(b, photograph().(*image.YCbCr).SubImage(image.Rect(0, 0, 1_152, 864))),
		"sound of 10 MB":      sound,
	} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			w.options.Quota = 1 << 40
			w.again()
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				who := auth.Identity{User: id.User{byte(i), byte(i >> 8), 1}}
				if _, err := w.Store(b.Context(), who, wire.Upload{Content: bytes.NewReader(file)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFetch(b *testing.B) {
	w := newWorld(b)
	file := append(mp3Of(3, nil), make([]byte, 10<<20-3*417)...)
	q := w.query(w.send(ann, file))
	for name, length := range map[string]int64{"10 MB": int64(len(file)), "the first 100 KB": 100_000} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(length)
			b.ReportAllocs()
			for b.Loop() {
				f, err := w.Fetch(b.Context(), nobody, q)
				if err == nil {
					_, err = io.CopyN(io.Discard, f.Content, length)
				}
				if err != nil {
					b.Fatal(err)
				}
				w.must(f.Content.Close())
			}
		})
	}
}
