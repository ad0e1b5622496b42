package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pryde/internal/former"
)

const (
	oldCarol = "68b82dc0c4ca4238a008569a"
	oldJudy  = "6a0da240c4ca4238a00856a1"
)

// TestWhereTheFormerAnswersWereWrong has a check for each answer of the former system that is
// not to be given again.
func TestWhereTheFormerAnswersWereWrong(t *testing.T) {
	t.Parallel()
	checks := []struct {
		name  string
		check func(*oldWorld, *testing.T)
	}{
		{"objects of iv, tag and text say what they say in threads and lists", func(w *oldWorld, t *testing.T) { w.says(t, "3") }},
		{"JSON text and what was encrypted twice is unwrapped", func(w *oldWorld, t *testing.T) { w.says(t, "4", "1(4)", "1(1)") }},
		{"digits that somebody wrote stay digits", func(w *oldWorld, t *testing.T) { w.says(t, "hexlike", "1U", "1", "2", "plain") }},
		{"what nobody can decrypt is no error", (*oldWorld).unreadable},
		{"the list is there for who wrote in groups or has lost senders", (*oldWorld).lists},
		{"unread messages are counted by sender", (*oldWorld).counts},
		{"deleted messages are not unread", (*oldWorld).countsOfBob},
		{"the newest message that one sees is shown, one that is deleted without its text", (*oldWorld).newest},
		{"of double rows the mark and the furthest place count", (*oldWorld).doubleRows},
		{"a message that does not say whether it was read was read", (*oldWorld).readByDefault},
		{"one's own values are in the clear, another's secrets nowhere", (*oldWorld).secrets},
		{"entities in old texts are shown as they were stored", (*oldWorld).entities},
		{"blocks of accounts that are gone are listed", (*oldWorld).goneBlocked},
		{"a thread shows the newest 50 to who asks for no more", (*oldWorld).pages},
	}
	onOldDatabase(t, func(t *testing.T, w *oldWorld) {
		for _, c := range checks {
			t.Run(c.name, func(t *testing.T) { c.check(w, t) })
		}
	})
}

// thread reads all messages of somebody with another.
func (w *oldWorld) thread(t *testing.T, username, peer string) (all []map[string]any) {
	t.Helper()
	before := ""
	for {
		status, body := w.get(t, w.accounts[username].AccessToken, "/api/messages/"+peer+"?limit=100"+before)
		if status != http.StatusOK {
			t.Fatalf("the thread of %s with %s: %d %v", username, peer, status, body)
		}
		page := objects(body)
		all = slices.Concat(page, all)
		if len(page) < 100 {
			return all
		}
		before = "&before=" + page[0]["_id"].(string)
	}
}

// list reads the conversations of somebody by the other person.
func (w *oldWorld) list(t *testing.T, username string) map[string]map[string]any {
	t.Helper()
	status, body := w.get(t, w.accounts[username].AccessToken, "/api/messages/list?limit=100")
	if status != http.StatusOK {
		t.Fatalf("the list of %s: %d %v", username, status, body)
	}
	rows := map[string]map[string]any{}
	for _, row := range objects(body) {
		rows[row["_id"].(string)] = row
	}
	return rows
}

func objects(list any) (all []map[string]any) {
	for _, o := range list.([]any) {
		all = append(all, o.(map[string]any))
	}
	return all
}

// says checks the texts of all direct messages of some formats that somebody sees.
func (w *oldWorld) says(t *testing.T, formats ...string) {
	found := map[string]int{}
	for username, u := range map[string]string{"alice": oldAlice, "bob": oldBob, "carol": oldCarol, "judy": oldJudy, "oldtimer": oldOldtimer} {
		lasts := w.list(t, username)
		for _, peer := range w.truth.peers(u) {
			for _, m := range w.thread(t, username, peer) {
				truth := w.truth.texts[m["_id"].(string)]
				if m["isDeletedForAll"] == true || !slices.Contains(formats, truth.Format) {
					continue
				}
				found[truth.Format]++
				if m["content"] != *truth.Plaintext {
					t.Errorf("message %s of format %s says %q, want %q", m["_id"], truth.Format, m["content"], *truth.Plaintext)
				}
				if last := lasts[peer]["lastMessage"].(map[string]any); last["_id"] == m["_id"] && last["content"] != *truth.Plaintext {
					t.Errorf("the list has message %s with %q, want %q", m["_id"], last["content"], *truth.Plaintext)
				}
			}
		}
	}
	for _, f := range formats {
		if found[f] == 0 {
			t.Errorf("no message of format %s was seen", f)
		}
	}
}

func (w *oldWorld) unreadable(t *testing.T) {
	found := map[string]bool{}
	for _, m := range w.thread(t, "alice", oldBob) {
		stored := w.truth.texts[m["_id"].(string)]
		if stored.Plaintext != nil || m["isDeletedForAll"] == true {
			continue
		}
		found[stored.Format] = true
		if m["content"] == "" || (stored.Format == "wrong-key-3" || stored.Format == "wrong-key-4") && m["content"] != former.Unreadable {
			t.Errorf("message %s of format %s says %q", m["_id"], stored.Format, m["content"])
		}
	}
	if len(found) != 5 {
		t.Errorf("seen: %v, want five formats", found)
	}
}

func (w *oldWorld) lists(t *testing.T) {
	for username, u := range map[string]string{"bob": oldBob, "carol": oldCarol} {
		rows := w.list(t, username)
		if len(rows) != len(w.truth.peers(u)) {
			t.Errorf("%s has %d conversations, want %d", username, len(rows), len(w.truth.peers(u)))
		}
		for peer, row := range rows {
			if m := w.truth.byID[row["lastMessage"].(map[string]any)["_id"].(string)]; !m.has(u) || m.peerOf(u) != peer {
				t.Errorf("%s has message %s in the conversation with %s", username, m.ID.Hex, peer)
			}
		}
	}
}

func (w *oldWorld) counts(t *testing.T) {
	for username, u := range map[string]string{"alice": oldAlice, "bob": oldBob, "carol": oldCarol, "judy": oldJudy, "oldtimer": oldOldtimer} {
		_, body := w.get(t, w.accounts[username].AccessToken, "/api/messages/unread/counts")
		got := map[string]int{}
		for _, row := range objects(body.(map[string]any)["unreadByUser"]) {
			got[row["userId"].(string)] = int(row["count"].(float64))
		}
		want := map[string]int{}
		for _, peer := range w.truth.peers(u) {
			if n := w.truth.unread(u, peer); n > 0 {
				want[peer] = n
			}
		}
		if len(want) == 0 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s has unread %v, want %v", username, got, want)
		}
	}
}

func (w *oldWorld) countsOfBob(t *testing.T) {
	if row := w.list(t, "alice")[oldBob]; row["unreadCount"] != 2.0 || row["unread"] != 2.0 {
		t.Errorf("of bob alice has %v unread, %v in the list, want 2", row["unreadCount"], row["unread"])
	}
}

func (w *oldWorld) newest(t *testing.T) {
	checked := 0
	for username, u := range map[string]string{"alice": oldAlice, "bob": oldBob, "carol": oldCarol, "judy": oldJudy, "oldtimer": oldOldtimer} {
		for peer, row := range w.list(t, username) {
			seen := w.truth.with(u, peer)
			last := row["lastMessage"].(map[string]any)
			if want := seen[len(seen)-1]; last["_id"] != want.ID.Hex || want.IsDeleted && (last["content"] != "" || last["attachment"] != nil) {
				t.Errorf("%s sees %v as the newest of %s, want %s", username, last, peer, want.ID.Hex)
			}
			checked++
		}
	}
	if checked < 20 {
		t.Errorf("%d conversations were looked at", checked)
	}
}

func (w *oldWorld) doubleRows(t *testing.T) {
	row := w.list(t, "alice")[oldBob]
	if row["manuallyUnread"] != true || row["lastReadMessageId"] != "6aefd188c4ca4238a00858fc" {
		t.Errorf("marked %v, read up to %v", row["manuallyUnread"], row["lastReadMessageId"])
	}
}

func (w *oldWorld) readByDefault(t *testing.T) {
	found := 0
	for _, m := range w.thread(t, "alice", oldBob) {
		if w.truth.byID[m["_id"].(string)].Read == nil {
			found++
			if m["read"] != true {
				t.Errorf("message %s is not read", m["_id"])
			}
		}
	}
	if found == 0 {
		t.Error("every message says whether it was read")
	}
}

func (w *oldWorld) secrets(t *testing.T) {
	_, me := w.get(t, w.accounts["alice"].AccessToken, "/api/auth/me")
	if got := me.(map[string]any)["pronouns"]; got != "they/them" {
		t.Errorf("alice's pronouns are %q to herself", got)
	}
	_, alice := w.get(t, w.accounts["bob"].AccessToken, "/api/users/"+oldAlice)
	for _, secret := range []string{
		"email", "birthday", "twoFactorSecret", "twoFactorBackupCodes", "activeSessions", "loginHistory", "pushSubscription",
		"pushSubscriptions", "fcmTokens", "passkeys", "resetPasswordToken", "moderation", "privacySettings", "password",
	} {
		if v, there := alice.(map[string]any)[secret]; there {
			t.Errorf("bob reads alice's %s: %v", secret, v)
		}
	}
}

func (w *oldWorld) entities(t *testing.T) {
	found := 0
	for _, m := range w.thread(t, "alice", oldBob) {
		truth := w.truth.texts[m["_id"].(string)].Plaintext
		if truth != nil && m["isDeletedForAll"] != true && slices.ContainsFunc([]string{"&amp;", "&lt;"}, func(e string) bool { return strings.Contains(*truth, e) }) {
			found++
			if m["content"] != *truth {
				t.Errorf("message %s says %q, want %q", m["_id"], m["content"], *truth)
			}
		}
	}
	if found == 0 {
		t.Error("no message has an entity")
	}
}

func (w *oldWorld) goneBlocked(t *testing.T) {
	status, body := w.get(t, w.accounts["bob"].AccessToken, "/api/blocks")
	if rows := objects(body); status != http.StatusOK || len(rows) != 1 || rows[0]["blocked"].(map[string]any)["_id"] != "686a6540c4ca4238a00856ab" {
		t.Errorf("bob's blocks: %d %v", status, body)
	}
}

func (w *oldWorld) pages(t *testing.T) {
	_, body := w.get(t, w.accounts["alice"].AccessToken, "/api/messages/"+oldBob)
	all := w.thread(t, "alice", oldBob)
	if got := objects(body); len(got) != 50 || got[49]["_id"] != all[len(all)-1]["_id"] || got[0]["_id"] != all[len(all)-50]["_id"] {
		t.Errorf("%d messages without a limit, want the newest 50 of %d", len(got), len(all))
	}
}
