package mongostore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"pryde/internal/custody"
	"pryde/internal/files"
	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/seal"
	"pryde/internal/wire"
)

// A shelf is where values of a person are sealed, to be looked at in the order of a field.
type shelf struct {
	name string
	from string // the collection
	// index has the person and the field in front, and filter is what it needs besides.
	index string
	owner string
	field string // the mark: what the documents are in the order of
	text  bool   // it is a text, else an id
	more  bson.D
	// fields are those with sealed values. read returns them as they lie in a document.
	fields []string
	read   func(u id.User, d bson.Raw) []sealedValue
}

// A sealedValue is one value of a document. with puts what it is replaced by into the document's
// update.
type sealedValue struct {
	place  seal.Place
	sealed []byte
	with   func(c *resealing, fresh []byte)
}

// A resealing is what becomes of one document: what must still be there, and what is put there.
type resealing struct {
	old, fresh bson.D
	versions   []versionDoc
}

// replace puts another value into the place of one.
func (c *resealing) replace(field string, old bson.RawValue, fresh []byte) {
	c.old = append(c.old, is(field, old))
	c.fresh = append(c.fresh, is(field, bson.Binary{Data: fresh}))
}

const indexUnnamed = "unnamed"

// The messages of a person that the index of the attempts does not have.
var unnamed = index{
	name: indexUnnamed, keys: bson.D{is("sender", 1), is("_id", 1)}, partial: bson.D{is("clientId", nil)},
}

// messageShelves is how many shelves have messages. They stand in front.
const messageShelves = 2

// shelves are all places where something is sealed with a person's key, but for the search index,
// which is built again. What is looked at twice, or has come since, does no harm.
var shelves = []shelf{
	{
		name: "named", from: messagesName, index: "sender_1_clientId_1", owner: "sender", field: "clientId", text: true,
		fields: messageFields, read: ofMessage,
	},
	{
		name: "unnamed", from: messagesName, index: indexUnnamed, owner: "sender", field: "_id", more: bson.D{is("clientId", nil)},
		fields: messageFields, read: ofMessage,
	},
	{
		name: "details", from: usersName, index: indexID, owner: "_id", field: "_id", fields: []string{"details"},
		read: func(u id.User, d bson.Raw) []sealedValue { return one(d, "details", detailsPlace(u)) },
	},
	{
		name: "factors", from: factorsName, index: indexID, owner: "_id", field: "_id", fields: []string{"secret"},
		read: func(u id.User, d bson.Raw) []sealedValue { return one(d, "secret", factorPlace(u)) },
	},
	{
		name: "sessions", from: sessionsName, index: "userId_1", owner: "userId", field: "_id", fields: []string{"sessionId", "device"},
		read: func(_ id.User, d bson.Raw) []sealedValue {
			text, _ := d.Lookup("sessionId").StringValueOK()
			key, _ := sessionKey(text)
			return one(d, "device", devicePlace(key))
		},
	},
	{
		name: "blocks", from: blocksName, index: "blocker_1_blocked_1", owner: "blocker", field: "blocked", fields: []string{"reason"},
		read: func(u id.User, d bson.Raw) []sealedValue {
			i, _ := d.Lookup("_id").ObjectIDOK()
			blocked, _ := d.Lookup("blocked").ObjectIDOK()
			return one(d, "reason", reasonPlace(people.Block{ID: wire.BlockID(i), Blocker: u, Blocked: id.User(blocked)}))
		},
	},
	{
		name: "drafts", from: draftsName, index: "user_1_at_-1", owner: "user", field: "conv", fields: []string{"text"},
		read: func(_ id.User, d bson.Raw) []sealedValue {
			var doc draftDoc
			if bson.Unmarshal(d, &doc) != nil {
				return nil
			}
			return one(d, "text", draftPlace(&doc))
		},
	},
	{
		name: "uploads", from: uploadsName, index: "owner_1__id_1", owner: "owner", field: "_id", fields: []string{"key"},
		read: func(_ id.User, d bson.Raw) []sealedValue {
			var n files.Name
			_, name, _ := d.Lookup("_id").BinaryOK()
			copy(n[:], name)
			return one(d, "key", files.KeyPlace(n))
		},
	},
}

var messageFields = []string{"sender", "conv", "content", "attachment", "extra", "versions"}

// one is the value of a field, where it is sealed with a person's key.
func one(d bson.Raw, field string, p seal.Place) []sealedValue {
	v := d.Lookup(field)
	_, sealed, ok := v.BinaryOK()
	if !ok {
		return nil
	}
	return []sealedValue{{p, sealed, func(c *resealing, fresh []byte) { c.replace(field, v, fresh) }}}
}

// ofMessage are the values of a message. Its earlier texts are replaced as a whole.
func ofMessage(_ id.User, raw bson.Raw) []sealedValue {
	var d messageDoc
	if bson.Unmarshal(raw, &d) != nil {
		return nil
	}
	var values []sealedValue
	for _, field := range []string{"content", "attachment", "extra"} {
		values = append(values, one(raw, field, textPlace(field, &d))...)
	}
	for i, v := range d.Versions {
		_, sealed, ok := v.Content.BinaryOK()
		if !ok {
			continue
		}
		values = append(values, sealedValue{textPlace("content", &d), sealed, func(c *resealing, fresh []byte) {
			if c.versions == nil {
				c.versions = d.Versions
				c.old = append(c.old, is("versions", raw.Lookup("versions")))
			}
			c.versions[i].Content = binary(fresh)
		}})
	}
	return values
}

// resealAttempts is how often a batch is looked at again whose documents have changed meanwhile.
const resealAttempts = 5

// Reseal implements custody.Data.
func (s *Store) Reseal(ctx context.Context, u id.User, from string, limit int) (total custody.Batch, err error) {
	at := readMark(from)
	for range resealAttempts {
		docs, err := s.shelved(ctx, u, at, limit)
		if err != nil {
			return custody.Batch{}, fmt.Errorf("seal again: %w", unavailable(err))
		}
		b, models, err := s.resealed(ctx, u, shelves[at.shelf], docs)
		if err != nil {
			return custody.Batch{}, fmt.Errorf("seal again: %w", unavailable(err))
		}
		matched, err := s.replaceSealed(ctx, shelves[at.shelf].from, models)
		if err != nil {
			return custody.Batch{}, err
		}
		total.Seen, total.Lost = b.Seen, b.Lost
		total.Sealed += matched
		if matched == len(models) {
			total.Next = at.behind(docs, limit).String()
			return total, nil
		}
	}
	return custody.Batch{}, fmt.Errorf("seal again: %w", errStore.Because(errors.New("what is to be sealed again changes each time that it is looked at")))
}

// resealed seals the values of documents with the present key, and returns how to put them there.
func (s *Store) resealed(ctx context.Context, u id.User, shelf shelf, docs []bson.Raw) (b custody.Batch, models []mongo.WriteModel, err error) {
	for _, d := range docs {
		var c resealing
		for _, v := range shelf.read(u, d) {
			b.Seen++
			fresh, err := s.vault.Reseal(ctx, seal.Owner(u), v.place, v.sealed)
			switch {
			case errors.Is(err, seal.ErrKeyGone) || errors.Is(err, seal.ErrTampered):
				b.Lost++
			case err != nil:
				return b, nil, err
			case fresh != nil:
				v.with(&c, fresh)
			}
		}
		if c.versions != nil {
			c.fresh = append(c.fresh, is("versions", c.versions))
		}
		if len(c.fresh) > 0 {
			models = append(models, mongo.NewUpdateOneModel().
				SetFilter(append(bson.D{is("_id", d.Lookup("_id"))}, c.old...)).SetUpdate(bson.D{is("$set", c.fresh)}))
		}
	}
	return b, models, nil
}

// replaceSealed changes documents that are still as they were looked at, and returns how many it
// changed.
func (s *Store) replaceSealed(ctx context.Context, collection string, models []mongo.WriteModel) (changed int, err error) {
	if len(models) == 0 {
		return 0, nil
	}
	err = s.writer.do(ctx, "seal again", func(t *tx) error {
		if err := t.flush(); err != nil {
			return err
		}
		defer t.forget()
		r, err := t.collection(collection).BulkWrite(t.ctx, models)
		if err != nil {
			return err
		}
		changed = int(r.MatchedCount)
		return nil
	})
	return changed, err
}

// shelved returns up to limit documents of a shelf behind a mark.
func (s *Store) shelved(ctx context.Context, u id.User, at mark, limit int) ([]bson.Raw, error) {
	shelf := shelves[at.shelf]
	filter := append(bson.D{is(shelf.owner, bson.ObjectID(u))}, shelf.more...)
	behind := bson.D{}
	if at.after != nil {
		behind = append(behind, is("$gt", at.after))
	}
	if shelf.text {
		behind = append(behind, is("$type", "string"))
	}
	switch {
	case len(behind) == 0:
	case shelf.field == shelf.owner:
		filter = bson.D{is("$and", bson.A{filter, bson.D{is(shelf.field, behind)}})}
	default:
		filter = append(filter, is(shelf.field, behind))
	}
	c, err := cursor(ctx, s, query{
		from: shelf.from, index: shelf.index, filter: filter, sort: bson.D{is(shelf.field, 1)},
		fields: projection(append([]string{shelf.field}, shelf.fields...)), limit: limit,
	}, limit+1)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	var docs []bson.Raw
	for c.Next(ctx) {
		docs = append(docs, append(bson.Raw(nil), c.Current...))
	}
	return docs, c.Err()
}

// A mark is a place on the shelves: behind the document that was looked at last.
type mark struct {
	shelf int
	after any // nil: in front of the first
	end   bool
}

// behind is the mark behind documents that were found with a limit.
func (m mark) behind(docs []bson.Raw, limit int) mark {
	if len(docs) == limit {
		v := docs[limit-1].Lookup(shelves[m.shelf].field)
		return mark{shelf: m.shelf, after: v}
	}
	return mark{shelf: m.shelf + 1, end: m.shelf+1 == len(shelves)}
}

// String writes a mark: the name of the shelf, and the value behind which to go on.
func (m mark) String() string {
	if m.end {
		return ""
	}
	parts := []string{shelves[m.shelf].name}
	if v, ok := m.after.(bson.RawValue); ok {
		parts = append(parts, hex.EncodeToString(append([]byte{byte(v.Type)}, v.Value...)))
	}
	b, _ := json.Marshal(parts) // strings never fail
	return string(b)
}

// readMark reads what String wrote. An empty text, or that of another release, is the start.
func readMark(text string) mark {
	var parts []string
	_ = json.Unmarshal([]byte(text), &parts)
	for i, shelf := range shelves {
		if len(parts) == 0 || parts[0] != shelf.name {
			continue
		}
		if len(parts) == 1 {
			return mark{shelf: i}
		}
		b, err := hex.DecodeString(parts[1])
		v := bson.RawValue{}
		if err == nil && len(b) > 1 {
			v = bson.RawValue{Type: bson.Type(b[0]), Value: b[1:]}
		}
		if v.Validate() == nil {
			return mark{shelf: i, after: v}
		}
	}
	return mark{}
}
