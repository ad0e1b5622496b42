package files_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pryde/internal/auth"
	"pryde/internal/files"
	"pryde/internal/wire"
)

func TestWhatIsSentIsShownToWhoeverHasItsLink(t *testing.T) {
	w := newWorld(t)
	for name, s := range samples(t) {
		made := s.kind
		if s.made != "" {
			made = s.made
		}

		link := w.send(ann, s.file)
		f, b := w.get(link)

		if f.Type != made {
			t.Errorf("%s: it is given out as %s, want %s", name, f.Type, made)
		}
		if !strings.HasPrefix(made, "image/") && !bytes.Equal(b, s.file) {
			t.Errorf("%s: %d bytes came back, not the %d that were sent", name, len(b), len(s.file))
		}
		if got := http.DetectContentType(b); strings.HasPrefix(made, "image/") && got != made {
			t.Errorf("%s: what is given out as %s looks like %s", name, made, got)
		}
		if !strings.HasPrefix(link, "/upload/image/") || !strings.HasPrefix(f.Disposition, `inline; filename="`) || strings.Count(f.Disposition, `"`) != 2 {
			t.Errorf("%s: link %s, disposition %s", name, link, f.Disposition)
		}
		if f.Tag == "" || f.Until <= 0 || f.Until > 2*time.Hour || !f.Modified.Equal(start) {
			t.Errorf("%s: tag %q, kept for %v, modified %v", name, f.Tag, f.Until, f.Modified)
		}
	}
}

func TestVoiceNoteTellsHowLongItPlays(t *testing.T) {
	w := newWorld(t)
	voice := func(file []byte, said float64) (wire.VoiceUploaded, error) {
		return w.StoreVoice(t.Context(), ann, wire.Upload{Content: bytes.NewReader(file), Seconds: said})
	}
	silent := movieOf("iso5", 0, make([]byte, 500), "soun")

	for what, v := range map[string]struct {
		file       []byte
		said, want float64
	}{
		"it says so itself":           {opusOf(1500), 99, 1.5},
		"the client says so":          {silent, 12.3456, 12.346},
		"nobody says so":              {silent, 0, 0},
		"the client talks nonsense":   {silent, -5, 0},
		"the client says that for it": {silent, 1e300, 0},
	} {
		got, err := voice(v.file, v.said)
		if err != nil || got.Duration != v.want || !strings.HasPrefix(got.URL, "/upload/file/") {
			t.Errorf("%s: %+v, error %v; want %v seconds", what, got, err, v.want)
		}
		if f, b := w.get(got.URL); !strings.HasPrefix(f.Type, "audio/") || !bytes.Equal(b, v.file) {
			t.Errorf("%s: %s with %d bytes came back", what, f.Type, len(b))
		}
	}
	for what, file := range map[string][]byte{"a picture": pngOf(t, painted(4, 4)), "a video": webmOf("webm", 500, 1, 2)} {
		if _, err := voice(file, 1); code(err) != "UNSUPPORTED_FILE_TYPE" {
			t.Errorf("%s as a voice note: %v", what, err)
		}
	}
}

func TestWhatIsRefusedLeavesNothing(t *testing.T) {
	w := newWorld(t)
	for name, v := range refused(t) {
		for kind, store := range map[string]func(wire.Upload) error{
			"attachment": func(in wire.Upload) error { _, err := w.Store(t.Context(), ann, in); return err },
			"voice note": func(in wire.Upload) error { _, err := w.StoreVoice(t.Context(), ann, in); return err },
		} {
			err := store(wire.Upload{Name: "holiday.png", Type: "image/png", Content: bytes.NewReader(v.file)})
			if got := code(err); got != "UNSUPPORTED_FILE_TYPE" && got != "DAMAGED_FILE" {
				t.Errorf("%s as %s: %v", name, kind, err)
			}
		}
	}
	for what, v := range map[string]struct {
		content io.Reader
		want    string
	}{
		"nothing":                     {strings.NewReader(""), "MISSING_FILE"},
		"a connection that breaks":    {io.MultiReader(strings.NewReader("\x89PNG"), iotest.ErrReader(io.ErrUnexpectedEOF)), "INVALID_DATA"},
		"what the door refuses":       {iotest.ErrReader(files.ErrTooLarge), "FILE_TOO_LARGE"},
		"an animation in WebP":        {bytes.NewReader(decoded(t, animatedWebP)), "UNSUPPORTED_FILE_TYPE"},
		"more than is taken, by one":  {io.MultiReader(bytes.NewReader(mp3Of(3, nil)), io.LimitReader(zeros{}, files.MaxBytes+1-3*417)), "FILE_TOO_LARGE"},
		"a picture without an end":    {bytes.NewReader(jpegOf(t, painted(64, 64))[:500]), "DAMAGED_FILE"},
		"a picture without pixels":    {bytes.NewReader(hugePNG(t, 0, 0, 0, 8)), "DAMAGED_FILE"},
		"a picture that lies":         {bytes.NewReader(hugeJPEG(100, 100, 0xc0, 1)), "DAMAGED_FILE"},
		"a GIF whose frames are away": {bytes.NewReader(hugeGIF(10, 10, 0)), "DAMAGED_FILE"},
	} {
		if _, err := w.Store(t.Context(), ann, wire.Upload{Content: v.content}); code(err) != v.want {
			t.Errorf("%s: %v, want %s", what, err, v.want)
		}
	}
	w.empty("after all refusals")
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestTheLargestFileIsTaken(t *testing.T) {
	w := newWorld(t)
	head := mp3Of(3, nil)
	file := append(head, make([]byte, files.MaxBytes-len(head))...)

	_, b := w.get(w.send(ann, file))

	if !bytes.Equal(b, file) {
		t.Errorf("%d bytes came back, want %d", len(b), len(file))
	}
}

// allocated returns how many bytes do allocates, from beginning to end.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestMemoryStaysFlatWhateverIsSent(t *testing.T) {
	w := newWorld(t)
	for what, v := range map[string]struct {
		content io.Reader
		want    string
	}{
		"100 MB":                               {io.LimitReader(io.MultiReader(bytes.NewReader(mp3Of(3, nil)), zeros{}), 100<<20), "FILE_TOO_LARGE"},
		"no end":                               {zeros{}, "FILE_TOO_LARGE"},
		"100 megapixels in PNG":                {bytes.NewReader(hugePNG(t, 10_000, 10_000, 0, 8)), "IMAGE_TOO_LARGE"},
		"39 megapixels of 8 bytes":             {bytes.NewReader(hugePNG(t, 6_500, 6_000, 6, 16)), "IMAGE_TOO_LARGE"},
		"a thin line of 65 million pixels":     {bytes.NewReader(hugePNG(t, 1<<26, 1, 0, 8)), "IMAGE_TOO_LARGE"},
		"100 megapixels in JPEG":               {bytes.NewReader(hugeJPEG(10_000, 10_000, 0xc0, 1)), "IMAGE_TOO_LARGE"},
		"4 gigapixels in JPEG":                 {bytes.NewReader(hugeJPEG(65_500, 65_500, 0xc0, 1)), "IMAGE_TOO_LARGE"},
		"too many passes":                      {bytes.NewReader(hugeJPEG(5_000, 5_000, 0xc2, files.MaxScans+1)), "IMAGE_TOO_LARGE"},
		"a canvas of 4 gigapixels in GIF":      {bytes.NewReader(hugeGIF(65_535, 65_535, 1)), "IMAGE_TOO_LARGE"},
		"10,000 frames":                        {bytes.NewReader(hugeGIF(1, 1, 10_000)), "IMAGE_TOO_LARGE"},
		"200 frames of a megapixel":            {bytes.NewReader(hugeGIF(1_000, 1_000, 200)), "IMAGE_TOO_LARGE"},
		"268 megapixels in WebP":               {bytes.NewReader(riff("WEBP", riffChunk("VP8L", []byte{0x2f, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0, 0}))), "IMAGE_TOO_LARGE"},
		"a small canvas for a large picture":   {bytes.NewReader(riff("WEBP", extended(0, 1, 1), riffChunk("VP8L", []byte{0x2f, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0, 0}))), "IMAGE_TOO_LARGE"},
		"a large canvas for a small picture":   {bytes.NewReader(riff("WEBP", extended(16, 1<<24, 1<<7), riffChunk("ALPH", make([]byte, 100)))), "IMAGE_TOO_LARGE"},
		"a chunk of 4 GB in PNG":               {io.MultiReader(bytes.NewReader(pngOf(t, painted(4, 4))[:33]), strings.NewReader("\xff\xff\xff\xfftEXt")), "DAMAGED_FILE"},
		"a box of 16 exabytes in MP4":          {io.MultiReader(bytes.NewReader(movieOf("isom", 1, nil, "vide")), strings.NewReader("\x00\x00\x00\x01free\x7f\xff\xff\xff\xff\xff\xff\xff")), "DAMAGED_FILE"},
		"an element of 72 petabytes in WebM":   {io.MultiReader(bytes.NewReader(webmOf("webm", 100, 2)), strings.NewReader("\xec\x01\x7f\xff\xff\xff\xff\xff\xff")), "DAMAGED_FILE"},
		"a value of 10 MB in WebM":             {io.MultiReader(bytes.NewReader(element(0x1a45dfa3, nil)), bytes.NewReader(element(0x4282, make([]byte, 9<<20)))), "DAMAGED_FILE"},
		"a million boxes in MP4":               {bytes.NewReader(append(movieOf("isom", 1, nil, "vide"), bytes.Repeat([]byte("\x00\x00\x00\x08free"), 1<<20)...)), "DAMAGED_FILE"},
		"boxes in boxes to no end":             {bytes.NewReader(nested(20_000)), "DAMAGED_FILE"},
		"a picture of noise, longer than much": {io.MultiReader(strings.NewReader("\xff\xd8\xff\xe0"), io.LimitReader(noise{}, 9<<20)), "DAMAGED_FILE"},
	} {
		var err error
		bytes := allocated(func() { _, err = w.Store(t.Context(), ann, wire.Upload{Content: v.content}) })

		if code(err) != v.want {
			t.Errorf("%s: %v, want %s", what, err, v.want)
		}
		if bytes > 3<<20 {
			t.Errorf("%s takes %d KB of memory", what, bytes>>10)
		}
	}
	w.empty("after all of it")
}

// nested is an MP4 file of boxes in boxes.
func nested(depth int) []byte {
	const head = 8
	b := movieOf("isom", 1, nil)
	b = b[:len(b)-head]
	size := depth * head
	for i := range depth {
		name := "trak"
		if i == 0 {
			name = "moov"
		}
		b = append(append(b, byte(size>>24), byte(size>>16), byte(size>>8), byte(size)), name...)
		size -= head
	}
	return b
}

type noise struct{}

func (noise) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(rand.IntN(0xff))
	}
	return len(p), nil
}

func TestAPersonSendsAFewFilesAtOnce(t *testing.T) {
	w := newWorld(t)
	picture := pngOf(t, painted(8, 8))
	type sending struct {
		more *io.PipeWriter
		done chan error
	}
	begin := func(who auth.Identity) sending {
		r, more := io.Pipe()
		s := sending{more, make(chan error, 1)}
		go func() {
			_, err := w.Store(t.Context(), who, wire.Upload{Content: r})
			_ = r.CloseWithError(err)
			s.done <- err
		}()
		if _, err := more.Write(picture[:10]); err != nil {
			t.Fatalf("begin to send: %v", err)
		}
		return s
	}
	var all []sending
	for range files.MaxOwnReceiving {
		all = append(all, begin(ann))
	}

	if _, err := w.Store(t.Context(), ann, wire.Upload{Content: bytes.NewReader(picture)}); !errors.Is(err, files.ErrBusy) {
		t.Errorf("one too many of a person: %v, want ErrBusy", err)
	}
	w.send(bob, picture)
	for i := range files.MaxReceiving - files.MaxOwnReceiving {
		who := bob
		who.User[5] = byte(i + 1)
		all = append(all, begin(who))
	}
	if _, err := w.Store(t.Context(), bob, wire.Upload{Content: bytes.NewReader(picture)}); !errors.Is(err, files.ErrBusy) {
		t.Errorf("one too many of all: %v, want ErrBusy", err)
	}
	for _, s := range all {
		if _, err := s.more.Write(picture[10:]); err != nil {
			t.Fatal(err)
		}
		w.must(s.more.Close())
		w.must(<-s.done)
	}
	w.send(ann, picture)
}

func TestAPersonHasRoomForSoManyBytes(t *testing.T) {
	w := newWorld(t, func(o *files.Options) { o.Quota = 100_000 })
	sound := func(size int) error {
		file := append(mp3Of(3, nil), make([]byte, size-3*417)...)
		_, err := w.Store(t.Context(), ann, wire.Upload{Content: bytes.NewReader(file)})
		return err
	}

	w.must(sound(60_000))
	if err := sound(40_001); !errors.Is(err, files.ErrQuota) {
		t.Errorf("one byte too many: %v, want ErrQuota", err)
	}
	if rows, stored := w.rows(), w.stored(); len(rows) != 1 || len(stored) != 1 {
		t.Errorf("%d rows and %d files after a refusal, want 1 each", len(rows), len(stored))
	}
	w.must(sound(40_000))
	read := 0
	_, err := w.Store(t.Context(), ann, wire.Upload{Content: counted{bytes.NewReader(mp3Of(50, nil)), &read}})
	if !errors.Is(err, files.ErrQuota) || read > 0 {
		t.Errorf("without room: %v after %d bytes; want ErrQuota before anything is read", err, read)
	}
	w.send(bob, pngOf(t, painted(4, 4)))
}

type counted struct {
	io.Reader
	n *int
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += n
	return n, err
}

func TestAFileThatCannotBeStoredIsForgotten(t *testing.T) {
	w := newWorld(t)
	for what, set := range map[string]func(*faulty){
		"nothing arrives":              func(f *faulty) { f.put, f.partly, f.erase = errors.New("away"), false, nil },
		"it arrives, and nobody knows": func(f *faulty) { f.put, f.partly, f.erase = errors.New("no answer"), true, nil },
	} {
		w.objects.set(set)
		_, err := w.Store(t.Context(), ann, wire.Upload{Content: bytes.NewReader(pngOf(t, painted(4, 4)))})
		if code(err) != "STORE_UNAVAILABLE" {
			t.Errorf("%s: %v, want STORE_UNAVAILABLE", what, err)
		}
		w.empty(what)
	}

	w.objects.set(func(f *faulty) { f.put, f.erase = errors.New("away"), errors.New("away") })
	if _, err := w.Store(t.Context(), ann, wire.Upload{Content: bytes.NewReader(pngOf(t, painted(4, 4)))}); code(err) != "STORE_UNAVAILABLE" {
		t.Errorf("away: %v", err)
	}
	w.objects.set(func(f *faulty) { f.put, f.erase = nil, nil })
	w.sweep()
	w.empty("after the sweep")
}
