package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"pryde/internal/id"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

// found makes a group of some people; the first founds it.
func found(name string, people ...*person) wire.Group {
	ids := make([]id.User, 0, len(people))
	for _, p := range people[1:] {
		ids = append(ids, p.id)
	}
	founder := people[0]
	return read[wire.Group](founder.w.t, founder.do(http.StatusOK, "POST", "/api/groupchats/create", wire.NewGroup{Name: name, MemberIDs: ids}))
}

func groupPath(g id.Group) string { return "/api/groupchats/" + g.String() }

// tell sends a message to a group over REST.
func (p *person) tell(g id.Group, text string) wire.Message {
	p.w.t.Helper()
	m, _, err := p.rest.PostMessage(p.w.ctx(), wire.PostedMessage{GroupChatID: g, Content: text})
	if err != nil {
		p.w.t.Fatalf("tell the group: %v", err)
	}
	return m
}

// groupThread are the messages of a group, oldest first.
func (p *person) groupThread(g id.Group) []wire.Message {
	p.w.t.Helper()
	return read[[]wire.Message](p.w.t, p.do(http.StatusOK, "GET", "/api/messages/group/"+g.String(), nil))
}

// groups is a person's list of groups.
func (p *person) groups() []wire.GroupRow {
	p.w.t.Helper()
	return read[[]wire.GroupRow](p.w.t, p.do(http.StatusOK, "GET", "/api/groupchats", nil))
}

// seat is a group as a person has it.
func (p *person) seat(g id.Group) wire.GroupSeat {
	p.w.t.Helper()
	return read[wire.GroupSeat](p.w.t, p.do(http.StatusOK, "GET", groupPath(g), nil))
}

// hears awaits an event and returns its payload.
func hears[P any](p *person, c *testkit.Conn, event wire.ToClient[P]) P {
	p.w.t.Helper()
	return decode[P](p.w.t, p.await(c, event.Name()).Payload())
}

// names are the names of the events that a socket hears up to one.
func (p *person) namesUpTo(c *testkit.Conn, last string) (names []string) {
	p.w.t.Helper()
	for {
		e, err := c.Next(p.w.ctx())
		if err != nil {
			p.w.t.Fatalf("%s heard %q: %v", p.name, names, err)
		}
		if e.Name == last {
			return names
		}
		names = append(names, e.Name)
	}
}

func TestThreePeopleTalkInAGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob, cay := w.signUp(), w.signUp(), w.signUp()
	a, second, b, c := ann.connect(), ann.connect(), bob.connect(), cay.connect()

	g := found("Choir & friends", ann, bob, cay)
	for p, conn := range map[*person]*testkit.Conn{bob: b, cay: c} {
		if card := hears(p, conn, wire.GroupUpdated); card.GroupChatID != g.ID || card.Name != "Choir & friends" || card.MemberCount != 3 {
			t.Errorf("%s heard of the group %+v", p.name, card)
		}
	}
	sent := ask[wire.Sent](ann, a, "send_message", wire.NewMessage{GroupChatID: g.ID, Content: "hello", TempID: "t1"})
	for p, conn := range map[*person]*testkit.Conn{ann: second, bob: b, cay: c} {
		m := hears(p, conn, wire.GroupMessageNew)
		if m.ID != sent.MessageID || m.GroupChat == nil || *m.GroupChat != g.ID || m.Recipient != (wire.Person{}) || m.Content != "hello" || m.Sender.ID != ann.id {
			t.Errorf("%s heard %+v", p.name, m)
		}
		if named := m.TempID == "t1"; named != (p == ann) {
			t.Errorf("%s heard the name %q", p.name, m.TempID)
		}
	}
	if again := ask[wire.Sent](ann, a, "send_message", wire.NewMessage{GroupChatID: g.ID, Content: "hello", TempID: "t1"}); !again.Duplicate || again.MessageID != sent.MessageID {
		t.Errorf("the repeat was acknowledged with %+v", again)
	}

	answer, _, err := bob.rest.PostMessage(w.ctx(), wire.PostedMessage{GroupChatID: g.ID, Content: "hi ann", ReplyTo: sent.MessageID})
	if err != nil {
		t.Fatal(err)
	}
	if answer.ReplyTo == nil || *answer.ReplyTo != sent.MessageID || answer.Quote == nil || answer.Quote.Content != "hello" || answer.Quote.Sender.ID != ann.id {
		t.Errorf("the answer %+v", answer)
	}
	hears(cay, c, wire.GroupMessageNew)
	if row := cay.seat(g.ID); row.UnreadCount != 2 || row.LastMessage == nil || row.LastMessage.ID != answer.ID || len(row.Members) != 3 || len(row.Admins) != 1 || row.Creator.ID != ann.id {
		t.Errorf("cay has the group %+v", row)
	}
	counts := read[wire.Unread](t, cay.do(http.StatusOK, "GET", "/api/messages/unread/counts", nil))
	if counts.TotalUnread != 2 || len(counts.UnreadByGroup) != 1 || counts.UnreadByGroup[0].Count != 2 || len(counts.UnreadByUser) != 0 {
		t.Errorf("cay's counts %+v", counts)
	}

	if got := ask[wire.Noted](cay, c, "conversation:read", wire.ReadUpTo{GroupChatID: g.ID, LastReadMessageID: answer.ID}); !got.Success {
		t.Errorf("reading was acknowledged with %+v", got)
	}
	if told := hears(bob, b, wire.GroupMessageWasRead); told.UserID != cay.id || told.MessageID != answer.ID || told.GroupChatID != g.ID {
		t.Errorf("bob heard %+v", told)
	}
	if row := cay.seat(g.ID); row.UnreadCount != 0 || row.LastReadMessageID == nil || *row.LastReadMessageID != answer.ID {
		t.Errorf("after reading cay has %+v", row)
	}
	thread := bob.groupThread(g.ID)
	if len(thread) != 2 || thread[1].ReadCount != 1 || len(thread[1].ReadBy) != 1 || thread[1].ReadBy[0].User.ID != cay.id || thread[1].ReadBy[0].ReadAt.IsZero() {
		t.Errorf("bob reads %+v", thread)
	}

	path := "/api/messages/" + sent.MessageID.String()
	cay.do(http.StatusOK, "POST", path+"/react", wire.Emoji{Emoji: "👍"})
	if told := hears(ann, second, wire.MessageReacted); told.UserID != cay.id || told.Emoji != "👍" || told.Removed || told.GroupChatID != g.ID {
		t.Errorf("ann heard of the reaction %+v", told)
	}
	ann.do(http.StatusOK, "PUT", path, wire.EditedContent{Content: "hello all"})
	if m := hears(cay, c, wire.GroupMessageEdited); m.Content != "hello all" || m.MessageID == nil || *m.MessageID != sent.MessageID || m.GroupChatID == nil || *m.GroupChatID != g.ID {
		t.Errorf("cay heard of the edit %+v", m)
	}
	if old := read[[]wire.MessageVersion](t, ann.do(http.StatusOK, "GET", path+"/history", nil)); len(old) != 1 || old[0].Content != "hello" {
		t.Errorf("the history is %+v", old)
	}
	bob.do(http.StatusForbidden, "GET", path+"/history", nil)
	ann.do(http.StatusOK, "DELETE", path+"?deleteForAll=true", nil)
	if gone := hears(bob, b, wire.GroupMessageGone); gone.MessageID != sent.MessageID || !gone.DeleteForAll || gone.GroupChatID != g.ID {
		t.Errorf("bob heard of the deletion %+v", gone)
	}
	if thread := cay.groupThread(g.ID); len(thread) != 2 || !thread[0].IsDeleted || thread[1].Quote == nil || !thread[1].Quote.IsDeleted || thread[1].Quote.Content != "" {
		t.Errorf("cay reads %+v", thread)
	}
}

// Former clients know nothing of groups but their list: no event of theirs tells of one, and a
// message to a person has no field that it had not.
func TestFormerClientsAreToldNothingOfGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	ann.post(bob, "direct")
	before, _ := bob.row(ann)
	b := bob.connect()
	g := found("choir", ann, bob)
	m := ann.tell(g.ID, "to the group")
	bob.do(http.StatusOK, "PUT", "/api/messages/"+m.ID.String()+"/read", nil)
	ann.do(http.StatusOK, "PUT", "/api/messages/"+m.ID.String(), wire.EditedContent{Content: "changed"})
	ann.do(http.StatusOK, "DELETE", "/api/messages/"+m.ID.String()+"?deleteForAll=true", nil)
	ann.post(bob, "after")

	for _, name := range bob.namesUpTo(b, "message:new") {
		former := strings.HasPrefix(name, "message:") && name != wire.MessageWasRead.Name() && name != wire.MessageArrived.Name()
		if former {
			t.Errorf("bob heard %s of the group", name)
		}
	}
	after, _ := bob.row(ann)
	if list, err := bob.rest.Conversations(w.ctx()); err != nil || len(list) != 1 {
		t.Errorf("bob's conversations are %+v, %v", list, err)
	}
	if after.UnreadCount != before.UnreadCount+1 || after.LastMessage.Content != "after" {
		t.Errorf("bob's row is %+v, was %+v", after, before)
	}
	raw := read[[]map[string]any](t, bob.do(http.StatusOK, "GET", "/api/messages/"+ann.id.String(), nil))
	for _, row := range raw {
		for field := range row {
			if !slices.Contains(formerFields, field) {
				t.Errorf("a message to a person has %s", field)
			}
		}
	}
}

// formerFields are those of a message to a person that is neither edited nor deleted.
var formerFields = []string{
	"_id", "seq", "sender", "recipient", "groupChat", "content", "attachment", "read", "readBy", "deliveredTo", "edited", "reactions",
	"isDeletedForAll", "deletedFor", "createdAt", "__v",
}

func TestCVE2026_2458WhoIsOutOfAGroupIsOutOfEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob, cay := w.signUp(), w.signUp(), w.signUp()
	g := found("choir", ann, bob, cay)
	m := ann.tell(g.ID, "rehearsal at seven")
	c := cay.connect()
	offset := read[wire.Sync](t, cay.do(http.StatusOK, "GET", "/api/sync?since=0", nil)).Seq

	cay.do(http.StatusForbidden, "POST", groupPath(g.ID)+"/remove-member", wire.GroupMemberRef{MemberID: bob.id})
	ann.do(http.StatusOK, "POST", groupPath(g.ID)+"/remove-member", wire.GroupMemberRef{MemberID: cay.id})

	if told := hears(cay, c, wire.GroupLeftBehind); told.GroupChatID != g.ID {
		t.Errorf("cay heard %+v", told)
	}
	ann.tell(g.ID, "without cay")
	ann.post(cay, "direct")
	if heard := cay.namesUpTo(c, "message:new"); slices.Contains(heard, wire.GroupMessageNew.Name()) {
		t.Errorf("cay heard %q", heard)
	}
	if got := ask[wire.Failure](cay, c, "send_message", wire.NewMessage{GroupChatID: g.ID, Content: "let me in"}); got.Code != "NOT_A_MEMBER" && got.Code != "GROUP_NOT_FOUND" {
		t.Errorf("cay's message was answered with %+v", got)
	}
	message := "/api/messages/" + m.ID.String()
	for _, tt := range []struct {
		method, path string
		body         any
	}{
		{"GET", groupPath(g.ID), nil}, {"PUT", groupPath(g.ID), wire.GroupChange{}}, {"POST", groupPath(g.ID) + "/leave", nil},
		{"POST", groupPath(g.ID) + "/archive", nil}, {"POST", groupPath(g.ID) + "/mark-unread", nil}, {"DELETE", groupPath(g.ID) + "/messages", nil},
		{"PUT", groupPath(g.ID) + "/last-read", wire.LastRead{MessageID: m.ID}}, {"PUT", groupPath(g.ID) + "/draft", wire.DraftText{Text: "x"}},
		{"GET", "/api/messages/group/" + g.ID.String(), nil}, {"GET", "/api/messages/group/" + g.ID.String() + "/media", nil},
		{"POST", "/api/messages", wire.PostedMessage{GroupChatID: g.ID, Content: "x"}},
		{"POST", message + "/react", wire.Emoji{Emoji: "👍"}}, {"PUT", message + "/read", nil}, {"PUT", message + "/delivered", nil},
		{"PUT", message, wire.EditedContent{Content: "x"}}, {"DELETE", message, nil}, {"GET", message + "/history", nil},
	} {
		got, err := cay.rest.Do(w.ctx(), tt.method, tt.path, tt.body)
		if err != nil || got.Status != http.StatusForbidden && got.Status != http.StatusNotFound {
			t.Errorf("%s %s answered %d %s, %v", tt.method, tt.path, got.Status, got.Body, err)
		}
	}
	if list := cay.groups(); len(list) != 0 {
		t.Errorf("cay's groups are %+v", list)
	}
	sync := read[wire.Sync](t, cay.do(http.StatusOK, "GET", "/api/sync?since="+offset.String(), nil))
	if !slices.Equal(sync.GroupsLeft, []id.Group{g.ID}) || len(sync.Messages) != 1 || sync.Messages[0].Content != "direct" || len(sync.Groups) != 0 || sync.Counts.Messages != 1 {
		t.Errorf("cay's sync is %+v", sync)
	}
	if found := read[[]wire.Message](t, cay.do(http.StatusOK, "GET", "/api/messages/search?q=rehearsal", nil)); len(found) != 0 {
		t.Errorf("cay finds %+v", found)
	}
}

func TestWhatWasMissedInAGroupIsToldOnComingBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := start(t, dir, nil)
	ann, bob, cay := w.signUp(), w.signUp(), w.signUp()
	g := found("choir", ann, bob, cay)
	b := bob.connect()
	edited, gone := ann.tell(g.ID, "draft"), ann.tell(g.ID, "gone")
	bob.await(b, "group:message_new")
	at := place{b.PID(), bob.await(b, "group:message_new").Offset()}
	b.Close()
	ann.tell(g.ID, "one")
	ann.do(http.StatusOK, "PUT", "/api/messages/"+edited.ID.String(), wire.EditedContent{Content: "final"})
	bob.tell(g.ID, "mine")
	ann.do(http.StatusOK, "DELETE", "/api/messages/"+gone.ID.String()+"?deleteForAll=true", nil)
	name := "Choir of the town"
	ann.do(http.StatusOK, "PUT", groupPath(g.ID), wire.GroupChange{Name: &name})
	want := []string{
		"group:message_new one", "group:message_edited final", "group:message_new mine", "group:message_deleted", "group:updated",
	}

	for _, again := range []string{"at once", "after a restart"} {
		if again == "after a restart" {
			if err := w.stop(); err != nil {
				t.Fatal(err)
			}
			w = start(t, dir, nil)
			ann, bob, cay = ann.at(w), bob.at(w), cay.at(w)
		}
		c, before := bob.back(at)
		if got := groupLines(t, before, at.offset); !slices.Equal(got, want) || c.PID() != at.pid {
			t.Errorf("%s: told %q, recovered %v; want %q", again, got, c.PID() == at.pid, want)
		}
		c.Close()
	}

	ann.do(http.StatusOK, "POST", groupPath(g.ID)+"/remove-member", wire.GroupMemberRef{MemberID: bob.id})
	ann.tell(g.ID, "without bob")
	c, before := bob.back(at)
	if got := groupLines(t, before, at.offset); !slices.Equal(got, []string{"group:removed"}) || c.PID() != at.pid {
		t.Errorf("after the removal: told %q, recovered %v", got, c.PID() == at.pid)
	}
}

// groupLines are events as text, receipts left out.
func groupLines(t *testing.T, events []testkit.Event, last string) []string {
	t.Helper()
	out := lines(t, events, last)
	for i, e := range events {
		if e.Name == wire.GroupMessageNew.Name() || e.Name == wire.GroupMessageEdited.Name() {
			out[i] += " " + decode[wire.Message](t, e.Payload()).Content
		}
	}
	return slices.DeleteFunc(out, func(line string) bool {
		return line == wire.MessageWasRead.Name() || line == wire.GroupMessageWasRead.Name() || line == wire.MessageArrived.Name()
	})
}

func TestNobodyIsPutIntoAGroupAcrossABlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob, cay := w.signUp(), w.signUp(), w.signUp()
	bob.block(ann)
	got, err := ann.rest.Do(w.ctx(), "POST", "/api/groupchats/create", wire.NewGroup{Name: "choir", MemberIDs: []id.User{bob.id, cay.id}})
	if err != nil || got.Status != http.StatusForbidden {
		t.Errorf("founding answered %d %s, %v", got.Status, got.Body, err)
	}
	if list := cay.groups(); len(list) != 0 {
		t.Errorf("cay is in %+v", list)
	}
	g := found("choir", ann, cay)
	got, err = ann.rest.Do(w.ctx(), "POST", groupPath(g.ID)+"/add-members", wire.GroupMembers{MemberIDs: []id.User{bob.id}})
	if err != nil || got.Status != http.StatusForbidden {
		t.Errorf("adding answered %d %s, %v", got.Status, got.Body, err)
	}
	if seat := ann.seat(g.ID); len(seat.Members) != 2 {
		t.Errorf("in the group are %+v", seat.Members)
	}
}

func TestAGroupIsLedByItsAdmins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob, cay := w.signUp(), w.signUp(), w.signUp()
	g := found("choir", ann, bob)
	name := "band"
	bob.do(http.StatusForbidden, "PUT", groupPath(g.ID), wire.GroupChange{Name: &name})
	bob.do(http.StatusForbidden, "POST", groupPath(g.ID)+"/add-members", wire.GroupMembers{MemberIDs: []id.User{cay.id}})
	bob.do(http.StatusForbidden, "POST", groupPath(g.ID)+"/admins", wire.GroupMemberRef{MemberID: bob.id})

	ann.do(http.StatusOK, "POST", groupPath(g.ID)+"/admins", wire.GroupMemberRef{MemberID: bob.id})
	c := cay.connect()
	bob.do(http.StatusOK, "POST", groupPath(g.ID)+"/add-members", wire.GroupMembers{MemberIDs: []id.User{cay.id}})
	if card := hears(cay, c, wire.GroupUpdated); card.GroupChatID != g.ID || card.MemberCount != 3 {
		t.Errorf("cay heard %+v", card)
	}
	if out := read[wire.Group](t, bob.do(http.StatusOK, "PUT", groupPath(g.ID), wire.GroupChange{Name: &name})); out.Name != "band" || len(out.Members) != 3 || len(out.Admins) != 2 {
		t.Errorf("the group is %+v", out)
	}
	bob.do(http.StatusOK, "DELETE", groupPath(g.ID)+"/admins/"+ann.id.String(), nil)
	ann.do(http.StatusForbidden, "PUT", groupPath(g.ID), wire.GroupChange{Name: &name})

	for _, p := range []*person{ann, bob, cay} {
		if left := read[wire.GroupLeft](t, p.do(http.StatusOK, "POST", groupPath(g.ID)+"/leave", nil)); left.Message == "" {
			t.Errorf("%s left with %+v", p.name, left)
		}
		if list := p.groups(); len(list) != 0 {
			t.Errorf("%s is in %+v", p.name, list)
		}
	}
	hears(cay, c, wire.GroupLeftBehind)
	cay.do(http.StatusNotFound, "GET", groupPath(g.ID), nil)
}

func TestAMemberSetsAGroupForThemselvesAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	g := found("choir", ann, bob)
	m := ann.tell(g.ID, "hello")
	hours := 8.0
	for _, tt := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/archive", nil}, {"POST", "/mute", wire.Muting{Duration: &hours}}, {"POST", "/mark-unread", nil},
	} {
		changed := read[wire.ConversationChanged](t, bob.do(http.StatusOK, tt.method, groupPath(g.ID)+tt.path, tt.body))
		if cv := changed.Conversation; cv == nil || cv.GroupChat == nil || *cv.GroupChat != g.ID || !strings.HasPrefix(changed.Message, "Group chat ") {
			t.Errorf("%s answered %+v", tt.path, changed)
		}
	}
	if row := bob.groups()[0]; !row.Archived || !row.Muted || row.MutedUntil == nil || !row.ManuallyUnread {
		t.Errorf("bob has %+v", row)
	}
	if row := ann.groups()[0]; row.Archived || row.Muted || row.ManuallyUnread {
		t.Errorf("ann has %+v", row)
	}
	bob.do(http.StatusOK, "POST", groupPath(g.ID)+"/unarchive", nil)
	bob.do(http.StatusOK, "POST", groupPath(g.ID)+"/unmute", nil)
	bob.do(http.StatusOK, "DELETE", groupPath(g.ID)+"/mark-unread", nil)
	bob.do(http.StatusOK, "PUT", groupPath(g.ID)+"/last-read", wire.LastRead{MessageID: m.ID})
	if row := bob.groups()[0]; row.Archived || row.Muted || row.ManuallyUnread || row.UnreadCount != 0 {
		t.Errorf("bob has %+v", row)
	}
	bob.do(http.StatusOK, "DELETE", groupPath(g.ID)+"/messages", nil)
	if mine, theirs := bob.groupThread(g.ID), ann.groupThread(g.ID); len(mine) != 0 || len(theirs) != 1 {
		t.Errorf("bob reads %d messages, ann %d", len(mine), len(theirs))
	}
}

func TestDraftsAreKeptForOnesOtherDevices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	g := found("choir", ann, bob)
	m := bob.post(ann, "hello")
	phone := ann.connect()

	ann.do(http.StatusOK, "PUT", ann.conversation(bob)+"/draft", wire.DraftText{Text: "I meant", ReplyTo: m.ID})
	if told := hears(ann, phone, wire.DraftChanged); told.ConversationWith != bob.id || told.Text != "I meant" || told.ReplyTo == nil || *told.ReplyTo != m.ID {
		t.Errorf("the phone heard %+v", told)
	}
	ann.do(http.StatusOK, "PUT", groupPath(g.ID)+"/draft", wire.DraftText{Text: "to all"})
	drafts := read[[]wire.SavedDraft](t, ann.do(http.StatusOK, "GET", "/api/messages/drafts", nil))
	if len(drafts) != 2 || drafts[0].GroupChatID != g.ID || drafts[1].ConversationWith != bob.id {
		t.Errorf("kept are %+v", drafts)
	}
	ann.do(http.StatusOK, "PUT", ann.conversation(bob)+"/draft", wire.DraftText{})
	drafts = read[[]wire.SavedDraft](t, ann.do(http.StatusOK, "GET", "/api/messages/drafts", nil))
	if len(drafts) != 1 || drafts[0].Text != "to all" {
		t.Errorf("kept are %+v", drafts)
	}
	if theirs := read[[]wire.SavedDraft](t, bob.do(http.StatusOK, "GET", "/api/messages/drafts", nil)); len(theirs) != 0 {
		t.Errorf("bob sees %+v", theirs)
	}
}

func TestReactionsVoiceNotesAndWarningsReachBoth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp(), w.signUp()
	a, b := ann.connect(), bob.connect()

	sent := ask[wire.Sent](ann, a, "send_message", wire.Raw(`{"recipientId":"`+bob.id.String()+
		`","content":"","voiceNote":{"url":"https://cdn.example.com/v.webm","duration":4.5},"contentWarning":"singing","_tempId":"v1"}`))
	m := hears(bob, b, wire.MessageNew)
	if m.ID != sent.MessageID || m.VoiceNote == nil || m.VoiceNote.Duration != 4.5 || m.VoiceNote.URL != "https://cdn.example.com/v.webm" || m.ContentWarning == nil || *m.ContentWarning != "singing" {
		t.Errorf("bob heard %+v", m)
	}
	path := "/api/messages/" + m.ID.String() + "/react"
	for range 2 { // the second changes nothing
		if out := read[wire.Message](t, bob.do(http.StatusOK, "POST", path, wire.Emoji{Emoji: "🎶"})); len(out.Reactions) != 1 || out.Reactions[0].User != bob.id {
			t.Errorf("reacting answered %+v", out)
		}
	}
	bob.do(http.StatusOK, "DELETE", path, wire.Emoji{Emoji: "🎶"})
	want := wire.MessageReaction{MessageID: m.ID, UserID: bob.id, Emoji: "🎶"}
	for _, removed := range []bool{false, true} {
		want.Removed = removed
		for p, c := range map[*person]*testkit.Conn{ann: a, bob: b} {
			if told := hears(p, c, wire.MessageReacted); told != want {
				t.Errorf("%s heard %+v, want %+v", p.name, told, want)
			}
		}
	}
}
