package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/seal"
	"pryde/internal/wire"
)

const (
	// linkSlack is how much earlier than its link a browser forgets a file.
	linkSlack = time.Minute
	// ownKeeping is how long a browser may keep what it got without a link.
	ownKeeping = time.Hour
	// maxListed bounds a list of files.
	maxListed = 1_000
)

// Fetch returns a file to whoever shows its link; without one to the person who uploaded it. It is
// ErrLink where the link is not good, and ErrNoUpload where the file is not there, not theirs, or
// cannot be read any more because the person is erased. Content must be closed; it is read with
// ctx.
func (s *Service) Fetch(ctx context.Context, who auth.Identity, q wire.FileQuery) (wire.File, error) {
	n, ext, ok := parseFilename(q.Name)
	if !ok {
		return wire.File{}, ErrNoUpload
	}
	own := q.Expires == "" && q.Signature == "" && !who.User.IsZero()
	until := ownKeeping
	if !own {
		left, err := s.signed(n, q.Expires, q.Signature)
		if err != nil {
			return wire.File{}, err
		}
		until = max(0, left-linkSlack)
	}
	u, err := s.store.Upload(ctx, n)
	if err == nil && (u.Doomed || ext != extension(u.Type) || own && u.Owner != who.User) {
		err = ErrNoUpload
	}
	if err != nil {
		return wire.File{}, fmt.Errorf("fetch a file: %w", err)
	}
	c, err := s.Open(ctx, u)
	if err != nil {
		return wire.File{}, fmt.Errorf("fetch a file: %w", err)
	}
	return wire.File{
		Type: u.mediaType(), Disposition: u.disposition(), Tag: n.String(), Modified: u.CreatedAt, Until: until, Content: c,
	}, nil
}

// mediaType is the type that a browser is told. A row of a later release may have one that is not
// known here to be harmless.
func (u Upload) mediaType() string {
	if _, known := extensions[u.Type]; !known {
		return "application/octet-stream"
	}
	return u.Type
}

func (u Upload) disposition() string {
	if _, known := extensions[u.Type]; !known {
		return `attachment; filename="` + u.Filename() + `"`
	}
	return `inline; filename="` + u.Filename() + `"`
}

// Open returns the content of an upload, or ErrNoUpload where it cannot be read any more. It must
// be closed, and is read with ctx.
func (s *Service) Open(ctx context.Context, u Upload) (io.ReadSeekCloser, error) {
	raw, err := s.vault.Open(ctx, KeyPlace(u.Name), u.Key)
	switch {
	case errors.Is(err, seal.ErrKeyGone):
		return nil, ErrNoUpload.Because(err)
	case err != nil:
		return nil, fmt.Errorf("open the key of a file: %w", err)
	case len(raw) != seal.KeySize:
		return nil, fmt.Errorf("open the key of a file: %w", seal.ErrTampered)
	}
	c, err := newCabinet(fileKey(raw), u.Name)
	if err != nil {
		return nil, err
	}
	o, err := s.objects.Open(ctx, s.objectKey(u.Name))
	switch {
	case errors.Is(err, ErrNoObject):
		return nil, ErrNoUpload.Because(err)
	case err != nil:
		return nil, away(err)
	}
	return newReader(o, c, u.Size), nil
}

// Uploads returns the files of a person behind a name, by name, at most limit and at most 1,000.
func (s *Service) Uploads(ctx context.Context, owner id.User, after Name, limit int) ([]Upload, error) {
	list, err := s.store.UploadsOf(ctx, owner, after, min(limit, maxListed))
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	return list, nil
}

// Forget removes all files of a person, whatever messages have them.
func (s *Service) Forget(ctx context.Context, owner id.User) error {
	if err := s.store.DoomUploadsOf(ctx, owner, s.now()); err != nil {
		return fmt.Errorf("forget the files of a person: %w", err)
	}
	s.hurry()
	return nil
}
