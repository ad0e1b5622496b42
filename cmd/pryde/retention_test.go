package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// ages makes what ann has written up to a message as old as that.
func (h *house) ages(ann *tenant, before time.Time, by time.Duration) {
	h.t.Helper()
	if h.uri == "" {
		h.onFile(filepath.Join(h.dir, "pryde.db"), func(db *sql.DB) error {
			_, err := db.ExecContext(h.t.Context(), "UPDATE messages SET created_at = created_at - ? WHERE sender = ? AND created_at < ?",
				by.Milliseconds(), ann.id[:], before.UnixMilli())
			return err
		})
		return
	}
	h.onDatabase(func(ctx context.Context, db *mongo.Database) error {
		_, err := db.Collection("messages").UpdateMany(ctx,
			bson.D{{Key: "sender", Value: bson.ObjectID(ann.id)}, {Key: "createdAt", Value: bson.D{{Key: "$lt", Value: before}}}},
			bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: "createdAt", Value: bson.D{{Key: "$subtract", Value: bson.A{"$createdAt", by.Milliseconds()}}}}}}}})
		return err
	})
}

// left is how many messages somebody reads. Who turns the page at a message that is removed then is
// told that it is not there.
func left(who, with *tenant) int {
	who.h.t.Helper()
	for {
		thread, err := who.Thread(who.h.t.Context(), with.id)
		if statusOf(err) == http.StatusNotFound {
			continue
		}
		if err != nil {
			who.h.t.Fatalf("read a thread: %v", err)
		}
		return len(thread)
	}
}

// The removal is killed in the middle, as far as a test can aim, and goes on.
func TestOldMessagesAreRemovedAlsoAcrossAKill(t *testing.T) {
	onBothStores(t, func(t *testing.T, h *house) {
		h.opens()
		ann, bob := h.moves("ann"), h.moves("bob")
		for i := range 450 {
			ann.writes(bob, fmt.Sprint("old ", i))
		}
		border := time.Now()
		for i := range 30 {
			ann.writes(bob, fmt.Sprint("new ", i))
		}
		if n := len(bob.reads(ann)); n != 480 {
			t.Fatalf("bob reads %d messages, want all 480 without a retention", n)
		}
		h.stops()
		h.ages(ann, border, 48*time.Hour)
		h.vars["MESSAGE_RETENTION"] = "1d"
		h.opens()
		bob = bob.back()
		h.eventually("the removal begins", func() bool { return left(bob, ann) < 480 })
		h.server.Kill()

		h.opens()
		bob = bob.back()
		h.eventually("the removal ends", func() bool { return left(bob, ann) <= 30 })

		thread := bob.reads(ann)
		if len(thread) != 30 || thread[0].Content != "new 0" {
			t.Errorf("bob reads %d messages, want the 30 new ones", len(thread))
		}
		list, err := bob.Conversations(t.Context())
		if err != nil || len(list) != 1 || list[0].Unread != 30 {
			t.Errorf("bob's list is %+v (error %v), want 30 unread messages", list, err)
		}
	})
}
