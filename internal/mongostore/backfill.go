package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/message"
)

const (
	// backfillPeers is with how many others a person's conversations are adopted at once.
	backfillPeers = maxAdoptedRows
	// backfillSenders is how many people are looked at before the position moves on, and
	// backfillWorkers how many at a time: while one waits for a commit another one reads.
	backfillSenders = 16
	backfillWorkers = 2
	// backfillSave is how often the position of the pass is stored.
	backfillSave = 2 * time.Second
	// backfillRetry is the pause after an error.
	backfillRetry = time.Second
	// backfillRest is how long the pass rests after work, as a part of how long that took: the
	// messages of people who write now come first.
	backfillRest = 0.25
)

// A progress is how far the pass over the old messages is. The conversations of everybody up to
// Sender who wrote messages are adopted, and everything is where it is Done.
type progress struct {
	Sender bson.ObjectID `bson:"sender"`
	Done   bool          `bson:"done"`
}

// begin starts the pass over the old messages, where there are any.
func (a *adoption) begin() {
	if !a.done.Load() {
		a.run(a.backfill)
	}
}

// backfill adopts every conversation, beginning where the last pass was interrupted.
func (a *adoption) backfill() {
	began := time.Now()
	a.log.Info("the old messages get their places; lists are slower until that is done")
	for a.ctx.Err() == nil {
		err := a.pass(a.ctx)
		switch {
		case err == nil:
			a.done.Store(true)
			a.log.Info("the old messages have their places", "took", time.Since(began).Round(time.Millisecond))
			return
		case errors.Is(err, errStandby) || errors.Is(err, errClosed) || a.ctx.Err() != nil:
			return
		}
		a.log.Warn("the old messages wait for their places", "err", err)
		a.rest(backfillRetry)
	}
}

// rest waits, unless the store is closed.
func (a *adoption) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.ctx.Done():
	}
}

func (a *adoption) pass(ctx context.Context) error {
	p, err := a.progress(ctx)
	if err == nil && p.Done { // the former system has written since
		p = progress{}
		err = a.save(ctx, p)
	}
	if err != nil {
		return err
	}
	at := p.Sender
	for saved := time.Now(); ; {
		senders, err := a.nextSenders(ctx, at)
		if err != nil {
			return err
		}
		if len(senders) == 0 {
			break
		}
		if err := a.adoptAllOf(ctx, senders); err != nil {
			return err
		}
		at = senders[len(senders)-1]
		if time.Since(saved) > backfillSave {
			if err := a.save(ctx, progress{Sender: at}); err != nil {
				return err
			}
			saved = time.Now()
		}
	}
	if err := a.adoptSettings(ctx); err != nil {
		return err
	}
	if err := a.adoptRest(ctx); err != nil {
		return err
	}
	if err := a.adoptGroups(ctx); err != nil {
		return err
	}
	return a.save(ctx, progress{Done: true})
}

// progress is how far the pass is.
func (a *adoption) progress(ctx context.Context) (progress, error) {
	var meta struct {
		Backfill progress `bson:"backfill"`
	}
	err := a.store.coll(stateName).FindOne(ctx, bson.D{is("_id", metaID)}).Decode(&meta)
	return meta.Backfill, err
}

func (a *adoption) save(ctx context.Context, p progress) error {
	return a.store.writer.do(ctx, "note how many old messages have their places", func(t *tx) error {
		_, err := t.collection(stateName).UpdateOne(t.ctx, bson.D{is("_id", metaID)}, bson.D{is("$set", bson.D{is("backfill", p)})})
		return err
	})
}

// nextSenders finds people who wrote messages, in the order of their ids.
func (a *adoption) nextSenders(ctx context.Context, after bson.ObjectID) (senders []bson.ObjectID, err error) {
	for len(senders) < backfillSenders {
		var d oldMessage
		next, err := found(&d, a.store.coll(messagesName).FindOne(ctx, bson.D{is("sender", bson.D{is("$gt", after)})},
			options.FindOne().SetHint(pairKeys).SetSort(pairKeys).SetProjection(bson.D{is("_id", 0), is("sender", 1)})).Decode(&d))
		if err != nil || next == nil {
			return senders, err
		}
		after = d.Sender
		senders = append(senders, after)
	}
	return senders, nil
}

// adoptAllOf adopts the conversations in which some people wrote messages that have no place.
func (a *adoption) adoptAllOf(ctx context.Context, senders []bson.ObjectID) error {
	queue := make(chan bson.ObjectID, len(senders))
	for _, u := range senders {
		queue <- u
	}
	close(queue)
	var workers sync.WaitGroup
	errs := make([]error, backfillWorkers)
	for i := range backfillWorkers {
		workers.Go(func() {
			for u := range queue {
				if errs[i] = a.adoptOf(ctx, id.User(u)); errs[i] != nil {
					return
				}
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}

// adoptOf is adoptAllOf for one person.
func (a *adoption) adoptOf(ctx context.Context, u id.User) error {
	peers, err := a.peersOf(ctx, u)
	if err != nil || len(peers) == 0 {
		return err
	}
	rows, err := a.settings(ctx, bson.ObjectID(u))
	if err != nil {
		return err
	}
	for some := range slices.Chunk(peers, backfillPeers) {
		began := time.Now()
		if err := a.adoptSome(ctx, u, some, rows); err != nil {
			return err
		}
		a.rest(time.Duration(backfillRest * float64(time.Since(began))))
	}
	return nil
}

// peersOf returns to whom a person wrote messages that have no place.
func (a *adoption) peersOf(ctx context.Context, u id.User) ([]id.User, error) {
	c, err := a.store.coll(messagesName).Aggregate(ctx, mongo.Pipeline{
		{is("$match", unplaced(is("sender", bson.ObjectID(u)), is("recipient", isPerson)))},
		{is("$group", bson.D{is("_id", "$recipient")})},
	}, options.Aggregate().SetHint(pairKeys))
	if err != nil {
		return nil, err
	}
	var all []struct {
		ID bson.ObjectID `bson:"_id"`
	}
	if err := c.All(ctx, &all); err != nil {
		return nil, err
	}
	peers := make([]id.User, len(all))
	for i, d := range all {
		peers[i] = id.User(d.ID)
	}
	return peers, nil
}

// adoptSome adopts the conversations of a person with some others, also those that somebody else
// is at.
func (a *adoption) adoptSome(ctx context.Context, u id.User, peers []id.User, rows map[convKey][]settingsDoc) error {
	claims := map[convKey]*claim{}
	var mine, others []id.User
	for _, p := range peers {
		conv := keyOf(message.Between(u, p))
		switch c, free := a.claim(conv); {
		case c == nil:
		case free:
			claims[conv] = c
			mine = append(mine, p)
		default:
			others = append(others, p)
		}
	}
	var err error
	if len(mine) > 0 {
		err = a.adopt(ctx, u, mine, rows)
	}
	for conv, c := range claims {
		a.release(conv, c, unavailable(err))
	}
	if err != nil {
		return err
	}
	for _, p := range others {
		if err := a.ensure(ctx, keyOf(message.Between(u, p))); err != nil {
			return err
		}
	}
	return nil
}

// adoptSettings makes the rows of conversations in which somebody has set something, and nobody
// wrote a message that is left.
func (a *adoption) adoptSettings(ctx context.Context) error {
	c, err := a.store.coll(formerSettings).Find(ctx, hasSettings(),
		options.Find().SetProjection(bson.D{is("participants", 1)}).SetBatchSize(maxAdoptedRows)) // or the server drops it before the next batch
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	for c.Next(ctx) {
		var d settingsDoc
		if err := c.Decode(&d); err != nil {
			return err
		}
		if conv, ok := d.conv(); ok {
			if err := a.ensure(ctx, conv); err != nil {
				return err
			}
		}
	}
	return c.Err()
}

// formerSettings is where the former system keeps what people set in their conversations.
const formerSettings = "conversations"

// hasSettings matches the direct conversations in which somebody has set something.
func hasSettings() bson.D {
	says := bson.A{}
	for _, list := range []string{"archivedBy.0", "mutedBy.0", "unreadFor.0", "lastReadMessageId.0"} {
		says = append(says, bson.D{is(list, bson.D{is("$exists", true)})})
	}
	return bson.D{is("groupChat", nil), is("$or", says)}
}

// anySettings reports whether somebody has set something.
func (a *adoption) anySettings(ctx context.Context) (bool, error) {
	err := a.store.coll(formerSettings).FindOne(ctx, hasSettings(), options.FindOne().SetProjection(bson.D{is("_id", 1)})).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, err
}

// adoptRest adopts what the pass did not find, and returns nil once nothing has no place.
func (a *adoption) adoptRest(ctx context.Context) error {
	for last := (bson.ObjectID{}); ; {
		var d oldMessage
		left, err := found(&d, a.store.coll(messagesName).FindOne(ctx, betweenPeople(),
			options.FindOne().SetProjection(oldFields).SetHint(indexUnplaced)).Decode(&d))
		if err != nil || left == nil {
			return err
		}
		if d.ID == last {
			return fmt.Errorf("message %s gets no place", d.ID.Hex())
		}
		last = d.ID
		a.unsettle(d.conv())
		if err := a.ensure(ctx, d.conv()); err != nil {
			return err
		}
	}
}

// unsettle forgets that nothing of a conversation is left.
func (a *adoption) unsettle(conv convKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.settled, conv)
}
