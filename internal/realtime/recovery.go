package realtime

import (
	"context"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/limit"
	"pryde/internal/order"
	"pryde/internal/socketio"
	"pryde/internal/wire"
)

// Feed tells what somebody missed.
type Feed interface {
	// Missed returns the events that happened for a person after an offset, in the order of
	// their commits, and up to where they reach. partly says that what the commit at the offset
	// led to may not have been heard completely. It reports false where what was missed cannot
	// be told for certain.
	Missed(ctx context.Context, who auth.Identity, after wire.Offset, partly bool) (events []wire.Outgoing, upTo wire.Offset, ok bool, err error)
}

// How much may wait for a client, where the engine's configuration does not say. A client that
// comes back is told of 1,000 messages, and of receipts between them.
const (
	queuePackets = 1_536
	queueBytes   = 1 << 20
)

// catchUpShare returns how much of a socket's queue the events may take that a client missed:
// three quarters, so that there is room for the greeting and for what happens meanwhile. With
// more the client has to load.
func catchUpShare(queue int) int { return queue / 4 * 3 }

const (
	// maxRecovering is how many clients recover at once: what one missed is in memory until it
	// has been sent, or turns out to be too much.
	maxRecovering = 16
	// resumePatience is how long a client waits to be one of them, before it has to load. It
	// waits on a worker, which the events of others need.
	resumePatience = 2 * time.Second
	// handover is how long a place is kept for an admitted client that has not connected: it
	// may have gone, and nobody tells.
	handover = time.Second
	// catchUpTimeout bounds the last look at what an admitted client missed.
	catchUpTimeout = 10 * time.Second
)

// A place is where a client stood when it connected: what its pid says to the server alone.
type place struct {
	user    id.User
	session [sha256.Size]byte // hash of the session's id
	at      wire.Offset
}

func placeOf(who auth.Identity, at wire.Offset) place {
	return place{who.User, sha256.Sum256([]byte(who.Session)), at}
}

// placeSize is the length of a place as it is sealed, in bytes.
const placeSize = len(id.User{}) + sha256.Size + len(wire.Database{}) + 8

// A pidSealer makes pids that nobody else can make, change or read. They are good after a
// restart, for the session that they were made for. Its methods are safe for concurrent use.
type pidSealer struct {
	aead cipher.AEAD
	rand io.Reader // safe for concurrent use
}

// newPIDSealer derives its key from the key of the server.
func newPIDSealer(key [32]byte, random io.Reader) (pidSealer, error) {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte("connection state recovery"))
	aead, err := chacha20poly1305.NewX(h.Sum(nil))
	return pidSealer{aead, random}, err
}

func (p pidSealer) seal(at place) (string, error) {
	nonce := make([]byte, p.aead.NonceSize(), p.aead.NonceSize()+placeSize+p.aead.Overhead())
	if _, err := io.ReadFull(p.rand, nonce); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	plain := make([]byte, 0, placeSize)
	plain = append(append(append(plain, at.user[:]...), at.session[:]...), at.at.Database[:]...)
	plain = binary.BigEndian.AppendUint64(plain, uint64(at.at.Seq))
	return base64.RawURLEncoding.EncodeToString(p.aead.Seal(nonce, nonce, plain, nil)), nil
}

func (p pidSealer) open(pid string) (at place, ok bool) {
	size := p.aead.NonceSize() + placeSize + p.aead.Overhead()
	if len(pid) != base64.RawURLEncoding.EncodedLen(size) {
		return place{}, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(pid)
	if err != nil || len(sealed) != size {
		return place{}, false
	}
	plain, err := p.aead.Open(nil, sealed[:p.aead.NonceSize()], sealed[p.aead.NonceSize():], nil)
	if err != nil {
		return place{}, false
	}
	plain = plain[copy(at.user[:], plain):]
	plain = plain[copy(at.session[:], plain):]
	plain = plain[copy(at.at.Database[:], plain):]
	at.at.Seq = order.Seq(binary.BigEndian.Uint64(plain))
	return at, true
}

// A recovery is what an admitted client missed while it was away.
type recovery struct {
	missed []socketio.Frame
	bytes  int
	upTo   wire.Offset
	// keep makes the caller the one who gives the place among those who recover back. It
	// reports false where that has happened already.
	keep func() bool
}

// resume looks whether the state of a client can be recovered: nil where it cannot. Trouble of
// the store is an error, so that the client tries again and loses nothing. Who recovers has a
// place, for Connected to keep.
func (g *Gateway) resume(ctx context.Context, hs socketio.Handshake, who auth.Identity) (pid string, r *recovery, err error) {
	pid, at, heard, ok := g.standing(hs, who)
	if !ok || !g.limiter.Take(limit.Recovery, who.User.String()).Allowed || !g.takePlace(ctx) {
		return "", nil, nil
	}
	defer func() {
		if r == nil {
			g.leavePlace()
		}
	}()
	found := &recovery{upTo: at}
	if ok, err := g.gather(ctx, who, found, heard); err != nil || !ok {
		return "", nil, err
	}
	found.keep = time.AfterFunc(handover, g.leavePlace).Stop
	return pid, found, nil
}

// standing reads where a client stood that comes back. heard says that it heard of the commit
// there. It reports false where the client starts anew, or where that is unknown.
func (g *Gateway) standing(hs socketio.Handshake, who auth.Identity) (pid string, at wire.Offset, heard, ok bool) {
	in, err := wire.Decode[struct {
		PID    string `json:"pid"`
		Offset string `json:"offset"`
	}](hs.Auth)
	if err != nil {
		return "", wire.Offset{}, false, false // what is no pid is none
	}
	from, ok := g.pids.open(in.PID)
	if !ok || from.user != who.User || from.session != sha256.Sum256([]byte(who.Session)) {
		return "", wire.Offset{}, false, false
	}
	if in.Offset == "" {
		return in.PID, from.at, false, true
	}
	seen, err := wire.ParseOffset(in.Offset)
	if err != nil || seen.Database != from.at.Database {
		return "", wire.Offset{}, false, false
	}
	if seen.Seq > from.at.Seq {
		return in.PID, seen, true, true
	}
	return in.PID, from.at, false, true // nothing has been heard since the pid
}

// takePlace makes a client one of those who recover. It reports false where there are too
// many for too long.
func (g *Gateway) takePlace(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, resumePatience)
	defer cancel()
	select {
	case g.resumes <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (g *Gateway) leavePlace() { <-g.resumes }

// begin names the state of a client that starts anew.
func (g *Gateway) begin(who auth.Identity) (pid string, err error) {
	return g.pids.seal(placeOf(who, wire.Offset{Database: g.database, Seq: g.line.Published()}))
}

// gather adds to r what has happened since, as Feed.Missed says. It reports false where that
// cannot be told, or is more than can be sent at once.
func (g *Gateway) gather(ctx context.Context, who auth.Identity, r *recovery, partly bool) (bool, error) {
	events, upTo, ok, err := g.feed.Missed(ctx, who, r.upTo, partly)
	if err != nil || !ok || len(r.missed)+len(events) > g.maxCatchUp {
		return false, err
	}
	for _, e := range events {
		f, size, err := g.frame(e)
		if err != nil {
			return false, err
		}
		if r.bytes += size; r.bytes > g.maxCatchUpBytes {
			return false, nil
		}
		r.missed = append(r.missed, f)
	}
	r.upTo = upTo
	return true, nil
}

// catchUp sends a recovered socket, whose rooms hear already, what it missed: what was found
// when it was let in, and what has happened since. It reports false where that cannot be told.
func (g *Gateway) catchUp(ctx context.Context, s *socketio.Socket, r *recovery) bool {
	if !g.lookAgain(ctx, s, r) {
		return false
	}
	s.Emit(r.missed...)
	s.CatchUp(uint64(r.upTo.Seq))
	return true
}

// lookAgain finds what has happened since the first look at what a socket missed, whose rooms
// hear already. Nothing is lost where it does not look: what the line has not begun to publish
// by now reaches the rooms, and the first look has told of all that stands before it.
func (g *Gateway) lookAgain(ctx context.Context, s *socketio.Socket, r *recovery) bool {
	if r.upTo.Seq >= g.line.Begun() {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	ok, err := g.gather(ctx, identity(s), r, false)
	if err != nil {
		g.log.WarnContext(ctx, "missed events could not be read", "err", err)
	}
	return err == nil && ok
}
