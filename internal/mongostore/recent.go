package mongostore

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/message"
)

// recentFields are what tells one attempt from another.
var recentFields = bson.D{
	is("sender", 1), is("recipient", 1), is("groupChat", 1), is("replyTo", 1), is("conv", 1), is("seq", 1), is("changed", 1), is("clientId", 1), is("fp", 1), is("createdAt", 1),
}

// Recent returns the attempts among the newest messages, limit at most, that were sent since a
// time, without their texts and in no order. It looks at them as they lie in the collection: of a
// server that has copied it from another some may be missing.
func (s *Store) Recent(ctx context.Context, since time.Time, limit int) ([]message.Waiting, error) {
	c, err := s.coll(messagesName).Find(ctx, bson.D{}, options.Find().
		SetSort(bson.D{is("$natural", -1)}).SetLimit(int64(limit)).SetProjection(recentFields))
	if err != nil {
		return nil, fmt.Errorf("read the newest messages: %w", unavailable(err))
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	var found []message.Waiting
	for c.Next(ctx) {
		var d messageDoc
		if bson.Unmarshal(c.Current, &d) != nil {
			continue // the former system wrote other things there too
		}
		if d.ClientID != "" && d.Conv != (convKey{}) && len(d.Fingerprint) > 0 && !d.CreatedAt.Before(since) {
			found = append(found, message.Waiting{Message: d.message(0), ClientID: d.ClientID})
		}
	}
	if err := c.Err(); err != nil {
		return nil, fmt.Errorf("read the newest messages: %w", unavailable(err))
	}
	return found, nil
}
