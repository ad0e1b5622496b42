package sqlitestore

import (
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
)

func groupID(n int) (g id.Group) {
	g[0] = 'g'
	binary.BigEndian.PutUint32(g[8:], uint32(n))
	return g
}

// form makes a group of the people from 0 on.
func form(t testing.TB, s *Store, n, members int) message.Group {
	t.Helper()
	g := message.Group{ID: groupID(n), Name: fmt.Sprint("group ", n), Creator: user(0), CreatedAt: start, UpdatedAt: start}
	for i := range members {
		g.Members = append(g.Members, message.Member{User: user(i), Admin: i == 0, JoinedAt: start})
	}
	g, err := s.CreateGroup(t.Context(), g)
	if err != nil {
		t.Fatalf("create group %d: %v", n, err)
	}
	return g
}

func draftTo(g id.Group, n int, from id.User, text string) message.Draft {
	return message.Draft{ID: messageID(n), Sender: from, Group: g, Content: text, At: start.Add(time.Duration(n) * time.Second)}
}

func sendTo(t testing.TB, s *Store, n int, g id.Group, from id.User, text string) message.Message {
	t.Helper()
	m, again, err := s.Append(t.Context(), draftTo(g, n, from, text))
	if err != nil || again {
		t.Fatalf("append message %d to a group: again %v, error %v", n, again, err)
	}
	return m
}

// expel takes somebody out of a group.
func expel(t testing.TB, s *Store, g id.Group, u id.User) message.Group {
	t.Helper()
	_, after, err := s.ChangeGroup(t.Context(), g, user(0), start, func(g *message.Group) error {
		g.Members = slices.DeleteFunc(g.Members, func(m message.Member) bool { return m.User == u })
		return nil
	})
	if err != nil {
		t.Fatalf("take somebody out of a group: %v", err)
	}
	return after
}

func TestAMessageToAGroupWritesNoRowOfAMember(t *testing.T) {
	s := open(t, t.TempDir())
	written := func(d message.Draft) int64 {
		t.Helper()
		var counts [2]int64
		for i := range counts {
			if i == 1 {
				if _, _, err := s.Append(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.writer.do(t.Context(), "test", func(t *tx) (err error) {
				counts[i], err = t.number("SELECT total_changes()")
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		return counts[1] - counts[0]
	}
	form(t, s.Store, 1, 2)
	form(t, s.Store, 2, 500)

	direct := written(message.Draft{ID: messageID(1), Sender: user(1), Recipient: user(2), Content: "hello", At: start})
	few := written(draftTo(groupID(1), 2, user(1), "hello"))
	many := written(draftTo(groupID(2), 3, user(1), "hello"))

	if many != few || many > direct {
		t.Errorf("rows written: %d for one person, %d for a group of 2, %d for one of 500; want no more for a group, whatever its size", direct, few, many)
	}
}

func TestEverythingOfADeletedMessageIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	form(t, s.Store, 1, 3)
	for i := range 40 {
		sendTo(t, s.Store, 100+i, groupID(1), user(1), "a neighbour that stays")
	}
	d := draftTo(groupID(1), 1, user(1), strings.Repeat("first text ", 50))
	d.Attachment, d.Extra = "/files/attachment-that-goes", message.Extra{VoiceURL: "/files/voice", Warning: strings.Repeat("warning ", 20)}
	if _, _, err := s.Append(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Edit(t.Context(), d.ID, strings.Repeat("second text ", 50), start); err != nil {
		t.Fatal(err)
	}
	emoji := "emoji-that-is-found-again-in-the-file"
	if _, _, err := s.React(t.Context(), d.ID, message.Reaction{User: user(2), Emoji: emoji, At: start}, false); err != nil {
		t.Fatal(err)
	}
	parts := [][]byte{append(make([]byte, 9), emoji...)}
	if err := s.readers.with(t.Context(), func(c *conn) error {
		collect := func(row []driver.Value) bool {
			for _, v := range row {
				parts = append(parts, blob(v))
			}
			return true
		}
		return errors.Join(c.query(collect, "SELECT content, attachment, extra FROM messages WHERE id = ?", d.ID[:]),
			c.query(collect, "SELECT content FROM versions"))
	}); err != nil {
		t.Fatal(err)
	}
	s.close(t)
	for i, part := range parts {
		if found(t, dir, part) == 0 {
			t.Fatalf("part %d of %d is not in the file while it is stored", i, len(parts))
		}
	}

	s = open(t, dir)
	if _, changed, err := s.DeleteForAll(t.Context(), d.ID, start); err != nil || !changed {
		t.Fatalf("DeleteForAll: %v, %v", changed, err)
	}
	s.close(t)

	for i, part := range parts {
		if n := found(t, dir, part); n > 0 {
			t.Errorf("%d pieces of part %d of the deleted message are still in the file", n, i)
		}
	}
	if len(parts) != 5 {
		t.Errorf("looked for %d parts, want 5", len(parts))
	}
}

func TestWhatWasAcknowledgedInAGroupSurvivesACrash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	const people, each = 8, 20
	form(t, s.Store, 1, people+1)
	leaver := user(1)
	var last order.Seq // of the leaver's messages
	var wg sync.WaitGroup
	for p := 1; p <= people; p++ {
		wg.Go(func() {
			for i := range each {
				m, _, err := s.Append(t.Context(), draftTo(groupID(1), p*each+i, user(p), "hello"))
				switch {
				case err == nil && user(p) == leaver:
					last = m.Seq
				case err != nil && (user(p) != leaver || !errors.Is(err, message.ErrNotMember)):
					t.Errorf("append: %v", err)
				}
				if user(p) == user(2) && i == each/2 {
					expel(t, s.Store, groupID(1), leaver)
				}
			}
		})
	}
	wg.Wait()
	want, err := s.Since(t.Context(), user(0), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}

	crashed := open(t, copyFolder(t, dir))

	got, err := crashed.Since(t.Context(), user(0), 0, 1000)
	if err != nil || len(got.New) != len(want.New) || got.Seq != want.Seq || len(got.New) < (people-1)*each {
		t.Errorf("after the crash: %d messages up to %d, error %v; want %d up to %d", len(got.New), got.Seq, err, len(want.New), want.Seq)
	}
	out, err := crashed.Since(t.Context(), leaver, 0, 1000)
	if err != nil || len(out.Left) != 1 || len(out.New)+len(out.Groups)+len(out.Cursors) > 0 || out.Left[0].Seq <= last {
		t.Errorf("who left before the crash, after message %d, hears %+v with error %v; want only that they left", last, out, err)
	}
	if _, _, err := crashed.Append(t.Context(), draftTo(groupID(1), 9999, leaver, "again")); !errors.Is(err, message.ErrNotMember) {
		t.Errorf("who left before the crash writes: %v, want ErrNotMember", err)
	}
}
