package sqlitestore

import (
	"context"
	"database/sql/driver"
	"time"

	"pryde/internal/custody"
	"pryde/internal/seal"
)

var _ custody.Desk = (*Keys)(nil)

// orderLife is how long it is kept what came of an order.
const orderLife = 24 * time.Hour

const orderColumns = "SELECT id, kind, username, master, posted_at, done_at, failed, says FROM orders "

// Post implements custody.Desk.
func (k *Keys) Post(ctx context.Context, o custody.Order) (i int64, err error) {
	err = k.writer.do(ctx, "post an order", func(t *tx) error {
		if _, err := t.exec("DELETE FROM orders WHERE done_at < ?", o.PostedAt.Add(-orderLife).UnixMilli()); err != nil {
			return err
		}
		_, err := t.one(func(row []driver.Value) { i = integer(row[0]) },
			"INSERT INTO orders (kind, username, master, posted_at) VALUES (?, ?, ?, ?) RETURNING id",
			string(o.Kind), o.Username, int64(o.Master), o.PostedAt.UnixMilli())
		return err
	})
	return i, err
}

// Pending implements custody.Desk.
func (k *Keys) Pending(ctx context.Context) ([]custody.Order, error) {
	return k.orders(ctx, orderColumns+"WHERE done_at IS NULL ORDER BY id")
}

// Order implements custody.Desk.
func (k *Keys) Order(ctx context.Context, i int64) (custody.Order, bool, error) {
	found, err := k.orders(ctx, orderColumns+"WHERE id = ?", i)
	if err != nil || len(found) == 0 {
		return custody.Order{}, false, err
	}
	return found[0], true, nil
}

func (k *Keys) orders(ctx context.Context, query string, args ...any) (found []custody.Order, err error) {
	err = k.readers.with(ctx, func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			found = append(found, custody.Order{
				ID: integer(row[0]), Kind: custody.Kind(text(row[1])), Username: text(row[2]), Master: seal.KeyID(integer(row[3])),
				PostedAt: instant(row[4]), DoneAt: instant(row[5]), Failed: integer(row[6]) != 0, Says: text(row[7]),
			})
			return true
		}, query, args...)
	})
	return found, err
}

// Finish implements custody.Desk.
func (k *Keys) Finish(ctx context.Context, o custody.Order) error {
	return k.writer.do(ctx, "finish an order", func(t *tx) error {
		_, err := t.exec("UPDATE orders SET done_at = ?, failed = ?, says = ?, username = '' WHERE id = ? AND done_at IS NULL",
			o.DoneAt.UnixMilli(), truth(o.Failed), o.Says, o.ID)
		return err
	})
}

// Progress implements custody.Desk.
func (k *Keys) Progress(ctx context.Context, i seal.DataKeyID) (note string, err error) {
	err = k.readers.with(ctx, func(c *conn) error {
		_, err := c.one(func(row []driver.Value) { note = text(row[0]) }, "SELECT note FROM retired WHERE id = ?", int64(i))
		return err
	})
	return note, err
}

// NoteProgress implements custody.Desk.
func (k *Keys) NoteProgress(ctx context.Context, i seal.DataKeyID, note string) error {
	return k.writer.do(ctx, "note how far the sealing again is", func(t *tx) error {
		_, err := t.exec("UPDATE retired SET note = ? WHERE id = ?", note, int64(i))
		return err
	})
}
