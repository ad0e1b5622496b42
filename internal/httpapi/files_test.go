package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/httpapi"
	"pryde/internal/wire"
)

// shelf keeps the last file that it was given, up to a size.
type shelf struct {
	most   int // bytes
	in     wire.Upload
	kept   []byte
	asked  []wire.FileQuery
	closed int
}

func (s *shelf) Store(_ context.Context, _ auth.Identity, in wire.Upload) (wire.Uploaded, error) {
	s.in = in
	raw, err := io.ReadAll(io.LimitReader(in.Content, int64(s.most)+1))
	if err != nil {
		return wire.Uploaded{}, fmt.Errorf("store file: %w", err)
	}
	if len(raw) > s.most {
		return wire.Uploaded{}, fault.TooLarge("FILE_TOO_LARGE", "The file is too large")
	}
	s.kept = raw
	return wire.Uploaded{URL: "/upload/image/1.png"}, nil
}

func (s *shelf) StoreVoice(ctx context.Context, who auth.Identity, in wire.Upload) (wire.VoiceUploaded, error) {
	out, err := s.Store(ctx, who, in)
	return wire.VoiceUploaded{URL: out.URL, Duration: in.Seconds}, err
}

func (s *shelf) Fetch(_ context.Context, _ auth.Identity, q wire.FileQuery) (wire.File, error) {
	s.asked = append(s.asked, q)
	if q.Signature != "good" {
		return wire.File{}, fault.NotFound("FILE_NOT_FOUND", "File not found")
	}
	return wire.File{
		Type: "image/png", Disposition: `inline; filename="a.png"`, Tag: "abc", Modified: noon, Until: time.Hour,
		Content: closing{bytes.NewReader(s.kept), &s.closed},
	}, nil
}

type closing struct {
	io.ReadSeeker
	closed *int
}

func (c closing) Close() error {
	*c.closed++
	return nil
}

// A part is one of a form; a file where it has a name.
type part struct{ field, file, content string }

func upload(t *testing.T, path string, parts ...part) *http.Request {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, p := range parts {
		create := func() (io.Writer, error) { return form.CreateFormField(p.field) }
		if p.file != "" {
			create = func() (io.Writer, error) { return form.CreateFormFile(p.field, p.file) }
		}
		w, err := create()
		if err == nil {
			_, err = io.WriteString(w, p.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, path, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}

func TestAFileIsHandedOnAsItComesIn(t *testing.T) {
	for _, tt := range []struct {
		name, path string
		parts      []part
		want       string
	}{
		{"attachment", "/api/upload/chat-attachment", []part{{"file", "a.png", "pixels"}}, `"url":"/upload/image/1.png"`},
		{"behind other fields", "/api/upload/chat-attachment", []part{{"note", "", "x"}, {"file", "a.png", "pixels"}}, `"url":"/upload/image/1.png"`},
		{"duration before the voice", "/api/upload/voice-note", []part{{"duration", "", "4.5"}, {"audio", "v.webm", "pixels"}}, `"duration":4.5`},
		{"duration behind the voice", "/api/upload/voice-note", []part{{"audio", "v.webm", "pixels"}, {"duration", "", "4.5"}}, `"duration":4.5`},
		{"no duration behind the voice", "/api/upload/voice-note", []part{{"audio", "v.webm", "pixels"}, {"duration", "", "31536000"}}, `"duration":0`},
		{"no duration", "/api/upload/voice-note", []part{{"audio", "v.webm", "pixels"}}, `"duration":0`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, s := newDoor(t), &shelf{most: 100}
			httpapi.BindFiles(d.API, s)

			w := d.do(upload(t, tt.path, tt.parts...))

			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("answered %d %s, want %s", w.Code, w.Body, tt.want)
			}
			if err := wire.ValidateAnswer("POST", tt.path, w.Code, w.Body.Bytes()); err != nil {
				t.Error(err)
			}
			if got := string(s.kept); got != "pixels" {
				t.Errorf("stored %q", got)
			}
		})
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	many := make([]part, 40)
	for i := range many {
		many[i] = part{"note", "", "x"}
	}
	for _, tt := range []struct {
		name   string
		r      *http.Request
		status int
		code   string
	}{
		{"JSON", httptest.NewRequest("POST", "/api/upload/chat-attachment", strings.NewReader(`{}`)), 400, "INVALID_DATA"},
		{"another field", upload(t, "/api/upload/chat-attachment", part{"files", "a.png", "x"}), 400, "MISSING_FILE"},
		{"no part", upload(t, "/api/upload/chat-attachment"), 400, "MISSING_FILE"},
		{"many parts", upload(t, "/api/upload/chat-attachment", append(many, part{"file", "a.png", "x"})...), 400, "MISSING_FILE"},
		{"duration that is none", upload(t, "/api/upload/voice-note", part{"duration", "", "long"}, part{"audio", "a", "x"}), 400, "INVALID_DURATION"},
		{"duration NaN", upload(t, "/api/upload/voice-note", part{"duration", "", "NaN"}, part{"audio", "a", "x"}), 400, "INVALID_DURATION"},
		{"duration of a year", upload(t, "/api/upload/voice-note", part{"duration", "", "31536000"}, part{"audio", "a", "x"}), 400, "INVALID_DURATION"},
		{"duration without an end", upload(t, "/api/upload/voice-note", part{"duration", "", strings.Repeat("1", 1<<20)}, part{"audio", "a", "x"}), 400, "INVALID_DURATION"},
		{"a large file", upload(t, "/api/upload/chat-attachment", part{"file", "a.png", strings.Repeat("x", 101)}), 413, "FILE_TOO_LARGE"},
		{"a body that says it is too large", upload(t, "/api/upload/chat-attachment", part{"file", "a.png", strings.Repeat("x", 11<<20)}), 413, "PAYLOAD_TOO_LARGE"},
		{"a body that is too large", chunked(upload(t, "/api/upload/chat-attachment", part{"note", "", strings.Repeat("x", 11<<20)}, part{"file", "a", "x"})), 413, "PAYLOAD_TOO_LARGE"},
		{"a body that ends early", cut(upload(t, "/api/upload/chat-attachment", part{"file", "a.png", "pixels"})), 400, "INVALID_DATA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, s := newDoor(t), &shelf{most: 100}
			httpapi.BindFiles(d.API, s)

			w := d.do(tt.r)

			if w.Code != tt.status || !strings.Contains(w.Body.String(), `"code":"`+tt.code+`"`) {
				t.Errorf("answered %d %s, want %d %s", w.Code, w.Body, tt.status, tt.code)
			}
			if err := wire.ValidateAnswer("POST", tt.r.URL.Path, w.Code, w.Body.Bytes()); err != nil {
				t.Error(err)
			}
		})
	}
}

// chunked returns a request that does not say how long it is.
func chunked(r *http.Request) *http.Request {
	r.ContentLength = -1
	return r
}

// cut returns a request whose body breaks off.
func cut(r *http.Request) *http.Request {
	r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, r.ContentLength-20), broken{}))
	return r
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestUploadsAreCountedBeforeTheyAreRead(t *testing.T) {
	d, s := newDoor(t), &shelf{most: 100}
	httpapi.BindFiles(d.API, s)
	d.limited["upload_user"] = auth.Identity{}.User.String()

	w := d.do(upload(t, "/api/upload/chat-attachment", part{"file", "a.png", "pixels"}))

	if w.Code != http.StatusTooManyRequests || s.kept != nil {
		t.Errorf("answered %d %s, stored %q", w.Code, w.Body, s.kept)
	}
}

func TestAFileIsGivenSoThatItIsHarmless(t *testing.T) {
	d, s := newDoor(t), &shelf{kept: []byte("0123456789")}
	httpapi.BindFiles(d.API, s)
	d.verify = func(string) (auth.Identity, error) {
		return auth.Identity{}, fault.Unauthenticated("UNAUTHORIZED", "no")
	}
	for _, tt := range []struct {
		method, span string
		status       int
		body         string
	}{
		{"GET", "", 200, "0123456789"},
		{"HEAD", "", 200, ""},
		{"GET", "bytes=2-4", 206, "234"},
		{"GET", "bytes=90-", 416, "invalid range: failed to overlap\n"},
	} {
		r := httptest.NewRequest(tt.method, "/api/upload/IMAGE/1.png?expires=7&signature=good", nil)
		if tt.span != "" {
			r.Header.Set("Range", tt.span)
		}
		w := d.do(r)
		if w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s %q answered %d %q", tt.method, tt.span, w.Code, w.Body)
		}
		if tt.status >= 400 {
			continue
		}
		for name, want := range map[string]string{
			"Content-Type": "image/png", "Content-Disposition": `inline; filename="a.png"`, "Etag": `"abc"`, "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, max-age=3600, immutable",
			"Cross-Origin-Resource-Policy": "cross-origin", "Pragma": "", "Expires": "",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s %q: %s is %q, want %q", tt.method, tt.span, name, got, want)
			}
		}
	}
	if s.closed != len(s.asked) {
		t.Errorf("%d of %d files were closed", s.closed, len(s.asked))
	}
	if got, want := s.asked[0], (wire.FileQuery{Name: "1.png", Expires: "7", Signature: "good"}); got != want {
		t.Errorf("asked for %+v, want %+v", got, want)
	}

	w := d.do(httptest.NewRequest("GET", "/api/upload/file/1.png?signature=bad", nil))
	if w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("without a signature answered %d %s", w.Code, w.Body)
	}
}
