package files

import (
	"bufio"
	"context"
	"errors"
	"image"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"runtime/debug"

	"golang.org/x/image/webp"
	"golang.org/x/sync/semaphore"

	"pryde/internal/seal"
)

const (
	// decodeMemory bounds the bytes that all pictures take together that are being made anew.
	decodeMemory = 192 << 20
	// largeMemory is what is given back to the system as soon as it is not needed.
	largeMemory = 32 << 20
	// jpegQuality keeps what an eye sees.
	jpegQuality = 88
	// maxMade bounds a picture that was made anew, in bytes: it may be larger than it came.
	maxMade = 3 * MaxBytes
)

// A studio makes pictures anew: their pixels, and nothing else that was in the file. Its methods are
// safe for concurrent use.
type studio struct{ memory *semaphore.Weighted }

func newStudio() studio { return studio{semaphore.NewWeighted(decodeMemory)} }

// remake writes a picture anew and returns the media type that it has then. Pictures wait for
// memory, until the end of ctx.
func (s studio) remake(ctx context.Context, kind string, c content, to io.Writer) (string, error) {
	f, err := scan(kind, c)
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return "", damaged(err)
	}
	if s.memory.Acquire(ctx, f.memory) != nil {
		return "", ErrBusy.Because(ctx.Err())
	}
	defer s.memory.Release(f.memory)
	if f.memory > largeMemory {
		defer debug.FreeOSMemory()
	}
	r, err := c.from(0)
	if err != nil {
		return "", err
	}
	out := bufio.NewWriter(&bounded{to: to, left: maxMade})
	made, err := redraw(kind, f, r, out)
	if err == nil {
		err = out.Flush()
	}
	return made, err
}

// scan reads what a picture says of itself.
func scan(kind string, c content) (frame, error) {
	r, err := c.from(0)
	if err != nil {
		return frame{}, err
	}
	switch kind {
	case "image/jpeg":
		return scanJPEG(r)
	case "image/png":
		return scanPNG(r)
	case "image/gif":
		return scanGIF(r)
	default:
		return scanWebP(r)
	}
}

// redraw decodes a picture and encodes it again.
func redraw(kind string, f frame, r io.Reader, to io.Writer) (string, error) {
	if kind == "image/gif" {
		return kind, replay(r, to)
	}
	decode := map[string]func(io.Reader) (image.Image, error){
		"image/jpeg": jpeg.Decode, "image/png": png.Decode, "image/webp": webp.Decode,
	}[kind]
	m, err := decode(r)
	if err != nil {
		return "", unreadable(err)
	}
	if m.Bounds().Dx() != f.width || m.Bounds().Dy() != f.height {
		return "", ErrDamaged
	}
	m = turned(m, f.orientation)
	if kind == "image/jpeg" || kind == "image/webp" && !f.alpha {
		if _, cmyk := m.(*image.CMYK); cmyk {
			m = plain(m)
		}
		if all, ok := m.(*image.NRGBA); ok {
			m = &image.RGBA{Pix: all.Pix, Stride: all.Stride, Rect: all.Rect} // nothing of it is transparent
		}
		return "image/jpeg", jpeg.Encode(to, m, &jpeg.Options{Quality: jpegQuality})
	}
	switch m.(type) {
	case *image.NYCbCrA, *image.Gray16, *image.RGBA64, *image.NRGBA64:
		m = plain(m) // of 8 bits for each color, which is what screens show
	}
	return "image/png", png.Encode(to, m)
}

// plain returns a picture in the form that encoders are quick with.
func plain(m image.Image) image.Image {
	p := image.NewNRGBA(image.Rect(0, 0, m.Bounds().Dx(), m.Bounds().Dy()))
	draw.Draw(p, p.Rect, m, m.Bounds().Min, draw.Src)
	return p
}

// replay makes an animation anew: its frames, how long each is shown, and how often.
func replay(r io.Reader, to io.Writer) error {
	g, err := gif.DecodeAll(r)
	if err != nil {
		return unreadable(err)
	}
	return gif.EncodeAll(to, &gif.GIF{
		Image: g.Image, Delay: g.Delay, LoopCount: g.LoopCount, Disposal: g.Disposal, Config: g.Config, BackgroundIndex: g.BackgroundIndex,
	})
}

// unreadable is what a decoder says, unless reading itself failed.
func unreadable(err error) error {
	if _, failed := errors.AsType[*fs.PathError](err); failed || errors.Is(err, seal.ErrTampered) {
		return err
	}
	return ErrDamaged.Because(err)
}

// A bounded writer takes so many bytes and no more.
type bounded struct {
	to   io.Writer
	left int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, ErrPixels
	}
	return b.to.Write(p)
}
