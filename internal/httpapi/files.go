package httpapi

import (
	"context"
	"errors"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"strconv"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/wire"
)

const (
	// maxUpload is the largest body that brings a file, in bytes: a file of 10 MiB, and what
	// frames it.
	maxUpload = 10<<20 + 64<<10
	// fileTimeout bounds how long a file may be on its way in or out.
	fileTimeout = 2 * time.Minute
	// maxParts is how many parts of a form are looked at.
	maxParts = 16
	// maxFileName is how much is kept of the name that a client gave a file, in bytes.
	maxFileName = 255
	// maxSeconds is the longest voice note.
	maxSeconds = 3_600
)

var (
	errNoForm   = fault.Invalid("INVALID_DATA", "The body is no form with a file")
	errNoFile   = fault.Invalid("MISSING_FILE", "No file uploaded")
	errDuration = fault.Invalid("INVALID_DURATION", "duration is no number of seconds from 0 to 3,600")
)

// Files are the operations behind the routes of files.
type Files interface {
	// Store and StoreVoice read what a client sends to its end, or as much as they take.
	Store(ctx context.Context, who auth.Identity, in wire.Upload) (wire.Uploaded, error)
	StoreVoice(ctx context.Context, who auth.Identity, in wire.Upload) (wire.VoiceUploaded, error)
	// Fetch returns a stored file, which the caller closes. who is zero where nobody is logged
	// in: a signed URL needs nobody.
	Fetch(ctx context.Context, who auth.Identity, q wire.FileQuery) (wire.File, error)
}

// BindFiles binds the routes of files.
func BindFiles(a *API, ops Files) {
	Bind(a, wire.PostAttachment, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		form, err := c.form(wire.PostAttachment.Spec().FileField)
		if err != nil {
			return Answer{}, err
		}
		return plain(ops.Store(ctx, c.Who, form.upload))
	})
	Bind(a, wire.PostVoiceNote, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		form, err := c.form(wire.PostVoiceNote.Spec().FileField)
		if err != nil {
			return Answer{}, err
		}
		out, err := ops.StoreVoice(ctx, c.Who, form.upload)
		if err == nil && out.Duration == 0 {
			out.Duration = form.durationBehind()
		}
		return plain(out, err)
	})
	fetch := func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		who, err := a.whoever(ctx, c)
		if err != nil {
			return Answer{}, err
		}
		params := c.http.URL.Query()
		f, err := ops.Fetch(ctx, who, wire.FileQuery{Name: text(c, "name"), Expires: params.Get("expires"), Signature: params.Get("signature")})
		return Answer{File: &f}, err
	}
	Bind(a, wire.GetImage, fetch)
	Bind(a, wire.GetFile, fetch)
}

// A form is the body of a request that brings a file, read up to the beginning of the file.
type form struct {
	parts  *multipart.Reader
	seen   int
	upload wire.Upload
}

// form reads a form up to the file in a field.
func (c Call) form(field string) (*form, error) {
	if c.http.ContentLength > maxUpload {
		return nil, errTooLarge
	}
	c.allow(fileTimeout)
	c.http.Body = faulty{http.MaxBytesReader(c.writer, c.http.Body, maxUpload)}
	parts, err := c.http.MultipartReader()
	if err != nil {
		return nil, errNoForm.Because(err)
	}
	f := &form{parts: parts}
	for {
		part, err := f.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, errNoFile
		case err != nil:
			return nil, err
		case part.FormName() == field:
			f.upload.Name = clip(part.FileName(), maxFileName)
			f.upload.Type = clip(part.Header.Get("Content-Type"), maxFileName)
			f.upload.Content = part
			return f, nil
		case part.FormName() == "duration":
			if f.upload.Seconds, err = duration(part); err != nil {
				return nil, err
			}
		}
	}
}

// durationBehind returns the duration where it stands behind the file; 0 where it does not, or is
// none: the file is stored by then.
func (f *form) durationBehind() float64 {
	for {
		part, err := f.next()
		if err != nil {
			return 0
		}
		if part.FormName() == "duration" {
			seconds, err := duration(part)
			if err != nil {
				return 0
			}
			return seconds
		}
	}
}

// next returns the next part, or io.EOF behind the last one that is looked at.
func (f *form) next() (*multipart.Part, error) {
	if f.seen++; f.seen > maxParts {
		return nil, io.EOF
	}
	part, err := f.parts.NextPart()
	if known := (*fault.Fault)(nil); err == nil || errors.Is(err, io.EOF) || errors.As(err, &known) {
		return part, err
	}
	return nil, errNoForm.Because(err)
}

func duration(part io.Reader) (float64, error) {
	const longest = 32 // bytes of a number
	raw, err := io.ReadAll(io.LimitReader(part, longest+1))
	if err != nil {
		return 0, err
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || len(raw) > longest || math.IsNaN(seconds) || seconds < 0 || seconds > maxSeconds {
		return 0, errDuration
	}
	return seconds, nil
}

// allow gives a request more time than the server gives others.
func (c Call) allow(d time.Duration) {
	control := http.NewResponseController(c.writer)
	until := time.Now().Add(d)
	// A connection that takes no deadline has none.
	_ = control.SetReadDeadline(until)
	_ = control.SetWriteDeadline(until.Add(requestTimeout))
}

// faulty is a body whose errors say what the client has to be told.
type faulty struct{ io.ReadCloser }

func (b faulty) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	tooLarge, known := (*http.MaxBytesError)(nil), (*fault.Fault)(nil)
	switch {
	case err == nil || errors.Is(err, io.EOF) || errors.As(err, &known):
		return n, err
	case errors.As(err, &tooLarge):
		return n, errTooLarge
	default:
		return n, errUnread.Because(err)
	}
}

// give sends a file: one that no browser takes for a page, and that no other person's cache
// keeps.
func (a *API) give(c Call, f *wire.File) {
	defer func() { _ = f.Content.Close() }() // it was only read
	c.allow(fileTimeout)
	h := c.writer.Header()
	h.Del("Pragma")
	h.Del("Expires")
	h.Set("Cache-Control", "private, max-age="+strconv.Itoa(seconds(f.Until))+", immutable")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Content-Type", f.Type)
	h.Set("Content-Disposition", f.Disposition)
	if f.Tag != "" {
		h.Set("Etag", `"`+f.Tag+`"`)
	}
	http.ServeContent(c.writer, c.http, "", f.Modified, f.Content)
}
