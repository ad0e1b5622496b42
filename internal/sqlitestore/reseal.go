package sqlitestore

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"pryde/internal/custody"
	"pryde/internal/files"
	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/seal"
	"pryde/internal/wire"
)

// A shelf is where values of a person are sealed, to be looked at in the order of a key.
type shelf struct {
	name string
	// rows selects what is behind a mark: the columns of the mark, then those that unpack takes. Its
	// parameters are the person, the mark and a limit.
	rows   string
	start  []any // the mark in front of everything
	unpack func(c *conn, u id.User, row []driver.Value) ([]sealedValue, error)
}

// A sealedValue is one value and how to replace it.
type sealedValue struct {
	place  seal.Place
	sealed []byte
	update string // its parameters are the new value, where, and the old value
	where  []any
}

// messageShelf has the messages of a person that one of two indexes finds; together they find all.
func messageShelf(name, mark, condition string, start ...any) shelf {
	return shelf{
		name: name, start: start,
		rows: "SELECT " + mark + ", m.conversation, m.seq, m.id, m.content, m.attachment, m.extra, m.edited_at FROM messages m WHERE m.sender = ? AND " +
			condition + " ORDER BY " + mark + " LIMIT ?",
		unpack: func(c *conn, _ id.User, row []driver.Value) ([]sealedValue, error) {
			return ofMessage(c, row[len(start):])
		},
	}
}

// messageShelves is how many shelves have messages. They stand in front.
const messageShelves = 2

// shelves are all places where something is sealed with a person's key, but for the search index,
// which is built again. What is looked at twice, or has come since, does no harm.
var shelves = []shelf{
	messageShelf("named", "m.client_id", "m.client_id > ?", ""),
	messageShelf("unnamed", "m.conversation, m.seq", "m.client_id IS NULL AND (m.conversation, m.seq) > (?, ?)", []byte{}, int64(0)),
	{
		name: "details", start: []any{[]byte{}},
		rows: "SELECT id, details FROM users WHERE id = ? AND id > ? LIMIT ?",
		unpack: func(_ *conn, u id.User, row []driver.Value) ([]sealedValue, error) {
			return one(detailsPlace(u), row[1], "UPDATE users SET details = ? WHERE id = ? AND details = ?", u[:]), nil
		},
	},
	{
		name: "factors", start: []any{[]byte{}},
		rows: "SELECT user, secret FROM second_factors WHERE user = ? AND user > ? LIMIT ?",
		unpack: func(_ *conn, u id.User, row []driver.Value) ([]sealedValue, error) {
			return one(factorPlace(u), row[1], "UPDATE second_factors SET secret = ? WHERE user = ? AND secret = ?", u[:]), nil
		},
	},
	{
		name: "sessions", start: []any{[]byte{}},
		rows: "SELECT id, device FROM sessions WHERE user = ? AND id > ? ORDER BY id LIMIT ?",
		unpack: func(_ *conn, _ id.User, row []driver.Value) ([]sealedValue, error) {
			key := blob(row[0])
			return one(devicePlace(key), row[1], "UPDATE sessions SET device = ? WHERE id = ? AND device = ?", key), nil
		},
	},
	{
		name: "blocks", start: []any{[]byte{}},
		rows: "SELECT blocked, id, reason FROM blocks WHERE blocker = ? AND blocked > ? ORDER BY blocked LIMIT ?",
		unpack: func(_ *conn, u id.User, row []driver.Value) ([]sealedValue, error) {
			b := people.Block{Blocker: u, Blocked: userID(row[0])}
			b.ID = wire.BlockID(userID(row[1]))
			return one(reasonPlace(b), row[2], "UPDATE blocks SET reason = ? WHERE blocker = ? AND blocked = ? AND reason = ?", u[:], b.Blocked[:]), nil
		},
	},
	{
		name: "drafts", start: []any{[]byte{}},
		rows: "SELECT conversation, content FROM drafts WHERE user = ? AND conversation > ? ORDER BY conversation LIMIT ?",
		unpack: func(_ *conn, u id.User, row []driver.Value) ([]sealedValue, error) {
			key := blob(row[0])
			return one(draftPlace(u, key), row[1], "UPDATE drafts SET content = ? WHERE user = ? AND conversation = ? AND content = ?", u[:], key), nil
		},
	},
	{
		name: "uploads", start: []any{[]byte{}},
		rows: "SELECT name, key FROM uploads WHERE owner = ? AND name > ? ORDER BY name LIMIT ?",
		unpack: func(_ *conn, _ id.User, row []driver.Value) ([]sealedValue, error) {
			var n files.Name
			copy(n[:], blob(row[0]))
			return one(files.KeyPlace(n), row[1], "UPDATE uploads SET key = ? WHERE name = ? AND key = ?", n[:]), nil
		},
	},
}

// one is a value that may be missing.
func one(p seal.Place, v driver.Value, update string, where ...any) []sealedValue {
	if v == nil {
		return nil
	}
	return []sealedValue{{p, blob(v), update, where}}
}

// ofMessage are the values of a message, its earlier texts included.
func ofMessage(c *conn, row []driver.Value) ([]sealedValue, error) {
	key, seq, m := blob(row[0]), integer(row[1]), messageRef(row[2])
	var values []sealedValue
	for i, column := range []string{"content", "attachment", "extra"} {
		values = append(values, one(textPlace(column, m, key), row[3+i],
			"UPDATE messages SET "+column+" = ? WHERE conversation = ? AND seq = ? AND "+column+" = ?", key, seq)...)
	}
	if row[6] == nil {
		return values, nil
	}
	err := c.query(func(row []driver.Value) bool {
		number := integer(row[0])
		values = append(values, one(versionPlace(m, key, number), row[1],
			"UPDATE versions SET content = ? WHERE conversation = ? AND message_seq = ? AND number = ? AND content = ?", key, seq, number)...)
		return true
	}, "SELECT number, content FROM versions WHERE conversation = ? AND message_seq = ?", key, seq)
	return values, err
}

// Reseal implements custody.Data.
func (s *Store) Reseal(ctx context.Context, u id.User, from string, limit int) (b custody.Batch, err error) {
	values, next, err := s.shelved(ctx, u, readMark(from), int64(limit))
	if err != nil {
		return b, fmt.Errorf("seal again: %w", err)
	}
	b.Seen, b.Next = len(values), next.String()
	type change struct {
		sealedValue
		fresh []byte
	}
	var changes []change
	for _, v := range values {
		fresh, err := s.vault.Reseal(ctx, seal.Owner(u), v.place, v.sealed)
		switch {
		case errors.Is(err, seal.ErrKeyGone) || errors.Is(err, seal.ErrTampered):
			b.Lost++
		case err != nil:
			return custody.Batch{}, fmt.Errorf("seal again: %w", err)
		case fresh != nil:
			changes = append(changes, change{v, fresh})
		}
	}
	if len(changes) == 0 {
		return b, nil
	}
	sealed := 0
	err = s.writer.do(ctx, "seal again", func(t *tx) error {
		sealed = 0
		for _, c := range changes {
			// Who has replaced the value meanwhile has sealed theirs with the new key.
			n, err := t.exec(c.update, append(append([]any{c.fresh}, c.where...), c.sealed)...)
			if err != nil {
				return err
			}
			sealed += int(n)
		}
		return nil
	})
	if err != nil {
		return custody.Batch{}, err
	}
	b.Sealed = sealed
	return b, nil
}

// A mark is a place on the shelves: behind the row that was looked at last.
type mark struct {
	shelf int
	after []any
	end   bool
}

// shelved returns the values of up to limit rows of one shelf, and the mark behind them.
func (s *Store) shelved(ctx context.Context, u id.User, at mark, limit int64) (values []sealedValue, next mark, err error) {
	shelf := shelves[at.shelf]
	var rows [][]driver.Value
	next = at
	err = s.readers.snapshot(ctx, func(c *conn) error {
		if err := c.query(func(row []driver.Value) bool {
			rows = append(rows, append([]driver.Value(nil), row...))
			return true
		}, shelf.rows, append(append([]any{u[:]}, at.after...), limit)...); err != nil {
			return err
		}
		for _, row := range rows {
			unpacked, err := shelf.unpack(c, u, row)
			if err != nil {
				return err
			}
			values = append(values, unpacked...)
			next.after = behind(shelf, row)
		}
		return nil
	})
	if int64(len(rows)) < limit {
		next = mark{shelf: at.shelf + 1}
		if next.end = next.shelf == len(shelves); !next.end {
			next.after = shelves[next.shelf].start
		}
	}
	return values, next, err
}

// behind is the key behind which to go on after a row.
func behind(s shelf, row []driver.Value) []any {
	after := make([]any, len(s.start))
	for i := range after {
		after[i] = row[i]
	}
	return after
}

// String writes a mark: the name of the shelf, and the key behind which to go on.
func (m mark) String() string {
	if m.end {
		return ""
	}
	parts := []string{shelves[m.shelf].name}
	for _, v := range m.after {
		switch v := v.(type) {
		case int64:
			parts = append(parts, strconv.FormatInt(v, 10))
		case []byte:
			parts = append(parts, hex.EncodeToString(v))
		case string:
			parts = append(parts, v)
		}
	}
	b, _ := json.Marshal(parts) // strings never fail
	return string(b)
}

// readMark reads what String wrote. An empty text, or that of another release, is the start.
func readMark(text string) mark {
	var parts []string
	_ = json.Unmarshal([]byte(text), &parts)
	for i, shelf := range shelves {
		if len(parts) == 1+len(shelf.start) && parts[0] == shelf.name {
			if m := (mark{shelf: i}); m.read(parts[1:]) {
				return m
			}
		}
	}
	return mark{after: shelves[0].start}
}

// read reads the key behind which to go on.
func (m *mark) read(parts []string) bool {
	for i, kind := range shelves[m.shelf].start {
		var v any = parts[i]
		var err error
		switch kind.(type) {
		case int64:
			v, err = strconv.ParseInt(parts[i], 10, 64)
		case []byte:
			v, err = hex.DecodeString(parts[i])
		}
		if err != nil {
			return false
		}
		m.after = append(m.after, v)
	}
	return true
}
