package files

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/seal"
	"pryde/internal/wire"
)

const (
	// maxReceiving is how many files are on their way in at once; each takes less than 1 MiB of
	// memory.
	maxReceiving = 32
	// maxOwnReceiving is how many of them are one person's.
	maxOwnReceiving = 3
	// orphanAge is how long a file waits for a message that has it, and a message with files for
	// being stored.
	orphanAge = 24 * time.Hour
	// cleanTimeout bounds what is done after an upload failed.
	cleanTimeout = 10 * time.Second
)

// Options are what a service is made of. All are required.
type Options struct {
	Store    Store
	Objects  Objects
	Vault    *seal.Vault
	Key      [seal.KeySize]byte // the server's; links are signed with a key that follows from it
	Database [4]byte            // its files lie apart from those of others
	Spool    string             // folder of what is on its way in; made where there is none
	Quota    int64              // bytes that the files of a person have together, at most
	Rand     io.Reader
	Log      *slog.Logger
	Now      func() time.Time
}

// Service is the one place where files are taken, given out and removed. Its methods are safe for
// concurrent use. It promises: a file that was refused leaves nothing behind; what is stored is
// sealed with a key of its own, which is sealed with that of the person who sent it; a file goes
// with the last message that has it.
type Service struct {
	store   Store
	objects Objects
	vault   *seal.Vault
	signing []byte
	prefix  string // of the keys of objects
	spools  string
	quota   int64
	rand    io.Reader
	log     *slog.Logger
	now     func() time.Time
	studio  studio
	wake    chan struct{} // asks the sweep to look now

	mu        sync.Mutex
	receiving map[id.User]int
	all       int
}

// New returns a service. Sweep has to run beside it.
func New(o Options) (*Service, error) {
	if err := openSpool(o.Spool); err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, o.Key[:])
	mac.Write([]byte("pryde file links"))
	return &Service{
		store: o.Store, objects: o.Objects, vault: o.Vault, signing: mac.Sum(nil), prefix: hex.EncodeToString(o.Database[:]) + "/",
		spools: o.Spool, quota: o.Quota, rand: o.Rand, log: o.Log, now: o.Now, studio: newStudio(),
		wake: make(chan struct{}, 1), receiving: make(map[id.User]int),
	}, nil
}

// Store takes a picture, a video or a sound, which a message may have as its attachment within a
// day. The faults are the refusals of this package.
func (s *Service) Store(ctx context.Context, who auth.Identity, in wire.Upload) (wire.Uploaded, error) {
	u, _, err := s.take(ctx, who.User, KindAttachment, in.Content)
	if err != nil {
		return wire.Uploaded{}, fmt.Errorf("store a file: %w", err)
	}
	return wire.Uploaded{URL: s.Link(u.path())}, nil
}

// StoreVoice takes a voice note: a sound. How long it plays is what it says itself; where it does
// not, what the client said.
func (s *Service) StoreVoice(ctx context.Context, who auth.Identity, in wire.Upload) (wire.VoiceUploaded, error) {
	u, f, err := s.take(ctx, who.User, KindVoice, in.Content)
	if err != nil {
		return wire.VoiceUploaded{}, fmt.Errorf("store a voice note: %w", err)
	}
	if f.seconds == 0 {
		f.seconds = seconds(in.Seconds)
	}
	return wire.VoiceUploaded{URL: s.Link(u.path()), Duration: f.seconds}, nil
}

// take receives a file, looks at it, and stores it.
func (s *Service) take(ctx context.Context, owner id.User, kind Kind, in io.Reader) (Upload, format, error) {
	if !s.begin(owner) {
		return Upload{}, format{}, ErrBusy
	}
	defer s.end(owner)
	switch used, err := s.store.UploadedBytes(ctx, owner); {
	case err != nil:
		return Upload{}, format{}, err
	case used >= s.quota:
		return Upload{}, format{}, ErrQuota
	}
	received, err := s.receive(in)
	if err != nil {
		return Upload{}, format{}, err
	}
	defer func() { _ = received.Close() }() // nothing is lost with it
	f, err := sniff(content{received.reader(), received.size})
	if err == nil && kind == KindVoice && f.family != sound {
		err = errNotVoice
	}
	if err != nil {
		return Upload{}, format{}, err
	}
	kept := received
	if f.family == picture {
		if kept, f.kind, err = s.remake(ctx, f.kind, received); err != nil {
			return Upload{}, format{}, err
		}
		defer func() { _ = kept.Close() }()
	}
	u, err := s.keep(ctx, Upload{Owner: owner, Kind: kind, Type: f.kind}, kept)
	return u, f, err
}

// begin counts somebody's file that is on its way in. It reports false where there are too many.
func (s *Service) begin(owner id.User) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxReceiving || s.receiving[owner] >= maxOwnReceiving {
		return false
	}
	s.all++
	s.receiving[owner]++
	return true
}

func (s *Service) end(owner id.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.receiving[owner]--; s.receiving[owner] == 0 {
		delete(s.receiving, owner)
	}
}

// receive takes a file to the disk. It must be closed.
func (s *Service) receive(in io.Reader) (*spool, error) {
	received, err := newSpool(s.spools, s.rand)
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(received, &incoming{in: in, left: MaxBytes})
	switch {
	case err == nil && n == 0:
		err = ErrNoFile
	case err == nil:
		err = received.finish()
	}
	if err != nil {
		return nil, errors.Join(err, received.Close())
	}
	return received, nil
}

// An incoming reader ends with ErrTooLarge where there is more than is taken, and says of other
// errors that it was the sender's side which failed.
type incoming struct {
	in   io.Reader
	left int64
}

func (i *incoming) Read(p []byte) (int, error) {
	n, err := i.in.Read(p)
	if i.left -= int64(n); i.left < 0 {
		return 0, ErrTooLarge
	}
	if _, told := errors.AsType[*fault.Fault](err); err != nil && !errors.Is(err, io.EOF) && !told {
		err = errUnread.Because(err)
	}
	return n, err
}

// remake makes a picture anew, in another spool, which must be closed.
func (s *Service) remake(ctx context.Context, kind string, received *spool) (*spool, string, error) {
	made, err := newSpool(s.spools, s.rand)
	if err != nil {
		return nil, "", err
	}
	kind, err = s.studio.remake(ctx, kind, content{received.reader(), received.size}, made)
	if err == nil {
		err = made.finish()
	}
	if err != nil {
		return nil, "", errors.Join(err, made.Close())
	}
	return made, kind, nil
}

// keep stores what was taken. The row comes first: a process that dies before the object is there
// leaves a row that nobody knows of and the sweep removes.
func (s *Service) keep(ctx context.Context, u Upload, from *spool) (Upload, error) {
	now := s.now().Truncate(time.Millisecond).UTC()
	u.Name, u.Size, u.CreatedAt, u.Due = from.name, from.size, now, now.Add(orphanAge)
	if err := s.vault.Ensure(ctx, seal.Owner(u.Owner)); err != nil {
		return Upload{}, fmt.Errorf("seal the key of a file: %w", err)
	}
	var err error
	if u.Key, err = s.vault.Seal(ctx, seal.Owner(u.Owner), KeyPlace(u.Name), from.key[:]); err != nil {
		return Upload{}, fmt.Errorf("seal the key of a file: %w", err)
	}
	if err := s.store.AddUpload(ctx, u, s.quota); err != nil {
		return Upload{}, err
	}
	if err := s.objects.Put(ctx, s.objectKey(u.Name), from.sealed(), sealedSize(u.Size)); err != nil {
		s.drop(ctx, u.Name)
		return Upload{}, away(err)
	}
	return u, nil
}

// drop forgets an upload whose object could not be stored. Where that fails too, the sweep does it.
func (s *Service) drop(ctx context.Context, n Name) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	err := s.store.DoomUpload(ctx, n, s.now())
	if err == nil {
		err = s.remove(ctx, n)
	}
	if err != nil {
		s.log.WarnContext(ctx, "a file that could not be stored is left to the sweep", "err", err)
	}
}

// remove removes a doomed file: its object first, so that nothing is forgotten that is there.
func (s *Service) remove(ctx context.Context, n Name) error {
	if err := s.objects.Delete(ctx, s.objectKey(n)); err != nil {
		return fmt.Errorf("remove a file: %w", err)
	}
	return s.store.DeleteUpload(ctx, n)
}

// objectKey is where the content of a file is: in one of 256 parts, so that none gets large and the
// sweep can look at one after the other.
func (s *Service) objectKey(n Name) string {
	name := n.String()
	return s.prefix + name[:2] + "/" + name
}

// away marks what a store of objects says as a fault that invites a retry, unless it is one.
func away(err error) error {
	if _, told := errors.AsType[*fault.Fault](err); told {
		return err
	}
	return errStorage.Because(err)
}
