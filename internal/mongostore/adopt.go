package mongostore

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

// A message of the former system has no place in its conversation: no conv, seq or changed. It
// gets them when its conversation is adopted, and both people get their rows, or the members of the
// group their seats. The number is made of the time of the message and so does not depend on what
// was adopted before. An operation adopts the conversation that it is about to touch, lists of
// conversations take account of what is not adopted yet, lists of groups adopt those of the person
// first, and a pass in the background adopts everything. Messages of groups that are gone, and of
// people who are, stay as they are.

const (
	// rankBits is how many bits of a number stand below the millisecond.
	rankBits = 10
	// rankRoom is what is left free between the numbers of old messages and those of new ones,
	// since more than 1<<rankBits messages of a millisecond run into the next ones.
	rankRoom = order.Seq(1) << 30

	// maxSettled bounds the conversations of which is remembered that nothing is left to adopt.
	maxSettled = 100_000
)

// An adoption gives the messages of the former system their place. Its methods are safe for
// concurrent use.
type adoption struct {
	store *Store
	log   *slog.Logger
	cut   cutover
	done  atomic.Bool // nothing is left to adopt

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	busy    map[convKey]*claim
	settled map[convKey]struct{} // nothing of them is left to adopt
}

// A cutover is when the database was taken over from the former system.
type cutover struct {
	At   time.Time `bson:"at"`   // what the former system encrypted is accepted in older documents
	Base order.Seq `bson:"base"` // above the number of every old message; 0 where there was none
}

// A claim is a conversation that is being adopted.
type claim struct {
	done chan struct{}
	err  error // set before done is closed
}

// adopted makes sure that the old messages of a conversation have their place before an
// operation or a read touches it. It is called outside the writer.
func (s *Store) adopted(ctx context.Context, conv convKey) error {
	if s.adoption.done.Load() {
		return nil
	}
	return s.adoption.ensure(ctx, conv)
}

// floor is the number above which the counter must start, because of what the database held
// before it was first opened. It prepares the adoption of that.
func (s *Store) floor(ctx context.Context, log *slog.Logger) (order.Seq, error) {
	a := &adoption{
		store: s, log: log,
		busy: map[convKey]*claim{}, settled: map[convKey]struct{}{},
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	s.adoption = a
	left, err := a.anyLeft(ctx)
	if err != nil {
		return 0, err
	}
	a.done.Store(true)
	if err := a.cutOver(ctx, left); err != nil || a.cut.Base == 0 {
		return 0, err
	}
	p, err := a.progress(ctx)
	if err != nil {
		return 0, err
	}
	a.done.Store(!left && p.Done)
	if err := a.ensureOldIndexes(ctx); err != nil {
		return 0, err
	}
	return a.cut.Base, a.finish(ctx)
}

// cutOver reads when the database was taken over, and notes that it is now where it was not
// before, or where the former system has written since.
func (a *adoption) cutOver(ctx context.Context, left bool) error {
	var meta struct {
		Cutover cutover `bson:"cutover"`
		Trial   bool    `bson:"trial"`
	}
	if err := a.store.coll(stateName).FindOne(ctx, bson.D{is("_id", metaID)}).Decode(&meta); err != nil {
		return err
	}
	a.cut = meta.Cutover
	again := false
	if left && !a.cut.At.IsZero() {
		var err error
		if again, err = a.anyMessageLeft(ctx, is("createdAt", bson.D{is("$gte", a.cut.At)})); err != nil {
			return err
		}
	}
	if again {
		a.log.Warn("the former system has written into the database since it was taken over; it is taken over again now")
	}
	now := whole(time.Now())
	if a.cut.At.IsZero() || again || meta.Trial && !a.store.legacy {
		a.cut.At = now
	}
	if a.cut.Base == 0 && a.cut.At.Equal(now) && !left {
		var err error
		if left, err = a.anySettings(ctx); err != nil {
			return err
		}
	}
	if a.cut.Base == 0 && left {
		a.cut.Base = order.Seq(now.UnixMilli())<<rankBits + rankRoom
	}
	if a.cut.At.Equal(meta.Cutover.At) && a.cut.Base == meta.Cutover.Base {
		return nil
	}
	_, err := a.store.coll(stateName).UpdateOne(ctx, bson.D{is("_id", metaID)},
		bson.D{is("$set", bson.D{is("cutover", a.cut)})})
	return err
}

// ensureOldIndexes makes the indexes by which the messages of two people, and of a group, are found,
// where the former system did not.
func (a *adoption) ensureOldIndexes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, indexTime)
	defer cancel()
	for _, keys := range []bson.D{pairKeys, groupKeys} {
		_, err := a.store.coll(messagesName).Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys})
		if err != nil && !hasCode(err, codeIndexExists) { // else it is there under another name
			return err
		}
	}
	return nil
}

// stop ends what runs in the background and waits for it.
func (a *adoption) stop() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.cancel()
	a.work.Wait()
}

// run starts work that stop waits for. It reports false where the store is closed.
func (a *adoption) run(work func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.work.Go(work)
	return true
}

// ensure adopts a conversation, unless there is nothing to adopt. The work goes on when ctx ends.
func (a *adoption) ensure(ctx context.Context, conv convKey) error {
	c, mine := a.claim(conv)
	if c == nil {
		return nil
	}
	if mine && !a.run(func() { a.release(conv, c, a.adoptOne(conv)) }) {
		a.release(conv, c, errClosed)
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return errOverloaded.Because(ctx.Err())
	}
}

// claim returns who adopts a conversation, and whether the caller has to: nil where nothing of
// it is left.
func (a *adoption) claim(conv convKey) (*claim, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.settled[conv]; ok {
		return nil, false
	}
	if c, ok := a.busy[conv]; ok {
		return c, false
	}
	c := &claim{done: make(chan struct{})}
	a.busy[conv] = c
	return c, true
}

func (a *adoption) release(conv convKey, c *claim, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.busy, conv)
	if err == nil {
		if len(a.settled) >= maxSettled {
			clear(a.settled) // what is forgotten is looked up again
		}
		a.settled[conv] = struct{}{}
	}
	c.err = err
	close(c.done)
}

// adoptOne adopts a conversation that the caller has claimed.
func (a *adoption) adoptOne(conv convKey) error {
	c := conv.conversation()
	if c.IsGroup() {
		return unavailable(a.adoptGroup(a.ctx, conv, bson.ObjectID(c.Group)))
	}
	rows, err := a.settingsOf(a.ctx, c.Low, c.High)
	if err != nil {
		return unavailable(err)
	}
	return unavailable(a.adopt(a.ctx, c.Low, []id.User{c.High}, rows))
}

// adopt adopts the conversations of a person with some others, which the caller has claimed.
func (a *adoption) adopt(ctx context.Context, u id.User, peers []id.User, rows map[convKey][]settingsDoc) error {
	has, err := a.withRows(ctx, u, peers)
	if err != nil {
		return err
	}
	found, err := a.load(ctx, u, peers)
	if err != nil {
		return err
	}
	convs := make([]convKey, len(peers))
	for i, p := range peers {
		convs[i] = keyOf(message.Between(u, p))
	}
	return a.bringIn(ctx, a.adoptees(convs, found, rows, has))
}
