package people

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"pryde/internal/fault"
)

// How new passwords are hashed.
const (
	hashMemory  = 19 << 10 // KiB
	hashTime    = 2        // passes
	hashThreads = 1
	saltSize    = 16 // bytes
	keySize     = 32 // bytes
)

// maxQueued is how many may wait for a hash besides the one that is made. One takes some 30 ms.
const maxQueued = 50

var errBusy = fault.Unavailable("BUSY", "The server is busy, please try again", 2*time.Second)

var errHashForm = errors.New("a stored password hash has no known form")

// passwords makes and checks hashes, one at a time and with a rest between two, so that a
// storm of logins takes neither the memory nor the processors that sockets need.
type passwords struct {
	rand   io.Reader // read by the one whose turn it is
	former bool      // new hashes are of the form that the former system knows
	turn   chan struct{}
	here   atomic.Int32 // waiting or at work
	rest   time.Time    // until when nothing is hashed; of the one whose turn it is
}

func newPasswords(rand io.Reader, former bool) *passwords {
	return &passwords{rand: rand, former: former, turn: make(chan struct{}, 1)}
}

// queue runs fn when it is its turn, or returns errBusy where too many wait or ctx ends first.
func (p *passwords) queue(ctx context.Context, fn func() error) error {
	defer p.here.Add(-1)
	if p.here.Add(1) > maxQueued+1 {
		return errBusy
	}
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return errBusy.Because(ctx.Err())
	}
	defer func() { <-p.turn }()
	select {
	case <-time.After(time.Until(p.rest)):
	case <-ctx.Done():
		return errBusy.Because(ctx.Err())
	}
	started := time.Now()
	err := fn()
	// Where Go uses three processors hashing takes less than half of one, with many nearly all of one.
	ended := time.Now()
	p.rest = ended.Add(ended.Sub(started) * 4 / time.Duration(runtime.GOMAXPROCS(0)))
	return err
}

// hash returns the hash of a password as it is stored.
func (p *passwords) hash(ctx context.Context, password string) (phc string, err error) {
	err = p.queue(ctx, func() error {
		phc, err = p.fresh(password)
		return err
	})
	return phc, err
}

// check reports whether a password is the one of a hash. better is the hash that is to be
// stored in its place where it is of a form that is no longer made. An empty hash is that of
// nobody: checking it takes as long as checking another, and no password is right. So it is with
// a hash of no known form, for which the error is errHashForm.
func (p *passwords) check(ctx context.Context, hash, password string) (right bool, better string, err error) {
	err = p.queue(ctx, func() error {
		right, better, err = p.compare(hash, password)
		if hash == "" || errors.Is(err, errHashForm) {
			p.pretend(password)
		}
		return err
	})
	return right, better, err
}

func (p *passwords) compare(hash, password string) (right bool, better string, err error) {
	switch {
	case hash == "":
		return false, "", nil
	case isBcrypt(hash):
		return p.compareFormer(hash, password)
	}
	a, err := parsePHC(hash)
	if err != nil {
		return false, "", err
	}
	if right = a.matches(password); right && (p.former || !a.current()) {
		better, err = p.fresh(password)
	}
	return right, better, err
}

// pretend takes as long as a comparison with a hash that fresh makes.
func (p *passwords) pretend(password string) {
	if p.former {
		_, _ = bcrypt.GenerateFromPassword(cut(password), bcryptCost)
		return
	}
	argon{memory: hashMemory, time: hashTime, threads: hashThreads, salt: make([]byte, saltSize), key: make([]byte, keySize)}.matches(password)
}

func (p *passwords) fresh(password string) (string, error) {
	if p.former {
		hash, err := bcrypt.GenerateFromPassword(cut(password), bcryptCost)
		if err != nil {
			return "", fmt.Errorf("hash password: %w", err)
		}
		return string(hash), nil
	}
	a := argon{memory: hashMemory, time: hashTime, threads: hashThreads, salt: make([]byte, saltSize)}
	if _, err := io.ReadFull(p.rand, a.salt); err != nil {
		return "", fmt.Errorf("make salt: %w", err)
	}
	a.key = a.derive(password, keySize)
	return a.String(), nil
}

// isBcrypt recognises the hashes of the former system.
func isBcrypt(hash string) bool {
	return strings.HasPrefix(hash, "$2a$") || strings.HasPrefix(hash, "$2b$") || strings.HasPrefix(hash, "$2y$")
}

const (
	// bcryptCost is what the former system uses.
	bcryptCost = 12
	// maxBcryptCost bounds the time of one check.
	maxBcryptCost = 14
	// maxBcrypt is how much of a password bcrypt looks at, in bytes.
	maxBcrypt = 72
)

// cut returns what bcrypt looks at of a password.
func cut(password string) []byte { return []byte(password)[:min(len(password), maxBcrypt)] }

// compareFormer checks a hash of bcrypt. The hash of a password that is longer than what bcrypt
// looks at is not to be replaced: what stands behind the cut was never proven.
func (p *passwords) compareFormer(hash, password string) (bool, string, error) {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || cost > maxBcryptCost {
		return false, "", errHashForm
	}
	err = bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	switch {
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return false, "", nil
	case err != nil:
		return false, "", errHashForm
	case p.former || len(password) > maxBcrypt:
		return true, "", nil
	}
	better, err := p.fresh(password)
	return true, better, err
}

// argon is an argon2id hash with everything it was made with.
type argon struct {
	memory  uint32 // KiB
	time    uint32 // passes
	threads uint8
	salt    []byte
	key     []byte
}

func (a argon) derive(password string, size uint32) []byte {
	return argon2.IDKey([]byte(password), a.salt, a.time, a.memory, a.threads, size)
}

func (a argon) matches(password string) bool {
	return subtle.ConstantTimeCompare(a.derive(password, uint32(len(a.key))), a.key) == 1
}

// current reports whether the hash is as new ones are.
func (a argon) current() bool {
	return a.memory == hashMemory && a.time == hashTime && a.threads == hashThreads && len(a.salt) == saltSize && len(a.key) == keySize
}

// String writes the PHC form.
func (a argon) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, a.memory, a.time, a.threads, b64.EncodeToString(a.salt), b64.EncodeToString(a.key))
}

// parsePHC reads what String writes. What would take unreasonable time or memory is refused.
func parsePHC(s string) (argon, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return argon{}, errHashForm
	}
	var a argon
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &a.memory, &a.time, &a.threads); err != nil {
		return argon{}, errHashForm
	}
	var saltErr, keyErr error
	a.salt, saltErr = base64.RawStdEncoding.DecodeString(parts[4])
	a.key, keyErr = base64.RawStdEncoding.DecodeString(parts[5])
	bounded := a.memory <= 256<<10 && a.time >= 1 && a.time <= 16 && a.threads >= 1 && a.threads <= 16 &&
		len(a.salt) >= 8 && len(a.salt) <= 64 && len(a.key) >= 16 && len(a.key) <= 64
	if saltErr != nil || keyErr != nil || !bounded || a.String() != s {
		return argon{}, errHashForm
	}
	return a, nil
}
