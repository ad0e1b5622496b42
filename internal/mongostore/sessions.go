package mongostore

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/seal"
)

var _ auth.SessionStore = (*Store)(nil)

const sessionsName = "sessions"

var sessionsCollection = collection{name: sessionsName, indexes: []index{
	{keys: bson.D{is("sessionId", 1)}, unique: true},
	{keys: bson.D{is("userId", 1)}},
}}

// A sessionDoc is a session as it is stored: fields of the former system, and generation of our
// own, which old documents lack. The list activeSessions that accounts of the former system have
// says nothing: a session is one that is here and has not ended.
type sessionDoc struct {
	Key          string        `bson:"sessionId"`
	User         bson.ObjectID `bson:"userId"`
	Generation   int           `bson:"generation"`
	Hash         string        `bson:"refreshTokenHash"` // hexadecimal
	Previous     string        `bson:"previousRefreshTokenHash"`
	RotatedAt    time.Time     `bson:"lastTokenRotation"`
	ExpiresAt    time.Time     `bson:"refreshTokenExpiry"`
	CreatedAt    time.Time     `bson:"createdAt"`
	LastActiveAt time.Time     `bson:"lastActiveAt"`
	RevokedAt    time.Time     `bson:"revokedAt"`
	Active       *bool         `bson:"isActive"`
	Device       bson.RawValue `bson:"device"` // sealed; in old documents a word, and the rest in the fields below
	Browser      string        `bson:"browser"`
	OS           string        `bson:"os"`
	Address      string        `bson:"ipAddress"`
}

func devicePlace(key []byte) seal.Place {
	return seal.Place{Collection: sessionsName, Field: "device", Document: key}
}

// sessionKey is what a session's id stands for: 32 bytes. Only the form that String would write
// is one, so that no two texts name the same session.
func sessionKey(i string) ([]byte, bool) {
	b, err := hex.DecodeString(i)
	return b, err == nil && len(b) == 32 && hex.EncodeToString(b) == i
}

var errSessionID = errors.New("the id is not 64 lower-case hexadecimal digits")

// CreateSession implements auth.SessionStore. The id has 64 lower-case hexadecimal digits.
func (s *Store) CreateSession(ctx context.Context, n auth.Session) error {
	key, ok := sessionKey(n.ID)
	if !ok {
		return fmt.Errorf("create session: %w", errSessionID)
	}
	device, err := s.deviceFields(ctx, key, n)
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	doc := append(bson.D{
		is("sessionId", n.ID), is("userId", bson.ObjectID(n.User)),
		is("createdAt", instant(n.CreatedAt)), is("revokedAt", instant(n.RevokedAt)),
		is("isActive", n.RevokedAt.IsZero()),
	}, append(rotation(n), device...)...)
	return s.writer.do(ctx, "create session", func(t *tx) error {
		if _, err := t.collection(sessionsName).InsertOne(t.ctx, doc); err != nil {
			return err
		}
		return s.mirrorStart(t, n)
	})
}

// deviceFields are how the device of a session is stored.
func (s *Store) deviceFields(ctx context.Context, key []byte, n auth.Session) (bson.D, error) {
	if s.legacy {
		return formerDevice(n.Device), nil
	}
	sealed, err := s.sealJSON(ctx, n.User, devicePlace(key), n.Device)
	return bson.D{is("device", sealed)}, err
}

// rotation are the fields that a rotation replaces.
func rotation(n auth.Session) bson.D {
	var previous any
	if n.Previous != ([32]byte{}) {
		previous = hex.EncodeToString(n.Previous[:])
	}
	return bson.D{
		is("generation", n.Generation),
		is("refreshTokenHash", hex.EncodeToString(n.Hash[:])),
		is("previousRefreshTokenHash", previous),
		is("lastTokenRotation", instant(n.RotatedAt)),
		is("refreshTokenExpiry", instant(n.ExpiresAt)),
		is("lastActiveAt", instant(n.LastActive)),
	}
}

// instant is a time as it is stored: null for none.
func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return whole(t)
}

// openSession returns the session of a document with its device in the clear.
func (s *Store) openSession(ctx context.Context, d sessionDoc) (auth.Session, error) {
	n := auth.Session{
		ID: d.Key, User: id.User(d.User), Generation: d.Generation, RotatedAt: utc(d.RotatedAt), ExpiresAt: utc(d.ExpiresAt),
		CreatedAt: utc(d.CreatedAt), LastActive: utc(d.LastActiveAt), RevokedAt: utc(d.RevokedAt),
	}
	readHash(&n.Hash, d.Hash)
	readHash(&n.Previous, d.Previous)
	if n.RevokedAt.IsZero() && d.Active != nil && !*d.Active {
		n.RevokedAt = cmp.Or(n.LastActive, n.CreatedAt, time.Unix(0, 0).UTC()) // ended, nobody knows when
	}
	_, sealed, ok := d.Device.BinaryOK()
	if !ok {
		n.Device = d.formerDevice()
		return n, nil
	}
	key, ok := sessionKey(d.Key)
	if !ok {
		return auth.Session{}, errSessionID
	}
	err := s.openJSON(ctx, devicePlace(key), sealed, &n.Device)
	return n, err
}

// readHash reads a hash that is whole; another is nobody's.
func readHash(into *[32]byte, text string) {
	if b, err := hex.DecodeString(text); err == nil && len(b) == len(into) {
		copy(into[:], b)
	}
}

// Session implements auth.SessionStore.
func (s *Store) Session(ctx context.Context, i string) (auth.Session, error) {
	if _, ok := sessionKey(i); !ok {
		return auth.Session{}, auth.ErrNoSession
	}
	var d sessionDoc
	err := s.coll(sessionsName).FindOne(ctx, bson.D{is("sessionId", i)}).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		err = auth.ErrNoSession
	}
	var n auth.Session
	if err == nil {
		n, err = s.openSession(ctx, d)
	}
	if err != nil {
		return auth.Session{}, fmt.Errorf("find session: %w", unavailable(err))
	}
	return n, nil
}

// living matches sessions that have not ended, behind other conditions.
func living(conditions ...bson.E) bson.D {
	return append(bson.D(conditions), is("revokedAt", nil), is("isActive", bson.D{is("$ne", false)}))
}

func ofUser(u id.User) bson.E { return is("userId", bson.ObjectID(u)) }

// lastActiveFirst is the order of sessions.
var lastActiveFirst = bson.D{is("lastActiveAt", -1), is("sessionId", 1)}

// SessionsOf implements auth.SessionStore.
func (s *Store) SessionsOf(ctx context.Context, u id.User, limit int) ([]auth.Session, error) {
	var found []sessionDoc
	c, err := s.coll(sessionsName).Find(ctx, living(ofUser(u)), options.Find().SetSort(lastActiveFirst).SetLimit(int64(limit)))
	if err == nil {
		err = c.All(ctx, &found)
	}
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", unavailable(err))
	}
	sessions := make([]auth.Session, 0, len(found))
	for _, d := range found {
		n, err := s.openSession(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", unavailable(err))
		}
		sessions = append(sessions, n)
	}
	return sessions, nil
}

// RotateSession implements auth.SessionStore.
func (s *Store) RotateSession(ctx context.Context, from int, n auth.Session) (done bool, err error) {
	if _, ok := sessionKey(n.ID); !ok {
		return false, nil
	}
	err = s.writer.do(ctx, "rotate session", func(t *tx) error {
		done = false
		r, err := t.collection(sessionsName).UpdateOne(t.ctx,
			living(is("sessionId", n.ID), counted("generation", int64(from))), set(rotation(n)...))
		if err != nil || r.MatchedCount == 0 {
			return err
		}
		done = true
		return s.mirrorRotation(t, n)
	})
	return err == nil && done, err
}

// TouchSession implements auth.SessionStore.
func (s *Store) TouchSession(ctx context.Context, i string, at time.Time) error {
	if _, ok := sessionKey(i); !ok {
		return nil
	}
	_, err := s.changedOne(ctx, "touch session", sessionsName,
		living(is("sessionId", i), is("lastActiveAt", bson.D{is("$not", bson.D{is("$gte", whole(at))})})),
		set(is("lastActiveAt", whole(at))))
	return err
}
