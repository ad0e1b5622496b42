package app_test

import (
	"cmp"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
)

// groupDiffers are differences of the list of groups.
var groupDiffers = []meant{
	{"[].memberCount", added, "a list has the first 100 members"},
	{"[].seq", added, "the last change of the group"},
	{"[].members[].isAdmin", added, "what a member is"},
	{"[].members[].joinedAt", added, "since when"},
	{"[].unreadCount", added, "the former list did not say"},
	{"[].manuallyUnread", added, "the former list did not say"},
	{"[].lastReadMessageId", added, "the former list did not say"},
	{"[].archived", added, "the former list did not say"},
	{"[].muted", added, "the former list did not say"},
	{"[].mutedUntil", added, "the former list did not say"},
}

// groupMessageDiffers are differences of a message in a group.
var groupMessageDiffers = []meant{
	{"[].read", changed, "whether anybody has read it; the former one was never set"},
	{"[].readBy", changed, "a mark says how far a member has read: not each message by itself, and never who wrote it"},
	{"[].readBy[].readAt", changed, "when the member last read"},
	{"[].readBy[].user", changed, "as readBy"},
	{"[].readBy[].user._id", changed, "as readBy"},
	{"[].readBy[].user.username", changed, "as readBy"},
	{"[].readBy[]._id", leftOut, "of the former database library"},
	{"[].deliveredTo[].deliveredAt", changed, "as readBy"},
	{"[].deliveredTo[].deliveredAt", leftOut, "as readBy"},
	{"[].deliveredTo[].user", changed, "as readBy"},
	{"[].deliveredTo[].user._id", changed, "as readBy"},
	{"[].deliveredTo[].user.username", changed, "as readBy"},
	{"[].deliveredTo[]._id", leftOut, "of the former database library"},
	{"[].isDeleted", added, "as between two people"},
	{"[].deletedType", added, "as between two people"},
	{"[].readCount", added, "how many have read it"},
	{"[].deliveredCount", added, "how many have it"},
}

// inGroup returns the messages of a group that somebody sees, oldest first. What names no sender
// is nobody's message.
func (o *oldTruth) inGroup(u, group string) (ms []*oldMessage) {
	for _, m := range o.messages {
		if m.GroupChat != nil && m.GroupChat.Hex == group && m.Sender != nil && !m.hiddenFrom(u) {
			ms = append(ms, m)
		}
	}
	return ms
}

// unreadIn counts what others wrote in a group behind what somebody has read there.
func (o *oldTruth) unreadIn(u, group string) (n int) {
	var last oid
	for _, s := range o.settings {
		if s.GroupChat == nil || s.GroupChat.Hex != group {
			continue
		}
		for _, r := range s.LastRead {
			if r.User.Hex == u {
				last = r.MessageID
			}
		}
	}
	for _, m := range o.messages {
		if m.GroupChat == nil || m.GroupChat.Hex != group || m.Sender == nil {
			continue
		}
		read := m.ID == last || slices.ContainsFunc(m.ReadBy, func(r struct{ User oid }) bool { return r.User.Hex == u })
		switch {
		case read:
			n = 0
		case m.Sender.Hex != u && !m.IsDeleted && !m.hiddenFrom(u):
			n++
		}
	}
	return n
}

// rightGroupThread has the texts as they are, names the people who are gone, and leaves out what
// somebody deleted for themselves, and what nobody wrote.
func rightGroupThread(o *oldTruth, u string, former oldAnswer) oldAnswer {
	rows, ok := former.Body.([]any)
	if !ok {
		return former
	}
	known := map[string]map[string]any{}
	for _, row := range rows {
		known[str(row, "_id")] = row.(map[string]any)
	}
	right := []any{}
	group := filepath.Base(former.Request)
	for _, m := range o.inGroup(u, group) {
		row := known[m.ID.Hex]
		if row == nil {
			continue
		}
		row["content"], row["sender"] = o.content(m), o.person(m.Sender.Hex)
		right = append(right, row)
	}
	slices.SortStableFunc(right, func(a, b any) int {
		return cmp.Or(cmp.Compare(str(a, "createdAt"), str(b, "createdAt")), cmp.Compare(str(a, "_id"), str(b, "_id")))
	})
	former.Body = right
	return former
}

// rightGroups has the newest message that has a sender.
func rightGroups(o *oldTruth, u string, former oldAnswer) oldAnswer {
	for _, row := range former.Body.([]any) {
		row := row.(map[string]any)
		members := []any{}
		for _, u := range o.groups[str(row, "_id")].Members {
			m := o.person(u.Hex)
			m["id"] = u.Hex
			members = append(members, m)
		}
		row["members"] = members
		seen := o.inGroup(u, str(row, "_id"))
		if len(seen) == 0 {
			delete(row, "lastMessage")
			continue
		}
		last := seen[len(seen)-1]
		if l, ok := row["lastMessage"].(map[string]any); !ok || l["_id"] != last.ID.Hex {
			row["lastMessage"] = o.last(last)
		} else {
			l["content"] = o.content(last)
		}
	}
	return former
}

// TestWhoHadReadInAnOldGroupHasReadStill holds the lists of receipts of old messages to what the
// marks say: who had read a message, or had it, is there.
func TestWhoHadReadInAnOldGroupHasReadStill(t *testing.T) {
	t.Parallel()
	onOldDatabase(t, func(t *testing.T, w *oldWorld) {
		files, err := filepath.Glob(filepath.Join(oldAnswers, "answers", "*", "messages-group-*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%d answers, %v", len(files), err)
		}
		checked := 0
		for _, file := range files {
			var former oldAnswer
			readJSON(t, file, &former)
			if former.Status != http.StatusOK {
				continue
			}
			username, group := filepath.Base(filepath.Dir(file)), filepath.Base(former.Request)
			status, body := w.get(t, w.accounts[username].AccessToken, former.Request[len("GET "):]+"?limit=100")
			if status != http.StatusOK {
				t.Fatalf("%s for %s answered %d %v", former.Request, username, status, body)
			}
			ours := map[string]map[string]any{}
			for _, row := range objects(body) {
				ours[str(row, "_id")] = row
			}
			for _, row := range objects(former.Body) {
				now, there := ours[str(row, "_id")]
				if !there {
					continue
				}
				for _, list := range []string{"readBy", "deliveredTo"} {
					have := receivers(now[list])
					for _, u := range receivers(row[list]) {
						if u == w.truth.byID[str(row, "_id")].Sender.Hex || !w.truth.member(group, u) {
							continue
						}
						if checked++; !slices.Contains(have, u) {
							t.Errorf("%s of %s is %v, without %s", list, str(row, "_id"), have, u)
						}
					}
				}
			}
		}
		if checked == 0 {
			t.Error("no receipt was compared")
		}
	})
}

func (o *oldTruth) member(group, u string) bool {
	return slices.ContainsFunc(o.groups[group].Members, func(m oid) bool { return m.Hex == u })
}

// receivers are the people in a list of receipts.
func receivers(list any) (ids []string) {
	for _, r := range objects(list) {
		if u, ok := r["user"].(map[string]any); ok {
			ids = append(ids, str(u, "_id"))
		}
	}
	return ids
}
