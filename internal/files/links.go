package files

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"pryde/internal/id"
)

const (
	// linkRound is for how long the link of a file stays the same, so that browsers find what they
	// have; a link is good for one to two times as long.
	linkRound = time.Hour
	// signatureSize is the length of a signature in bytes.
	signatureSize = 16
	// maxAttached is how many files one message has.
	maxAttached = 10
)

// The paths of files, by what they were uploaded as.
const (
	imagePrefix = "/upload/image/"
	voicePrefix = "/upload/file/"
)

func (u Upload) path() string {
	if u.Kind == KindVoice {
		return voicePrefix + u.Filename()
	}
	return imagePrefix + u.Filename()
}

// Attach says that a message has the files of these paths. What is no path of a file of this server
// is passed over. It is ErrForeign where a file is not the owner's, or not there any more. It is
// called before the message is stored; where that does not happen within a day, the sweep takes the
// message for gone.
func (s *Service) Attach(ctx context.Context, owner id.User, m id.Message, paths ...string) error {
	var names []Name
	for _, path := range paths {
		if _, n, ok := parsePath(path); ok {
			names = append(names, n)
		}
	}
	switch {
	case len(names) == 0:
		return nil
	case len(names) > maxAttached:
		return ErrForeign
	}
	if err := s.store.UseUploads(ctx, owner, m, names, s.now().Add(orphanAge)); err != nil {
		return fmt.Errorf("attach files: %w", err)
	}
	return nil
}

// Detach says that a message is gone: files that no other message has go too. A second call changes
// nothing.
func (s *Service) Detach(ctx context.Context, m id.Message) error {
	if err := s.store.ReleaseUploads(ctx, m, s.now()); err != nil {
		return fmt.Errorf("detach files: %w", err)
	}
	s.hurry()
	return nil
}

// Link signs the path of a file for the next hour or two. A signature that it has is replaced; what
// is no path of a file of this server is returned as it is.
func (s *Service) Link(path string) string {
	plain, n, ok := parsePath(path)
	if !ok {
		return path
	}
	expires := s.now().Truncate(linkRound).Add(2 * linkRound).Unix()
	return plain + "?expires=" + strconv.FormatInt(expires, 10) + "&signature=" + s.sign(n, expires)
}

// sign returns the signature of a link that ends at a moment, in seconds since 1970.
func (s *Service) sign(n Name, expires int64) string {
	mac := hmac.New(sha256.New, s.signing)
	mac.Write(n[:])
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(expires)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:signatureSize])
}

// signed returns how long a link is good yet, or ErrLink.
func (s *Service) signed(n Name, expiry, signature string) (time.Duration, error) {
	expires, err := strconv.ParseInt(expiry, 10, 64)
	if err != nil || strconv.FormatInt(expires, 10) != expiry || !hmac.Equal([]byte(signature), []byte(s.sign(n, expires))) {
		return 0, ErrLink
	}
	left := time.Unix(expires, 0).Sub(s.now())
	if left <= 0 {
		return 0, ErrLink
	}
	return left, nil
}

// parsePath reads the path of a file of this server, with or without a query behind it, and returns
// it without. What Attach does not take for such a path Link must not sign: both ask here.
func parsePath(path string) (plain string, n Name, ok bool) {
	plain, _, _ = strings.Cut(path, "?")
	file, ok := strings.CutPrefix(plain, imagePrefix)
	if !ok {
		if file, ok = strings.CutPrefix(plain, voicePrefix); !ok {
			return "", Name{}, false
		}
	}
	n, _, ok = parseFilename(file)
	return plain, n, ok
}

// parseFilename reads what Filename writes.
func parseFilename(file string) (n Name, ext string, ok bool) {
	text, ext, dotted := strings.Cut(file, ".")
	b, err := hex.DecodeString(text)
	if !dotted || err != nil || len(b) != nameSize || hex.EncodeToString(b) != text || !isExtension(ext) {
		return Name{}, "", false
	}
	return Name(b), ext, true
}

func isExtension(ext string) bool {
	for _, known := range extensions {
		if ext == known {
			return true
		}
	}
	return false
}
