package s3_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"image"
	"image/png"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"testing"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/files"
	"pryde/internal/files/s3"
	"pryde/internal/id"
	"pryde/internal/seal"
	"pryde/internal/sqlitestore"
	"pryde/internal/wire"
)

var (
	ann   = auth.Identity{User: id.User{0x65, 1}}
	start = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
)

// service makes a service over a real database and a bucket.
func service(t *testing.T, bucket *s3.Bucket) *files.Service {
	t.Helper()
	keys, err := sqlitestore.OpenKeys(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	master := seal.Key{1, 2, 3}
	ring, err := seal.NewRing(master.ID(), map[seal.KeyID]seal.Key{master.ID(): master})
	if err != nil {
		t.Fatal(err)
	}
	vault := seal.New(ring, keys, rand.Reader)
	store, err := sqlitestore.Open(t.Context(), sqlitestore.Options{Dir: t.TempDir(), Vault: vault, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(store.Close(), keys.Close()); err != nil {
			t.Error(err)
		}
	})
	s, err := files.New(files.Options{
		Store: store, Objects: bucket, Vault: vault, Key: [32]byte{9}, Database: [4]byte{1, 2, 3, 4}, Spool: t.TempDir(), Quota: 1 << 30,
		Rand: rand.Reader, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return start },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func query(t *testing.T, link string) wire.FileQuery {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	return wire.FileQuery{Name: path.Base(u.Path), Expires: u.Query().Get("expires"), Signature: u.Query().Get("signature")}
}

// sound is a file of 9 MB.
func sound() []byte {
	return append(bytes.Repeat(append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 413)...), 3), noise(9<<20)...)
}

func noise(size int) []byte {
	b := make([]byte, size)
	for i, n := 0, uint32(1); i < size; i++ {
		n = n*1_664_525 + 1_013_904_223
		b[i] = byte(n >> 24)
	}
	return b
}

func TestFilesLiveInABucket(t *testing.T) {
	dir := t.TempDir()
	server := serve(t, dir)
	server.bucket(t, "pryde")
	s := service(t, server.open(t, "pryde"))
	file := sound()

	out, err := s.Store(t.Context(), ann, wire.Upload{Content: bytes.NewReader(file)})
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Fetch(t.Context(), auth.Identity{}, query(t, out.URL))
	if err != nil {
		t.Fatal(err)
	}

	for _, from := range []int64{0, 5 << 20, int64(len(file)) - 10} {
		if _, err := f.Content.Seek(from, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(f.Content); err != nil || !bytes.Equal(got, file[from:]) {
			t.Errorf("from %d: %d bytes, error %v", from, len(got), err)
		}
	}
	if _, err := f.Content.Seek(1000, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(f.Content, make([]byte, 10)); err != nil {
		t.Error(err)
	}
	if err := f.Content.Close(); err != nil {
		t.Errorf("close what is not read to its end: %v", err)
	}
	if err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(b, file[2000:2100]) {
			t.Errorf("%s holds the file as it is", name)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// A store of objects goes away and comes back.
func TestABucketThatIsAwayIsSaid(t *testing.T) {
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	gate := &testServer{}
	bucket, err := s3.Open(t.Context(), s3.Options{Endpoint: gate.start(t), Region: region, Bucket: "pryde", AccessKey: accessKey, SecretKey: secretKey})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := bucket.Close(); err != nil {
			t.Error(err)
		}
	}()
	s := service(t, bucket)
	gate.set(forbidden)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = s.Store(ctx, ann, wire.Upload{Content: bytes.NewReader(picture.Bytes())})

	if fault.Of(err).Code != "STORE_UNAVAILABLE" {
		t.Errorf("Store gave %v, want STORE_UNAVAILABLE", err)
	}
	if list, err := s.Uploads(t.Context(), ann.User, files.Name{}, 10); err != nil || len(list) != 0 {
		t.Errorf("%d uploads are listed after it (error %v)", len(list), err)
	}
}
