package files_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"pryde/internal/files"
	"pryde/internal/seal"
)

// long is a sound of several chunks with bytes that can be told apart.
func long(chunks int) []byte {
	b := mp3Of(3, nil)
	for i := 0; len(b) < chunks*files.ChunkSize-100; i++ {
		b = append(b, byte(i), byte(i>>8), byte(i>>16), 0)
	}
	return b
}

func TestNothingOfAFileIsOnTheDisk(t *testing.T) {
	w := newWorld(t)
	const secret = "a secret that is nowhere"
	file := append(mp3Of(3, nil), bytes.Repeat([]byte(secret), 20_000)...)

	link := w.send(ann, file)

	w.get(link)
	for _, name := range w.stored() {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(secret)) || bytes.Contains(b, file[:100]) {
			t.Errorf("%s holds the file as it is", name)
		}
	}
	if bytes.Contains(w.log.Bytes(), []byte(secret)) {
		t.Error("the log holds it")
	}
}

func TestAChangedFileIsNotGivenOut(t *testing.T) {
	const chunk = files.SealedChunk
	swap := func(b []byte) []byte {
		first := slices.Clone(b[:chunk])
		copy(b, b[chunk:2*chunk])
		copy(b[chunk:], first)
		return b
	}
	for what, change := range map[string]func([]byte) []byte{
		"a bit":                    func(b []byte) []byte { b[100] ^= 1; return b },
		"a bit of the last chunk":  func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"chunks in another order":  swap,
		"a chunk twice":            func(b []byte) []byte { copy(b[chunk:], b[:chunk]); return b },
		"without its last chunk":   func(b []byte) []byte { return b[:3*chunk] },
		"without its first chunk":  func(b []byte) []byte { return b[chunk:] },
		"without its last byte":    func(b []byte) []byte { return b[:len(b)-1] },
		"nothing":                  func([]byte) []byte { return nil },
		"the first chunk as last":  func(b []byte) []byte { return append(b[:3*chunk], b[:len(b)-3*chunk]...) },
		"another file of the same": nil,
	} {
		w := newWorld(t)
		link := w.send(ann, long(4))
		if change == nil {
			var other []byte
			w.overwrite(func(b []byte) []byte { other = b; return b })
			second := newWorld(t)
			second.send(ann, long(4))
			second.overwrite(func(b []byte) []byte { other = b; return b })
			w.overwrite(func([]byte) []byte { return other })
		} else {
			w.overwrite(change)
		}

		f, err := w.Fetch(t.Context(), nobody, w.query(link))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		b, err := io.ReadAll(f.Content)
		w.must(f.Content.Close())

		if !errors.Is(err, seal.ErrTampered) || !bytes.HasPrefix(long(4), b) {
			t.Errorf("%s: %d bytes and error %v; want ErrTampered behind what is right", what, len(b), err)
		}
	}
}

func TestARangeReadsOnlyItsChunks(t *testing.T) {
	w := newWorld(t)
	file := long(20)
	link := w.send(ann, file)
	for _, r := range []struct{ from, length, chunk, chunks int }{
		{0, 10, 0, 1}, {files.ChunkSize - 5, 10, 0, 2}, {7*files.ChunkSize + 3, 100, 7, 1}, {5 * files.ChunkSize, 3 * files.ChunkSize, 5, 3}, {len(file) - 7, 7, 19, 1},
	} {
		f, err := w.Fetch(t.Context(), nobody, w.query(link))
		if err != nil {
			t.Fatal(err)
		}
		w.objects.set(func(o *faulty) { o.opened = nil })
		if _, err := f.Content.Seek(int64(r.from), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, r.length)
		_, err = io.ReadFull(f.Content, got)
		w.must(err)
		w.must(f.Content.Close())

		if !bytes.Equal(got, file[r.from:r.from+r.length]) {
			t.Errorf("%d bytes from %d are not those of the file", r.length, r.from)
		}
		if want := []int64{int64(r.chunk) * files.SealedChunk}; !slices.Equal(w.objects.opened, want) {
			t.Errorf("%d bytes from %d: the object was read from %v, want %v", r.length, r.from, w.objects.opened, want)
		}
	}
}

func TestReadingGoesWhereItIsAsked(t *testing.T) {
	w := newWorld(t)
	for _, size := range []int{files.ChunkSize - 1, files.ChunkSize, files.ChunkSize + 1, 3 * files.ChunkSize} {
		file := long(4)[:size]
		f, err := w.Fetch(t.Context(), nobody, w.query(w.send(ann, file)))
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{0, size - 1, size / 2, 1, size, files.ChunkSize - 1, 0} {
			if _, err := f.Content.Seek(int64(at), io.SeekStart); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(f.Content)
			if err != nil || !bytes.Equal(got, file[at:]) {
				t.Errorf("of %d bytes from %d: %d came, error %v", size, at, len(got), err)
			}
		}
		if end, err := f.Content.Seek(0, io.SeekEnd); err != nil || end != int64(size) {
			t.Errorf("the end of %d bytes is at %d, error %v", size, end, err)
		}
		if _, err := f.Content.Seek(-1, io.SeekStart); err == nil {
			t.Error("there is something in front of the beginning")
		}
		w.must(f.Content.Close())
	}
}

func TestFilesOfAnErasedPersonCannotBeRead(t *testing.T) {
	w := newWorld(t)
	link, others := w.send(ann, mp3Of(3, nil)), w.send(bob, mp3Of(3, nil))

	w.must(w.vault.Erase(t.Context(), seal.Owner(ann.User), start))

	w.refused(nobody, w.query(link), files.ErrNoUpload)
	w.get(others)
	rows, err := w.Uploads(t.Context(), ann.User, files.Name{}, 10)
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d rows, error %v", len(rows), err)
	}
	if _, err := w.vault.Open(t.Context(), files.KeyPlace(rows[0].Name), rows[0].Key); !errors.Is(err, seal.ErrKeyGone) {
		t.Errorf("the key of the file: %v, want ErrKeyGone", err)
	}
}

func TestTheKeyOfAFileOpensNoOther(t *testing.T) {
	w := newWorld(t)
	w.send(ann, mp3Of(3, nil))
	w.send(ann, mp3Of(3, nil))
	rows := w.rows()

	swapped := rows[0]
	swapped.Key = rows[1].Key
	if _, err := w.Open(t.Context(), swapped); !errors.Is(err, seal.ErrTampered) {
		t.Errorf("a file with the key of another: %v, want ErrTampered", err)
	}
	if bytes.Equal(rows[0].Key, rows[1].Key) {
		t.Error("two files have one key")
	}
}

func TestAResealedKeyOpensItsFile(t *testing.T) {
	w := newWorld(t)
	w.send(ann, mp3Of(3, nil))
	u := w.rows()[0]
	raw, err := w.vault.Open(t.Context(), files.KeyPlace(u.Name), u.Key)
	if err != nil {
		t.Fatal(err)
	}
	if u.Key, err = w.vault.Seal(t.Context(), seal.Owner(ann.User), files.KeyPlace(u.Name), raw); err != nil {
		t.Fatal(err)
	}

	c, err := w.Open(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	w.must(errors.Join(err, c.Close()))
	if !bytes.Equal(b, mp3Of(3, nil)) {
		t.Errorf("%d bytes came back", len(b))
	}
}
