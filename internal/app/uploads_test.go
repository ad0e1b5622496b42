package app_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pryde/internal/wire"
)

// picture is a PNG of some size.
func picture(t *testing.T, side int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		img.Set(i%side, i/side, color.RGBA{uint8(i), uint8(i >> 3), uint8(i >> 6), 255}) //nolint:gosec // only a pattern
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// upload sends a file and returns the answer.
func (p *person) upload(path, field, name string, content []byte) (int, []byte) {
	p.w.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile(field, name)
	if err == nil {
		_, err = part.Write(content)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		p.w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(p.w.ctx(), http.MethodPost, p.w.url+path, &body)
	if err != nil {
		p.w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Authorization", "Bearer "+p.token)
	resp, err := p.w.http.Do(req)
	if err != nil {
		p.w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.w.valid(wire.ValidateAnswer(http.MethodPost, path, resp.StatusCode, answer))
	return resp.StatusCode, answer
}

// fetch gets a file as a bare picture element does: without a token.
func (w *world) fetch(path string) (*http.Response, []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.ctx(), http.MethodGet, w.url+"/api"+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, body
}

func TestAPictureIsSeenByWhoGetsTheMessageUntilItIsDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	b := bob.connect()
	content := picture(t, 40)

	status, answer := ann.upload("/api/upload/chat-attachment", "file", "holiday.png", content)
	if status != http.StatusOK {
		t.Fatalf("the upload answered %d %s", status, answer)
	}
	url := read[wire.Uploaded](t, answer).URL
	if !strings.HasPrefix(url, "/upload/image/") {
		t.Errorf("its URL is %q", url)
	}
	m, _, err := ann.rest.PostMessage(w.ctx(), wire.PostedMessage{Recipient: bob.id, Attachment: url})
	if err != nil {
		t.Fatal(err)
	}

	got := hears(bob, b, wire.MessageNew)
	if got.Attachment == nil || !strings.HasPrefix(*got.Attachment, "/upload/image/") {
		t.Fatalf("bob heard of the attachment %v", got.Attachment)
	}
	resp, seen := w.fetch(*got.Attachment)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "image/png" {
		t.Fatalf("the picture answered %d %s %.100s", resp.StatusCode, resp.Header.Get("Content-Type"), seen)
	}
	if img, err := png.Decode(bytes.NewReader(seen)); err != nil || img.Bounds().Dx() != 40 {
		t.Errorf("what came is no such picture: %v", err)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "cross-origin", "Content-Security-Policy": "default-src 'none'; sandbox",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	bare, _, _ := strings.Cut(*got.Attachment, "?")
	for what, path := range map[string]string{"without a signature": bare, "with another signature": *got.Attachment + "0", "another file": strings.Replace(*got.Attachment, "/image/", "/image/0", 1)} {
		if resp, body := w.fetch(path); resp.StatusCode < 400 || resp.StatusCode >= 500 {
			t.Errorf("%s it answered %d %.100s", what, resp.StatusCode, body)
		}
	}
	if media := read[wire.Media](t, bob.do(http.StatusOK, "GET", "/api/messages/"+ann.id.String()+"/media", nil)); len(media.Media) != 1 || media.Media[0].ID != m.ID {
		t.Errorf("the attachments are %+v", media)
	}

	ann.do(http.StatusOK, "DELETE", "/api/messages/"+m.ID.String()+"?deleteForAll=true", nil)
	if resp, body := w.fetch(*got.Attachment); resp.StatusCode != http.StatusNotFound {
		t.Errorf("after the deletion it answered %d %.100s", resp.StatusCode, body)
	}
}

func TestNobodyAttachesTheFileOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob, eve := w.signUp(), w.signUp(), w.signUp()
	_, answer := ann.upload("/api/upload/chat-attachment", "file", "a.png", picture(t, 8))
	url := read[wire.Uploaded](t, answer).URL

	got, err := eve.rest.Do(w.ctx(), "POST", "/api/messages", wire.PostedMessage{Recipient: bob.id, Attachment: url})

	if err != nil || got.Status != http.StatusBadRequest {
		t.Errorf("answered %d %s, %v", got.Status, got.Body, err)
	}
	if list, err := bob.rest.Conversations(w.ctx()); err != nil || len(list) != 0 {
		t.Errorf("bob has %+v, %v", list, err)
	}
}

// vast is a picture of a few bytes that says it has 400 megapixels.
func vast(picture []byte) []byte {
	b := bytes.Clone(picture)
	header := b[12:29] // its name and what it says
	binary.BigEndian.PutUint32(header[4:], 20_000)
	binary.BigEndian.PutUint32(header[8:], 20_000)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(header))
	return b
}

func TestWhatIsNoFileOfTheListIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp()
	png := picture(t, 8)
	for name, content := range map[string][]byte{
		"page.png":    []byte("<!doctype html><script>alert(1)</script>"),
		"image.svg":   []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`),
		"archive.png": append([]byte("PK\x03\x04"), make([]byte, 200)...),
		"program.png": append([]byte("\x7fELF"), make([]byte, 200)...),
		"short.png":   png[:20],
		"empty.png":   {},
		"vast.png":    vast(png),
		"large.png":   append(bytes.Clone(png), make([]byte, 11<<20)...),
	} {
		status, answer := ann.upload("/api/upload/chat-attachment", "file", name, content)
		if status < 400 || status >= 500 {
			t.Errorf("%s answered %d %s", name, status, answer)
		}
	}
	if status, answer := ann.upload("/api/upload/voice-note", "audio", "v.webm", png); status != http.StatusBadRequest && status != http.StatusUnsupportedMediaType {
		t.Errorf("a picture as a voice note answered %d %s", status, answer)
	}
	var left []string
	err := filepath.WalkDir(filepath.Join(w.dir, "files"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, path)
		}
		return err
	})
	if err != nil || len(left) != 0 {
		t.Errorf("left behind are %q, %v", left, err)
	}
}
