package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"

	"pryde/internal/auth"
	"pryde/internal/custody"
	"pryde/internal/files"
	"pryde/internal/former"
	"pryde/internal/journal"
	"pryde/internal/journalstore"
	"pryde/internal/message"
	"pryde/internal/mongostore"
	"pryde/internal/order"
	"pryde/internal/people"
	"pryde/internal/seal"
	"pryde/internal/search"
	"pryde/internal/sqlitestore"
)

// A store is what the rooms need of a database.
type store interface {
	message.Store
	message.GroupStore
	files.Store
	search.Store
	people.Store
	people.SecondFactors
	people.Ties
	auth.SessionStore
	Opened() order.Seq
	Database() [4]byte
	Ping(ctx context.Context) error
	Close() error
}

// A backend is an open database with the keys to it.
type backend struct {
	store    store
	keep     keep
	vault    *seal.Vault
	desk     custody.Desk
	keys     interface{ Close() error } // nil where there is nothing to close
	fence    func()                     // ends all writing at once; nil where nobody else can take over
	recorded func() bool                // whether the database knows of every number that the store drew; nil likewise
	journal  *journalstore.Store        // nil where there is none
}

// close closes what was opened; parts that were never opened are nil.
func (b *backend) close() error {
	var errs []error
	if b.journal != nil {
		errs = append(errs, b.journal.Close())
	}
	if b.store != nil {
		errs = append(errs, b.store.Close())
	}
	if b.keys != nil {
		errs = append(errs, b.keys.Close())
	}
	return errors.Join(errs...)
}

// waiting returns how many messages are in the journal that are to be stored yet.
func (b *backend) waiting() int {
	if b.journal == nil {
		return 0
	}
	return b.journal.Status().Waiting
}

// settled reports, once it is closed, whether the database knows of every number that was drawn. It
// may not know those of messages in the journal, also where it does not take them.
func (b *backend) settled() bool {
	if b.recorded != nil && !b.recorded() {
		return false
	}
	if b.journal == nil {
		return true
	}
	s := b.journal.Status()
	return s.Waiting+s.Aside == 0
}

// journalSays says what is in the journal; it is empty where nothing is.
func (b *backend) journalSays() string {
	if b.journal == nil {
		return ""
	}
	return saysOf(b.journal.Status())
}

func saysOf(s journalstore.Status) (says string) {
	if s.Waiting > 0 {
		says = "; " + inJournal(s.Waiting)
	}
	if s.Aside > 0 {
		says += fmt.Sprintf("; messages that the database does not take: %d", s.Aside)
	}
	return says
}

func inJournal(messages int) string {
	return fmt.Sprintf("messages that wait in the journal: %d", messages)
}

// firstKey is the first master key that there was, with which the former server encrypted.
func (c Config) firstKey() seal.Key {
	if n := len(c.FormerKeys); n > 0 {
		return c.FormerKeys[n-1]
	}
	return c.MessageKey
}

// newVault makes what seals and opens values, over wrapped keys.
func newVault(c Config, keys seal.KeyStore) (*seal.Vault, error) {
	ring, err := seal.RingOf(c.MessageKey, c.FormerKeys...)
	if err != nil {
		return nil, fmt.Errorf("MESSAGE_ENCRYPTION_KEY: %w", err)
	}
	return seal.New(ring, keys, rand.Reader), nil
}

// openEmbedded opens the database in DATA_DIR and the keys in KEYS_DIR.
func openEmbedded(ctx context.Context, c Config, log *slog.Logger) (_ *backend, err error) {
	b := &backend{}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	keys, err := sqlitestore.OpenKeys(ctx, c.KeysDir)
	if err != nil {
		return nil, err
	}
	b.keys, b.desk = keys, keys
	if b.vault, err = newVault(c, keys); err != nil {
		return nil, err
	}
	data, err := sqlitestore.Open(ctx, sqlitestore.Options{Dir: c.DataDir, Vault: b.vault, Log: log})
	if errors.Is(err, seal.ErrWrongKey) {
		return nil, fmt.Errorf("MESSAGE_ENCRYPTION_KEY, MESSAGE_ENCRYPTION_KEYS or KEYS_DIR does not fit the data: %w", err)
	}
	if err != nil {
		return nil, err
	}
	b.store, b.keep = data, data
	return b, nil
}

// openMongo opens the store of a term in which this instance is the active one.
func openMongo(ctx context.Context, c Config, log *slog.Logger, db *mongostore.Database, term *mongostore.Term) (*backend, error) {
	keys := db.Keys()
	vault, err := newVault(c, keys)
	if err != nil {
		return nil, err
	}
	data, err := mongostore.Open(ctx, mongostore.Options{
		Database: db, Vault: vault, Token: term.Token(), Log: log, Fenced: term.Fence,
		FormerKey: former.NewKey([former.KeySize]byte(c.firstKey())), Legacy: c.SealFormat == SealLegacy,
		NoBackfill: !c.MongoBackfill,
	})
	if err != nil {
		return nil, err
	}
	opened := &backend{store: data, keep: data, vault: vault, desk: keys, fence: data.Fence, recorded: data.Recorded}
	if c.JournalDir == "" {
		return opened, nil
	}
	if opened.journal, err = openJournal(ctx, c, log, data, vault); err != nil {
		return nil, errors.Join(fmt.Errorf("JOURNAL_DIR: %w", err), opened.close())
	}
	opened.store = &journaled{opened.journal, data, data, data, data, data, data, data}
	return opened, nil
}

// openJournal opens the journal of this instance in front of the store. It begins to store what
// waits there.
func openJournal(ctx context.Context, c Config, log *slog.Logger, data *mongostore.Store, vault *seal.Vault) (*journalstore.Store, error) {
	j, err := journal.Open(journal.Options{Dir: c.JournalDir, Tag: journalstore.Tag(data.Database())})
	if err != nil {
		return nil, err
	}
	s, err := journalstore.New(ctx, journalstore.Options{Inner: data, Journal: j, Vault: vault, Log: log})
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return s, nil
}

// A journaled store keeps messages behind a journal, and all else in the database.
type journaled struct {
	*journalstore.Store
	accounts
	uploads
	segments
	people.SecondFactors
	people.Ties
	auth.SessionStore
	database *mongostore.Store
}

// These are stores by other names, for journaled to embed.
type (
	accounts interface{ people.Store }
	uploads  interface{ files.Store }
	segments interface{ search.Store }
)

func (j *journaled) Ping(ctx context.Context) error { return j.database.Ping(ctx) }

// Close closes the database. The journal is closed before.
func (j *journaled) Close() error { return j.database.Close() }
