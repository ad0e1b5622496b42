package files_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/files"
	"pryde/internal/id"
	"pryde/internal/wire"
)

func TestALinkIsGoodForOneToTwoHours(t *testing.T) {
	w := newWorld(t)
	sent := w.send(ann, mp3Of(3, nil))
	path, _, _ := strings.Cut(sent, "?")
	for range 200 {
		link := w.Link(path)
		made := w.clock.now()
		f, _ := w.get(link)
		if f.Until > 2*time.Hour {
			t.Fatalf("at %v a browser keeps it for %v", made, f.Until)
		}

		w.clock.pass(time.Hour - time.Second)
		w.get(link)
		w.clock.pass(time.Hour + 2*time.Second)
		w.refused(nobody, w.query(link), files.ErrLink)

		w.clock.pass(-2*time.Hour + 17*time.Second)
	}
}

func TestALinkStaysTheSameWithinAnHour(t *testing.T) {
	w := newWorld(t)
	const path = "/upload/image/00112233445566778899aabbccddeeff.png"
	w.clock.pass(time.Hour - 20*time.Minute) // to the full hour

	first := w.Link(path)
	w.clock.pass(time.Hour - time.Millisecond)
	last := w.Link(path)
	w.clock.pass(time.Millisecond)
	next := w.Link(path)

	if first != last || first == next {
		t.Errorf("links:\n%s at the full hour\n%s before the next\n%s at the next", first, last, next)
	}
}

func TestOnlyThePathsOfFilesAreSigned(t *testing.T) {
	w := newWorld(t)
	const file = "00112233445566778899aabbccddeeff.png"
	for _, path := range []string{"/upload/image/" + file, "/upload/file/" + file, "/upload/image/" + file + "?expires=1&signature=x", "/upload/image/" + file + "?"} {
		got := w.Link(path)
		want := strings.Split(path, "?")[0] + "?expires="
		if !strings.HasPrefix(got, want) {
			t.Errorf("Link(%q) is %q, want it to begin with %q", path, got, want)
		}
		if again := w.Link(got); again != got {
			t.Errorf("Link of a link is %q, want %q", again, got)
		}
	}
	for _, path := range []string{
		"", "/", "hello", "/api/upload/image/" + file, " /upload/image/" + file, "https://example.com/cat.gif", "https://example.com/upload/image/" + file, "//example.com/upload/image/" + file,
		"/upload/image/", "/upload/image/1.png", "/upload/image/1699999999999-cat.jpg", "/upload/image/" + strings.ToUpper(file), "/upload/image/x" + file,
		"/upload/image/../" + file, "/upload/image/" + file + ".exe", "/upload/image/00112233445566778899aabbccddeeff", "/upload/image/00112233445566778899aabbccddeeff.exe",
		"/upload/other/" + file, "javascript:alert(1)", "/upload/image/" + file + "/x", "/UPLOAD/image/" + file,
	} {
		if got := w.Link(path); got != path {
			t.Errorf("Link(%q) is %q, want it unchanged", path, got)
		}
	}
}

func TestOnlyAGoodLinkShowsAFile(t *testing.T) {
	w := newWorld(t)
	good := w.query(w.send(ann, mp3Of(3, nil)))
	other := w.query(w.send(ann, mp3Of(4, nil)))
	change := func(f func(*wire.FileQuery)) wire.FileQuery { q := good; f(&q); return q }
	for what, q := range map[string]wire.FileQuery{
		"nothing":                   change(func(q *wire.FileQuery) { q.Expires, q.Signature = "", "" }),
		"no signature":              change(func(q *wire.FileQuery) { q.Signature = "" }),
		"no end":                    change(func(q *wire.FileQuery) { q.Expires = "" }),
		"a later end":               change(func(q *wire.FileQuery) { q.Expires = "9" + q.Expires }),
		"an end with a sign":        change(func(q *wire.FileQuery) { q.Expires = "+" + q.Expires }),
		"an end with a zero":        change(func(q *wire.FileQuery) { q.Expires = "0" + q.Expires }),
		"an end with a space":       change(func(q *wire.FileQuery) { q.Expires += " " }),
		"an end that is no number":  change(func(q *wire.FileQuery) { q.Expires = "soon" }),
		"an end beyond all numbers": change(func(q *wire.FileQuery) { q.Expires = strings.Repeat("9", 1_000_000) }),
		"a signature of 1 MB":       change(func(q *wire.FileQuery) { q.Signature = strings.Repeat("A", 1_000_000) }),
		"another file's signature":  change(func(q *wire.FileQuery) { q.Signature = other.Signature }),
		"a changed signature":       change(func(q *wire.FileQuery) { q.Signature = "A" + q.Signature[1:] + "A" }),
		"a longer signature":        change(func(q *wire.FileQuery) { q.Signature += "A" }),
		"a shorter signature":       change(func(q *wire.FileQuery) { q.Signature = q.Signature[:10] }),
	} {
		w.refused(nobody, q, files.ErrLink)
		if t.Failed() {
			t.Fatalf("it was %s", what)
		}
	}
	for what, name := range map[string]string{
		"an operator": `{"$ne":""}`, "a path": "../../" + good.Name, "1 MB of text": strings.Repeat("a", 1<<20), "nothing": "", "another type": good.Name[:32] + ".exe", "capitals": strings.ToUpper(good.Name),
	} {
		q := good
		q.Name = name
		w.refused(nobody, q, files.ErrNoUpload)
		if t.Failed() {
			t.Fatalf("the name was %s", what)
		}
	}
	q := good
	q.Name = good.Name[:32] + ".png" // signed for this file, which is no picture
	w.refused(nobody, q, files.ErrNoUpload)

	stranger, err := files.New(func() files.Options { o := w.options; o.Key[0]++; return o }())
	w.must(err)
	if _, err := stranger.Fetch(t.Context(), nobody, good); code(err) != "INVALID_LINK" {
		t.Errorf("the link of another server: %v", err)
	}
}

func TestWithoutALinkAFileIsItsOwners(t *testing.T) {
	w := newWorld(t)
	q := w.query(w.send(ann, mp3Of(3, nil)))
	q.Expires, q.Signature = "", ""

	f, err := w.Fetch(t.Context(), ann, q)
	if err != nil || f.Until <= 0 {
		t.Fatalf("Fetch by the owner: kept for %v, error %v", f.Until, err)
	}
	w.must(f.Content.Close())
	w.refused(bob, q, files.ErrNoUpload)
	w.refused(nobody, q, files.ErrLink)
	q.Signature = "x"
	w.refused(ann, q, files.ErrLink)
}

func TestNamesCannotBeGuessed(t *testing.T) {
	w := newWorld(t)
	seen := map[string]bool{}
	for range 50 {
		name := w.query(w.send(auth.Identity{User: id.User{byte(len(seen)), 1}}, mp3Of(3, nil))).Name
		if seen[name] || len(strings.Split(name, ".")[0]) != 32 {
			t.Fatalf("name %s", name)
		}
		seen[name] = true
	}
}

func FuzzLink(f *testing.F) {
	for _, path := range []string{"/upload/image/00112233445566778899aabbccddeeff.png", "/upload/file/00112233445566778899aabbccddeeff.mp3?x", "/upload/image/", "?"} {
		f.Add(path, "1714572000", "AAAAAAAAAAAAAAAAAAAAAA")
	}
	w := newWorld(f)
	own := w.query(w.send(ann, mp3Of(3, nil)))
	f.Fuzz(func(t *testing.T, path, expires, signature string) {
		link := w.Link(path)
		if again := w.Link(link); again != link {
			t.Errorf("Link(%q) is %q, and of that %q", path, link, again)
		}
		if link != path && !strings.HasPrefix(link, "/upload/") {
			t.Errorf("Link(%q) is %q", path, link)
		}
		// Else somebody would get a file by a path that nobody has checked.
		if link != path && code(w.Attach(t.Context(), bob.User, id.Message{1}, path)) != "INVALID_ATTACHMENT" {
			t.Errorf("%q is signed, and anybody may attach it", path)
		}
		if n, ok := files.ParseFilename(path); ok && !strings.HasPrefix(path, n.String()+".") {
			t.Errorf("%q names %s", path, n)
		}
		q := wire.FileQuery{Name: own.Name, Expires: expires, Signature: signature}
		if q == own {
			return
		}
		if got, err := w.Fetch(t.Context(), nobody, q); code(err) != "INVALID_LINK" {
			_ = got.Content.Close()
			t.Errorf("the link %+v shows a file (error %v)", q, err)
		}
	})
}

func TestAttachTakesOnlyOnesOwnFiles(t *testing.T) {
	w := newWorld(t)
	own, second, foreign := w.send(ann, mp3Of(3, nil)), w.send(ann, mp3Of(4, nil)), w.send(bob, mp3Of(3, nil))
	path, _, _ := strings.Cut(own, "?")
	attach := func(paths ...string) string {
		t.Helper()
		if err := w.Attach(t.Context(), ann.User, id.Message{1}, paths...); err != nil {
			return code(err)
		}
		return ""
	}
	many := make([]string, 11)
	for i := range many {
		many[i] = own
	}

	for what, got := range map[string][2]string{
		"its link":                     {attach(own), ""},
		"its path":                     {attach(path), ""},
		"what is signed for nobody":    {attach("/api" + path), ""},
		"two":                          {attach(own, second), ""},
		"none":                         {attach(), ""},
		"an empty one":                 {attach("", ""), ""},
		"an outside URL":               {attach("https://example.com/cat.gif"), ""},
		"a former file":                {attach("/upload/image/1699999999999-cat.jpg"), ""},
		"somebody else's":              {attach(foreign), "INVALID_ATTACHMENT"},
		"one's own and someone else's": {attach(own, foreign), "INVALID_ATTACHMENT"},
		"one that is not there":        {attach("/upload/image/00112233445566778899aabbccddeeff.png"), "INVALID_ATTACHMENT"},
		"too many":                     {attach(many...), "INVALID_ATTACHMENT"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q, want %q", what, got[0], got[1])
		}
	}
}

func TestAFileGoesWithTheLastMessageThatHasIt(t *testing.T) {
	w := newWorld(t)
	link := w.send(ann, mp3Of(3, nil))
	first, second := w.message(1, ann, link), w.message(2, ann, link)
	w.clock.pass(25 * time.Hour)
	w.sweep()
	link = w.Link(link)
	w.get(link)

	w.must(w.Detach(t.Context(), first))
	w.sweep()
	w.get(link)
	w.must(w.Detach(t.Context(), second))
	w.refused(nobody, w.query(link), files.ErrNoUpload) // at once, before it is swept
	w.must(w.Detach(t.Context(), second))
	w.sweep()

	w.empty("after the last message")
	if err := w.Attach(t.Context(), ann.User, id.Message{3}, link); code(err) != "INVALID_ATTACHMENT" {
		t.Errorf("a file that is gone: %v", err)
	}
}

func TestAFileGoesWithItsMessageWhereNobodySaysSo(t *testing.T) {
	w := newWorld(t)
	link := w.send(ann, mp3Of(3, nil))
	m := w.message(1, ann, link)

	if _, changed, err := w.store.DeleteForAll(t.Context(), m, w.clock.now()); err != nil || !changed {
		t.Fatalf("DeleteForAll: %v, %v", changed, err)
	}

	w.refused(nobody, w.query(link), files.ErrNoUpload)
	w.sweep()
	w.empty("after the deletion")
}

func TestForgottenPeopleHaveNoFiles(t *testing.T) {
	w := newWorld(t)
	link, others := w.send(ann, mp3Of(3, nil)), w.send(bob, mp3Of(3, nil))
	w.message(1, ann, link)

	w.must(w.Forget(t.Context(), ann.User))
	w.refused(nobody, w.query(link), files.ErrNoUpload)
	w.sweep()

	if rows, stored := w.rows(), w.stored(); len(rows) != 1 || len(stored) != 1 {
		t.Errorf("%d rows and %d files are left, want those of the other", len(rows), len(stored))
	}
	w.get(others)
}

func TestFilesOfAPersonAreListedAndOpened(t *testing.T) {
	w := newWorld(t)
	want := map[string][]byte{}
	for i := range 5 {
		file := mp3Of(3+i, nil)
		want[w.query(w.send(ann, file)).Name] = file
	}
	w.send(bob, mp3Of(9, nil))

	got := 0
	for after := (files.Name{}); ; {
		page, err := w.Uploads(t.Context(), ann.User, after, 2)
		w.must(err)
		if len(page) == 0 {
			break
		}
		for _, u := range page {
			c, err := w.Open(t.Context(), u)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			_, err = b.ReadFrom(c)
			w.must(err)
			w.must(c.Close())
			if !bytes.Equal(b.Bytes(), want[u.Filename()]) {
				t.Errorf("%s has %d bytes", u.Filename(), b.Len())
			}
			got, after = got+1, u.Name
		}
	}
	if got != len(want) {
		t.Errorf("%d files are listed, want %d", got, len(want))
	}
}
