package sqlitestore

import (
	"database/sql/driver"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pryde/internal/id"
	"pryde/internal/message"
)

// useEverything calls every method about messages and groups, so that their statements are
// prepared.
func useEverything(t *testing.T, s *Store) {
	t.Helper()
	ctx, g := t.Context(), groupID(1)
	form(t, s, 1, 4)
	for i, to := range []func(n int) message.Message{
		func(n int) message.Message { return send(t, s, n, user(1), user(2), "to one") },
		func(n int) message.Message { return sendTo(t, s, n, g, user(1), "to all") },
	} {
		kept, hidden, gone := to(10*i+1), to(10*i+2), to(10*i+3)
		talk := kept.Conversation()
		repeat := message.Draft{ID: kept.ID, Sender: user(1), Recipient: kept.Recipient, Group: kept.Group, ClientID: "x", At: start}
		_, _, attempt := s.Attempt(ctx, repeat)
		repeat.ClientID, repeat.RepeatWindow = "", time.Hour
		_, _, recent := s.Attempt(ctx, repeat)
		_, edit := s.Edit(ctx, kept.ID, "edited", start)
		_, versions := s.Versions(ctx, kept.ID)
		_, _, react := s.React(ctx, kept.ID, message.Reaction{User: user(2), Emoji: "x", At: start}, false)
		_, delivered := s.MarkDelivered(ctx, user(2), hidden.ID, start)
		_, read := s.MarkRead(ctx, user(2), hidden.ID, start)
		_, _, forSelf := s.DeleteForSelf(ctx, hidden.ID, user(2), start)
		_, _, forAll := s.DeleteForAll(ctx, gone.ID, start)
		_, seen := s.SeenBy(ctx, kept.ID)
		_, page := s.PageBefore(ctx, talk, user(2), kept.ID, 10)
		_, media := s.Media(ctx, talk, user(2), 0, 10)
		_, some := s.Some(ctx, talk, user(2), []id.Message{kept.ID})
		save := s.SaveDraft(ctx, user(2), message.SavedDraft{Conversation: talk, Text: "half", At: start})
		forget := s.SaveDraft(ctx, user(3), message.SavedDraft{Conversation: talk})
		fine(t, attempt, recent, edit, versions, react, delivered, read, forSelf, forAll, seen, page, media, some, save, forget)
	}
	_, drafts := s.Drafts(ctx, user(2))
	_, rows := s.Rows(ctx, user(2), messageID(1), 10)
	_, unread := s.Unread(ctx, user(2))
	_, _, arrange := s.Arrange(ctx, user(2), user(1), false, start, func(set *message.Settings) { set.Muted = true })
	cleared := s.Clear(ctx, user(2), user(1))
	_, group := s.Group(ctx, g)
	_, seats := s.Seats(ctx, user(2), g, 10)
	_, seat := s.Seat(ctx, g, user(2))
	_, cursors := s.Cursors(ctx, g)
	_, inGroups := s.UnreadInGroups(ctx, user(2))
	_, _, set := s.ArrangeGroup(ctx, g, user(2), start, func(set *message.Settings) { set.MarkedUnread = start })
	_, unmark := s.MarkRead(ctx, user(2), messageID(11), start)
	clearGroup := s.ClearGroup(ctx, g, user(2))
	_, since := s.Since(ctx, user(2), 0, 1000)
	_, _, change := s.ChangeGroup(ctx, g, user(0), start, func(g *message.Group) error {
		g.Name, g.Members[1].Admin = "renamed", true
		return nil
	})
	expel(t, s, g, user(3))
	fine(t, drafts, rows, unread, arrange, cleared, group, seats, seat, cursors, inGroups, set, unmark, clearGroup, since, change)
}

func fine(t *testing.T, errs ...error) {
	t.Helper()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
}

// statements are those that were prepared on all connections of a store.
func statements(t *testing.T, s *Store) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	gather := func(c *conn) {
		for q := range c.stmts {
			all[q] = true
		}
	}
	for range maxReaders {
		c := <-s.readers.idle
		gather(c)
		defer func() { s.readers.idle <- c }()
	}
	if err := s.writer.do(t.Context(), "test", func(t *tx) error { gather(t.conn); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// wholly is a step of a plan that reads all of something. What a query has picked before it joins
// anything to it (s and t), constants and rows that are given are read so.
var wholly = regexp.MustCompile(`^SCAN ([a-zA-Z]\w*)`)

func TestNoTableIsReadAsAWhole(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	atStart := statements(t, s.Store)
	useEverything(t, s.Store)
	used := statements(t, s.Store)
	maps.DeleteFunc(used, func(q string, _ bool) bool {
		return atStart[q] || !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE"}, strings.Fields(q)[0])
	})
	c, err := connect(filepath.Join(dir, fileName), false)
	if err != nil {
		t.Fatal(err)
	}

	for q := range used {
		var plan []string
		if err := c.query(func(row []driver.Value) bool {
			plan = append(plan, text(row[3]))
			return true
		}, "EXPLAIN QUERY PLAN "+q, make([]any, strings.Count(q, "?"))...); err != nil {
			t.Fatalf("explain %s: %v", q, err)
		}
		for _, step := range plan {
			if of := wholly.FindStringSubmatch(step); of != nil && !slices.Contains([]string{"s", "t", "CONSTANT"}, of[1]) {
				t.Errorf("%q in\n%s\nthe plan is\n\t%s", step, q, strings.Join(plan, "\n\t"))
			}
			if strings.Contains(step, " messages_unread ") && !strings.Contains(step, "COVERING") {
				t.Errorf("what is counted is read from the messages themselves: %q in\n%s", step, q)
			}
		}
	}

	if err := c.close(); err != nil {
		t.Error(err)
	}
	if len(used) < 50 {
		t.Errorf("%d statements were looked at: the test is blind", len(used))
	}
}
