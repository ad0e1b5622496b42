package httpapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
)

const (
	pageIndex = "index.html"
	// hashedAssets is the folder whose file names change with their content.
	hashedAssets = "assets/"
)

// unbuilt is served where the binary was made without the page.
const unbuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>pryde</title>
<h1>pryde is running</h1>
<p>This binary was built without its page. With Node 20 or newer installed, <code>make build</code> builds both.</p>
<p>The REST API is below <code>/api</code>, the sockets are at <code>/socket.io/</code>.</p>
</html>
`

// mediaTypes are the kinds of file that a build may hold. Others are served as bytes.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2",
	".json": "application/json", ".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8",
}

// app is the web app in memory, read once.
type app struct {
	api   *API
	files map[string]pageFile
}

type pageFile struct {
	body, gzipped []byte // gzipped is nil where it would not be smaller
	kind, tag     string
	cache         string
}

// Page returns a handler that serves the built page in files, its index for every path that a
// person may open in it, and the API's answer for everything else. Without a built page it
// says how to build one. The files are read now; later changes are not seen.
func (a *API) Page(files fs.FS) (http.Handler, error) {
	p := &app{api: a, files: make(map[string]pageFile)}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		p.files[name], err = newPageFile(name, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	if _, built := p.files[pageIndex]; !built {
		if p.files[pageIndex], err = newPageFile(pageIndex, []byte(unbuilt)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func newPageFile(name string, body []byte) (pageFile, error) {
	sum := sha256.Sum256(body)
	f := pageFile{body: body, kind: mediaTypes[path.Ext(name)], tag: hex.EncodeToString(sum[:16]), cache: "no-cache"}
	if f.kind == "" {
		f.kind = "application/octet-stream"
	}
	if strings.HasPrefix(name, hashedAssets) {
		f.cache = "public, max-age=31536000, immutable"
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return pageFile{}, err
	}
	if _, err := z.Write(body); err != nil {
		return pageFile{}, err
	}
	if err := z.Close(); err != nil {
		return pageFile{}, err
	}
	if b.Len() < len(body) {
		f.gzipped = b.Bytes()
	}
	return f, nil
}

// ServeHTTP serves a file, the index, or what the API says.
func (p *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := p.find(r)
	if !ok {
		p.api.ServeHTTP(w, r)
		return
	}
	p.headers(w, r)
	h := w.Header()
	h.Set("Cache-Control", f.cache)
	h.Set("Content-Type", f.kind)
	h.Add("Vary", "Accept-Encoding")
	body, tag := f.body, `"`+f.tag+`"`
	if f.gzipped != nil && takesGzip(r) {
		body, tag = f.gzipped, `"`+f.tag+`-gz"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Etag", tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// find returns the file for a request. A path that names none is one of the page's own when
// a browser opens it as a page; files that are missing, and the API's paths, are not.
func (p *app) find(r *http.Request) (pageFile, bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return pageFile{}, false
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		return p.files[pageIndex], true
	}
	if f, ok := p.files[name]; ok {
		return f, true
	}
	first, _, _ := strings.Cut(strings.ToLower(name), "/")
	opened := strings.Contains(r.Header.Get("Accept"), "text/html") && path.Ext(name) == ""
	return p.files[pageIndex], opened && first != "api" && first+"/" != hashedAssets
}

// plainHost is a host that cannot end a directive of the policy.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]+$`)

func (p *app) headers(w http.ResponseWriter, r *http.Request) {
	sockets := ""
	if plainHost.MatchString(r.Host) {
		// Not every browser takes 'self' for sockets.
		sockets = " ws://" + r.Host + " wss://" + r.Host
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"+sockets+
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	p.api.secure(h, r)
}

// takesGzip reports whether the client accepts gzip. Weights are compared with zero only.
func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			return !refusedWeight.MatchString(weight)
		}
	}
	return false
}

var refusedWeight = regexp.MustCompile(`^\s*q=0(\.0*)?\s*$`)
