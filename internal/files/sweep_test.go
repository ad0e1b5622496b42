package files_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pryde/internal/files"
	"pryde/internal/id"
	"pryde/internal/wire"
)

func TestOrphansAreSweptAfterADay(t *testing.T) {
	w := newWorld(t)
	link := w.send(ann, mp3Of(3, nil))
	w.clock.pass(files.OrphanAge - time.Millisecond)

	w.sweep()
	w.get(w.Link(link))
	w.clock.pass(time.Millisecond)
	w.sweep()

	w.empty("after a day")
	w.refused(nobody, w.query(w.Link(link)), files.ErrNoUpload)
}

func TestAFileWhoseMessageWasNeverStoredIsSwept(t *testing.T) {
	w := newWorld(t)
	never, kept := w.send(ann, mp3Of(3, nil)), w.send(ann, mp3Of(4, nil))
	w.clock.pass(23 * time.Hour)
	w.must(w.Attach(t.Context(), ann.User, id.Message{9}, never, kept))
	w.message(1, ann, kept)
	w.clock.pass(23 * time.Hour)

	w.sweep()
	w.get(w.Link(never))
	w.clock.pass(time.Hour)
	w.sweep()

	w.refused(nobody, w.query(w.Link(never)), files.ErrNoUpload)
	w.get(w.Link(kept))
	if rows := w.rows(); len(rows) != 1 || !rows[0].Due.IsZero() {
		t.Errorf("left: %+v; want one that is not due any more", rows)
	}
}

func TestTheSweepGoesOnAfterADeath(t *testing.T) {
	w := newWorld(t)
	for i := range 250 {
		u := ann
		u.User[4] = byte(i)
		w.send(u, mp3Of(3, nil))
	}
	w.clock.pass(files.OrphanAge)
	// It dies when it has removed some objects: as many rows are doomed, and forgotten by nobody.
	ctx, die := context.WithCancel(t.Context())
	left := 60
	w.options.Objects = objectsThat{w.objects, func() error {
		if left--; left < 0 {
			die()
			return context.Canceled
		}
		return nil
	}}
	w.again()
	if err := w.SweepNow(ctx); err == nil {
		t.Fatal("the sweep did not die")
	}
	if n := len(w.stored()); n != 190 {
		t.Fatalf("%d files are left at the death, want 190", n)
	}

	w.options.Objects = w.objects
	w.again()
	w.clock.pass(files.RetryDue)
	w.sweep()

	w.empty("after the next life")
}

// objectsThat fail to delete when they are told to.
type objectsThat struct {
	files.Objects
	may func() error
}

func (o objectsThat) Delete(ctx context.Context, key string) error {
	if err := o.may(); err != nil {
		return err
	}
	return o.Objects.Delete(ctx, key)
}

func TestAFileThatCannotBeRemovedHoldsNoOtherUp(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.send(ann, mp3Of(3, nil))
	}
	stuck := w.Key(w.rows()[0].Name)
	w.options.Objects = stubborn{w.objects, stuck}
	w.again()
	w.clock.pass(files.OrphanAge)

	w.sweep()

	if names, rows := w.stored(), w.rows(); len(names) != 1 || len(rows) != 1 || !rows[0].Doomed || !rows[0].Due.Equal(w.clock.now().Add(files.RetryDue)) {
		t.Fatalf("left: %v, %+v; want the one that cannot be removed, due later", names, rows)
	}
	w.options.Objects = w.objects
	w.again()
	w.clock.pass(files.RetryDue)
	w.sweep()
	w.empty("once it can be removed")
}

// stubborn keeps one object.
type stubborn struct {
	files.Objects
	key string
}

func (s stubborn) Delete(ctx context.Context, key string) error {
	if key == s.key {
		return errors.New("it stays")
	}
	return s.Objects.Delete(ctx, key)
}

// A process dies between the row and the object: the row is all there is.
func TestARowWithoutAnObjectIsRemoved(t *testing.T) {
	w := newWorld(t)
	link, kept := w.send(ann, mp3Of(3, nil)), w.send(ann, mp3Of(4, nil))
	w.message(1, ann, link, kept)
	n := w.query(link).Name
	lost, _ := files.ParseFilename(n)
	w.must(w.objects.Delete(t.Context(), w.Key(lost)))
	w.refused(nobody, w.query(link), files.ErrNoUpload)

	w.must(w.Compare(t.Context(), lost[0]))
	if len(w.rows()) != 2 {
		t.Fatal("a row was removed whose object may be on its way")
	}
	w.clock.pass(files.LeastAge + time.Second)
	for part := range 256 {
		w.must(w.Compare(t.Context(), byte(part)))
	}
	w.sweep()

	if rows := w.rows(); len(rows) != 1 || rows[0].Name == lost {
		t.Errorf("left: %+v; want the file that is whole", rows)
	}
	w.get(w.Link(kept))
}

// A database is put back to an older state: there are objects that it does not know.
func TestAnObjectWithoutARowIsRemoved(t *testing.T) {
	w := newWorld(t)
	kept := w.send(ann, mp3Of(3, nil))
	w.message(1, ann, kept)
	ours := map[string]bool{}
	for i := range 20 {
		var n files.Name
		n[0], n[15] = byte(i*13), byte(i)
		key := w.Key(n)
		w.must(w.objects.Put(t.Context(), key, strings.NewReader("lost"), 4))
		ours[key] = true
	}
	foreign := "01020304/00/00000000000000000000000000000001"
	w.must(w.objects.Put(t.Context(), foreign, strings.NewReader("theirs"), 6))
	compare := func() {
		t.Helper()
		for part := range 256 {
			w.must(w.Compare(t.Context(), byte(part)))
		}
	}

	w.clock.pass(time.Until(start)) // objects carry the time of the disk
	compare()
	if n := len(w.stored()); n != 22 {
		t.Fatalf("%d files are left, want all: they may be on their way", n)
	}
	w.clock.pass(files.LeastAge + time.Minute + 2*time.Since(start))
	compare()

	names := w.stored()
	if len(names) != 2 {
		t.Errorf("left: %v; want the known one and another server's", names)
	}
	if _, err := os.Stat(filepath.Join(w.dir, filepath.FromSlash(foreign))); err != nil {
		t.Errorf("another server's object: %v", err)
	}
	w.get(w.Link(kept))
}

func TestManyRowsAndObjectsAreComparedInPages(t *testing.T) {
	w := newWorld(t)
	const n = 2_300
	for i := range n {
		u := files.Upload{Name: files.Name{0x42, 15: byte(i), 14: byte(i >> 8)}, Owner: ann.User, Kind: files.KindAttachment, Type: "image/png", Size: 1, Key: []byte{1}, CreatedAt: start}
		if i%3 != 0 {
			w.must(w.store.AddUpload(t.Context(), u, testQuota))
		}
		if i%3 != 1 {
			w.must(w.objects.Put(t.Context(), w.Key(u.Name), strings.NewReader("x"), 1))
		}
	}
	w.clock.pass(2*time.Since(start) + files.LeastAge)

	w.must(w.Compare(t.Context(), 0x42))
	w.sweep()

	var want []string
	for i := range n {
		if i%3 == 2 {
			want = append(want, fmt.Sprintf("42%026x%04x", 0, i))
		}
	}
	if rows, names := w.rows(), w.stored(); len(names) != len(want) || len(rows) != len(want) {
		t.Errorf("%d rows and %d files are left, want %d", len(rows), len(names), len(want))
	}
}

func TestTheSweepEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Sweep(ctx)
	}()
	link := w.send(ann, mp3Of(3, nil))
	m := w.message(1, ann, link)

	w.must(w.Detach(t.Context(), m)) // asks it to look now
	deadline := time.Now().Add(20 * time.Second)
	for len(w.stored()) > 0 {
		if time.Now().After(deadline) {
			t.Fatal("the file of a deleted message is still there")
		}
		time.Sleep(time.Millisecond)
	}
	end()
	<-ended
}

func TestWhatADeadProcessLeftIsRemoved(t *testing.T) {
	w := newWorld(t)
	left := filepath.Join(w.spools, "incoming-12345")
	w.must(os.WriteFile(left, []byte("sealed"), 0o600))
	other := filepath.Join(w.spools, "something else")
	w.must(os.WriteFile(other, nil, 0o600))

	w.again()

	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what was on its way in: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("what is not ours: %v", err)
	}
}

func TestAFileOnItsWayInHasNoNameOnTheDisk(t *testing.T) {
	w := newWorld(t)
	seen := make(chan int, 1)
	content := watchedReader{strings.NewReader(string(mp3Of(300, nil))), func() {
		select {
		case seen <- len(w.stored()):
		default:
		}
	}}

	if _, err := w.Store(t.Context(), ann, wire.Upload{Content: content}); err != nil {
		t.Fatal(err)
	}

	if n := <-seen; n != 0 {
		t.Errorf("%d files lie there while one comes in", n)
	}
}

type watchedReader struct {
	*strings.Reader
	look func()
}

func (r watchedReader) Read(p []byte) (int, error) {
	r.look()
	return r.Reader.Read(p[:min(len(p), 1000)])
}
