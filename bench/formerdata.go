package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"pryde/internal/former"
	"pryde/internal/id"
)

// formerIndexes are those that the former system has on messages.
var formerIndexes = []bson.D{
	{{Key: "sender", Value: 1}, {Key: "recipient", Value: 1}, {Key: "createdAt", Value: -1}},
	{{Key: "groupChat", Value: 1}, {Key: "createdAt", Value: -1}},
	{{Key: "sender", Value: 1}, {Key: "createdAt", Value: -1}},
	{{Key: "recipient", Value: 1}, {Key: "createdAt", Value: -1}},
	{{Key: "deletedFor.user", Value: 1}},
	{{Key: "isDeletedForAll", Value: 1}},
	{{Key: "recipient", Value: 1}, {Key: "read", Value: 1}, {Key: "createdAt", Value: -1}},
	{{Key: "sender", Value: 1}, {Key: "recipient", Value: 1}, {Key: "read", Value: 1}},
	{{Key: "groupChat", Value: 1}, {Key: "isDeletedForAll", Value: 1}, {Key: "createdAt", Value: -1}},
}

// A formerMessage is a message as the former system keeps it.
type formerMessage struct {
	ID          bson.ObjectID `bson:"_id"`
	Sender      bson.ObjectID `bson:"sender"`
	Recipient   bson.ObjectID `bson:"recipient"`
	GroupChat   *struct{}     `bson:"groupChat"`
	Content     string        `bson:"content"`
	Attachment  *string       `bson:"attachment"`
	Read        bool          `bson:"read"`
	ReadBy      []struct{}    `bson:"readBy"`
	DeliveredTo []struct{}    `bson:"deliveredTo"`
	Edited      bool          `bson:"edited"`
	Reactions   []struct{}    `bson:"reactions"`
	Deleted     bool          `bson:"isDeletedForAll"`
	DeletedFor  []struct{}    `bson:"deletedFor"`
	CreatedAt   time.Time     `bson:"createdAt"`
	Version     int32         `bson:"__v"`
}

// formerData is a database as the former system left it.
type formerData struct {
	mongo *mongoServer
	db    *mongo.Database
	key   *former.Key
	since time.Time // of the first message
}

// formerStart is how long ago the first message was written: none is from after the cut-over.
const formerStart = 60 * 24 * time.Hour

func (h *home) former(s secrets) (*formerData, error) {
	key, err := s.former()
	return &formerData{
		mongo: h.mongo, db: h.mongo.client.Database(h.database), key: key, since: time.Now().Add(-formerStart).Truncate(time.Millisecond),
	}, err
}

// people makes n accounts.
func (f *formerData) people(ctx context.Context, n int) ([]id.User, error) {
	docs := make([]bson.D, n)
	users := make([]id.User, n)
	for i := range docs {
		u := bson.NewObjectID()
		users[i] = id.User(u)
		docs[i] = bson.D{
			{Key: "_id", Value: u}, {Key: "username", Value: "former_" + strconv.Itoa(i)}, {Key: "email", Value: "former_" + strconv.Itoa(i) + "@example.com"},
			{Key: "displayName", Value: "Bench Person"}, {Key: "profilePhoto", Value: "/upload/image/" + u.Hex()},
			{Key: "isActive", Value: true}, {Key: "createdAt", Value: f.since}, {Key: "__v", Value: 0},
		}
	}
	_, err := f.mongo.plain(f.db.Name(), "users").InsertMany(ctx, docs)
	return users, err
}

// message is the i-th of the database.
func (f *formerData) message(i int, from, to id.User, read bool) formerMessage {
	none := []struct{}{}
	return formerMessage{
		ID: bson.NewObjectID(), Sender: bson.ObjectID(from), Recipient: bson.ObjectID(to), Content: f.key.Seal(text + " former-" + strconv.Itoa(i)),
		Read: read, ReadBy: none, DeliveredTo: none, Reactions: none, DeletedFor: none, CreatedAt: f.since.Add(time.Duration(i) * time.Millisecond),
	}
}

// insert stores n messages; make is called with the number of each, in any order.
func (f *formerData) insert(ctx context.Context, n int, make func(i int) formerMessage) error {
	docs := f.mongo.plain(f.db.Name(), "messages")
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for first := 0; first < n && gctx.Err() == nil; first += sowChunk {
		g.Go(func() error {
			var some []formerMessage
			for i := first; i < min(first+sowChunk, n); i++ {
				some = append(some, make(i))
			}
			_, err := docs.InsertMany(gctx, some, options.InsertMany().SetOrdered(false))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return f.index(ctx)
}

func (f *formerData) index(ctx context.Context) error {
	var models []mongo.IndexModel
	for _, keys := range formerIndexes {
		models = append(models, mongo.IndexModel{Keys: keys})
	}
	_, err := f.db.Collection("messages").Indexes().CreateMany(ctx, models)
	return err
}

// session opens a session for a person and returns the access token, as the former system made it.
func (f *formerData) session(ctx context.Context, s secrets, u id.User) (string, error) {
	now := time.Now()
	session := secret()
	if _, err := f.db.Collection("sessions").InsertOne(ctx, bson.D{
		{Key: "userId", Value: bson.ObjectID(u)}, {Key: "sessionId", Value: session}, {Key: "refreshTokenHash", Value: secret()},
		{Key: "previousRefreshTokenHash", Value: nil}, {Key: "refreshTokenExpiry", Value: now.Add(seedExpiry)}, {Key: "device", Value: "Desktop"},
		{Key: "browser", Value: "Firefox"}, {Key: "os", Value: "Linux"}, {Key: "createdAt", Value: now}, {Key: "lastActiveAt", Value: now},
		{Key: "revokedAt", Value: nil}, {Key: "isActive", Value: true},
	}); err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	head := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil,
		`{"userId":"%s","sessionId":"%s","type":"access","iat":%d,"exp":%d}`, u, session, now.Unix(), now.Add(seedExpiry).Unix()))
	mac := hmac.New(sha256.New, []byte(s.access))
	mac.Write([]byte(head))
	return head + "." + encode(mac.Sum(nil)), nil
}

// A takeover is how far the server is with taking a database over.
type takeover struct {
	Sender bson.ObjectID `bson:"sender"` // whose conversations, and of all before, have been taken over
	Done   bool          `bson:"done"`
}

func (f *formerData) takeover(ctx context.Context) (takeover, error) {
	var meta struct {
		Backfill takeover `bson:"backfill"`
	}
	err := f.db.Collection("pryde").FindOne(ctx, bson.D{{Key: "_id", Value: "meta"}}).Decode(&meta)
	return meta.Backfill, err
}

// taken reports whether every message has its place.
func (f *formerData) taken(ctx context.Context) (bool, error) {
	t, err := f.takeover(ctx)
	return t.Done, err
}

// done is how many people's conversations have been taken over.
func (f *formerData) done(ctx context.Context) (int64, error) {
	t, err := f.takeover(ctx)
	if err != nil {
		return 0, err
	}
	return f.db.Collection("users").CountDocuments(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$lte", Value: t.Sender}}}})
}
