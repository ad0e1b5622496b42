package app_test

import (
	"cmp"
	"slices"
	"strings"

	"pryde/internal/former"
	"pryde/internal/seal"
)

// An oldRoute says how our answers compare with those of the former system.
type oldRoute struct {
	prefix string
	query  string // what we are asked besides

	// right corrects the former answer where it is wrong.
	right func(o *oldTruth, u string, former oldAnswer) oldAnswer
	// differ are the differences that are meant.
	differ []meant

	sorted []string // lists whose order is free

	later  string // the issue that brings the route; "" where it is there
	status int    // what is answered until then
}

// A meant difference is one that has its reason.
type meant struct {
	path   string // of a difference; what ends in .* stands for all fields
	what   string // "added", "left out" or "changed"
	reason string
}

func (r oldRoute) allows(d difference) bool {
	what := changed
	if d.want == "" {
		what = added
	} else if d.got == "" {
		what = leftOut
	}
	return slices.ContainsFunc(r.differ, func(m meant) bool {
		field, all := strings.CutSuffix(m.path, "*")
		return m.what == what && (m.path == d.path || all && strings.HasPrefix(d.path, field) && !strings.Contains(d.path[len(field):], "."))
	})
}

// oldRoutes are the requests of which the former system's answers are known; the first that fits
// counts.
var oldRoutes = []oldRoute{
	{prefix: "/api/messages/group/", query: "?limit=100", right: rightGroupThread, differ: slices.Concat(messageDiffers("[]."), groupMessageDiffers, failureDiffers)},
	{prefix: "/api/groupchats", right: rightGroups, differ: slices.Concat(messageDiffers("[].lastMessage."), groupDiffers)},
	{prefix: "/api/global-chat/", later: liveHouse, status: 404},
	{prefix: "/api/friends", later: liveHouse, status: 404},
	{prefix: "/api/follow/", later: liveHouse, status: 404},
	{prefix: "/api/notifications", later: "Notifications and web push", status: 404},

	{prefix: "/api/messages/list", query: "?limit=100", right: rightList, differ: slices.Concat(messageDiffers("[].lastMessage."), []meant{
		{"[].peerLastReadMessageId", added, "how far the other person has read"},
		{"[].peerLastDeliveredMessageId", added, "how far messages have reached the other person"},
		{"[].archived", added, "the former list did not say"},
		{"[].muted", added, "the former list did not say"},
		{"[].mutedUntil", added, "the former list did not say"},
	})},
	{prefix: "/api/messages/unread/counts", right: rightCounts, sorted: []string{"unreadByUser", "unreadByGroup"}},
	{prefix: "/api/messages/", query: "?limit=100", right: rightThread, differ: slices.Concat(messageDiffers("[]."), failureDiffers)},
	{prefix: "/api/auth/me", right: rightMe, differ: meDiffers},
	{prefix: "/api/blocks", right: asItIs, differ: []meant{
		{"[].reason", added, "always there"},
		{"[].blocked", changed, "who is gone keeps their id"},
		{"[].blocked.username", changed, "who is deleted has no name"},
		{"[].blocked.displayName", changed, "who is deleted has no name"},
		{"[].blocked.id", leftOut, "the same as _id"},
		{"[].__v", leftOut, "of the former database library"},
	}},
	{prefix: "/api/users/", right: rightProfile, differ: slices.Concat(failureDiffers, []meant{
		{"id", added, "the same as _id"},
		{"*", leftOut, "nobody learns of another what they need not: addresses, secrets, sessions, settings, moderation"},
		{"followers.length", changed, "follows are counted by " + liveHouse},
		{"following.length", changed, "follows are counted by " + liveHouse},
	})},
}

// What is different.
const (
	added   = "added"
	leftOut = "left out"
	changed = "changed"
)

const liveHouse = "The live house: lounge, presence, typing, friends"

// failureDiffers are differences of every refusal.
var failureDiffers = []meant{{"code", added, "for programs"}}

// messageDiffers are differences of a message at a path.
func messageDiffers(at string) []meant {
	return []meant{
		{at + "seq", added, "the place in its conversation"},
		{at + "reactions[]._id", leftOut, "of the former database library"},
		{at + "deletedFor", changed, "whether the other person deleted it for themselves is theirs"},
		{at + "deliveredTo", changed, "in direct messages marks say it, not lists"},
		// What an old document lacks is filled in.
		{at + "readBy", added, "always there"},
		{at + "deliveredTo", added, "always there"},
		{at + "deletedFor", added, "always there"},
		{at + "reactions", added, "always there"},
		{at + "edited", added, "always there"},
		{at + "isDeletedForAll", added, "always there"},
		{at + "groupChat", added, "always there"},
		{at + "attachment", added, "always there"},
	}
}

func asItIs(_ *oldTruth, _ string, former oldAnswer) oldAnswer { return former }

// rightThread has the texts as they are, names the people who are gone, and takes what does not
// say whether it was read for read.
func rightThread(o *oldTruth, _ string, former oldAnswer) oldAnswer {
	rows, ok := former.Body.([]any)
	if !ok {
		return former
	}
	for _, row := range rows {
		row := row.(map[string]any)
		m := o.byID[row["_id"].(string)]
		row["content"], row["read"] = o.content(m), m.wasRead()
		for side, u := range map[string]*oid{"sender": m.Sender, "recipient": m.Recipient} {
			person, known := row[side].(map[string]any)
			if !known {
				row[side] = o.person(u.Hex)
				continue
			}
			person["displayName"] = o.people[u.Hex].shown() // names are shown beside messages
		}
	}
	slices.SortStableFunc(rows, func(a, b any) int {
		return cmp.Or(cmp.Compare(str(a, "createdAt"), str(b, "createdAt")), cmp.Compare(str(a, "_id"), str(b, "_id")))
	})
	return former
}

func str(row any, field string) string {
	s, _ := row.(map[string]any)[field].(string)
	return s
}

// rightList has a row for everybody with whom a person has messages that they see.
func rightList(o *oldTruth, u string, former oldAnswer) oldAnswer {
	known := map[string]map[string]any{}
	if rows, ok := former.Body.([]any); ok {
		for _, row := range rows {
			known[str(row, "_id")] = row.(map[string]any)
		}
	}
	rows := []any{}
	for _, peer := range o.peers(u) {
		seen := o.with(u, peer)
		if len(seen) == 0 {
			continue
		}
		row := known[peer]
		if row == nil {
			row = map[string]any{"_id": peer, "otherUser": o.other(peer)}
		}
		last := seen[len(seen)-1]
		if l, ok := row["lastMessage"].(map[string]any); !ok || l["_id"] != last.ID.Hex {
			row["lastMessage"] = o.last(last)
		} else {
			l["content"], l["read"] = o.content(last), last.wasRead()
		}
		marked, read := o.marks(u, peer)
		row["unreadCount"], row["unread"], row["manuallyUnread"], row["lastReadMessageId"] = o.unread(u, peer), o.unread(u, peer), marked, nil
		if read != nil {
			row["lastReadMessageId"] = read.ID.Hex
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b any) int {
		x, y := a.(map[string]any)["lastMessage"], b.(map[string]any)["lastMessage"]
		return cmp.Or(cmp.Compare(str(y, "createdAt"), str(x, "createdAt")), cmp.Compare(str(y, "_id"), str(x, "_id")))
	})
	return oldAnswer{former.Request, 200, rows}
}

func (o *oldTruth) other(u string) any {
	if _, known := o.people[u]; !known {
		return nil
	}
	return o.person(u)
}

// last is a message as the list shows it.
func (o *oldTruth) last(m *oldMessage) map[string]any {
	row := map[string]any{
		"_id": m.ID.Hex, "sender": m.Sender.Hex, "groupChat": nil, "content": o.content(m),
		"attachment": nil, "read": m.wasRead(), "edited": m.Edited, "isDeletedForAll": m.IsDeleted, "createdAt": m.CreatedAt.wire(),
		"readBy": []any{}, "deliveredTo": []any{}, "reactions": []any{}, "deletedFor": []any{}, "__v": 0,
	}
	if m.GroupChat != nil {
		row["groupChat"] = m.GroupChat.Hex
	} else {
		row["recipient"] = m.Recipient.Hex
	}
	if m.Attachment != nil && *m.Attachment != "" && !m.IsDeleted {
		row["attachment"] = *m.Attachment
	}
	if m.EditedAt != nil {
		row["editedAt"] = m.EditedAt.wire()
	}
	return row
}

// rightCounts counts by sender, which the former system never did, and by group.
func rightCounts(o *oldTruth, u string, former oldAnswer) oldAnswer {
	total, rows := 0, []any{}
	for _, peer := range o.peers(u) {
		if n := o.unread(u, peer); n > 0 {
			row := o.person(peer)
			delete(row, "_id")
			row["userId"], row["count"] = peer, n
			rows = append(rows, row)
			total += n
		}
	}
	groups := []any{}
	for g := range o.groups {
		if n := o.unreadIn(u, g); o.member(g, u) && n > 0 {
			groups = append(groups, map[string]any{"groupChatId": g, "count": n})
			total += n
		}
	}
	former.Body = map[string]any{"totalUnread": total, "unreadByUser": rows, "unreadByGroup": groups, "requestId": someText{}}
	return former
}

// rightMe has one's own values in the clear.
func rightMe(_ *oldTruth, _ string, former oldAnswer) oldAnswer {
	unsealed(former.Body.(map[string]any), "pronouns", "gender")
	return former
}

// meDiffers are differences of what one reads of oneself.
var meDiffers = []meant{
	{"twoFactorEnabled", added, "the page of settings reads it"},
	{"customPronouns", added, "part of the account"},
	{"customGender", added, "part of the account"},
	{"friends", leftOut, "friends are who follow each other, by " + liveHouse},
	{"badges", changed, "badges are no part of messaging"},
	{"permissions", changed, "there is no moderation yet"},
	{"preferPushTwoFactor", changed, "there is no push approval"},
	{"hasPushSubscription", changed, "pushes come with Notifications and web push"},
	{"loginAlerts.*", changed, "nobody is alerted"},
	{"loginAlerts", added, "always there"},
	{"privacySettings.*", leftOut, "settings of parts that are not there"},
	{"privacySettings", added, "always there"},
	{"session.timeoutMs", changed, "nobody is logged out for being idle"},
	{"session.timeUntilTimeout", changed, "differs on each call"},
	{"session.lastActivity", changed, "differs on each call"},
	{"showTour", changed, "never"},
	{"hasCompletedTour", changed, "there is no tour"},
	// What an account of 2023 lacks is filled in.
	{"*", added, "always there"},
	{"privacySettings.whoCanMessage", added, "always there"},
}

// rightProfile has what others may know, in the clear.
func rightProfile(_ *oldTruth, u string, former oldAnswer) oldAnswer {
	body, ok := former.Body.(map[string]any)
	for _, p := range oldProfiles {
		if p.viewer == u && strings.HasSuffix(former.Request, p.of) {
			former.Status = p.status
			body["message"] = p.message
			if p.status == 200 {
				return oldAnswer{former.Request, p.status, nil}
			}
		}
	}
	if former.Status != 200 || !ok {
		return former
	}
	body["badges"] = []any{} // no part of messaging
	unsealed(body, "pronouns")
	if body["isBanned"] == true {
		// Of somebody who is not in use others learn the name and little else.
		body["isActive"], body["bio"], body["pronouns"], body["followsYou"] = false, "", "", false
	}
	return former
}

// oldProfiles are profiles for which another refusal is right, or none.
var oldProfiles = []struct {
	viewer, of string
	status     int
	message    string
	reason     string
}{
	{oldAlice, "692d8340c4ca4238a008569d", 404, "User not found", "who is deleted is not found, blocked or not"},
	{oldAlice, "68949540c4ca4238a00856a2", 403, "This profile is only visible to followers", "who blocks looks as before, to see whom they blocked"},
	{oldOldtimer, "6a0da240c4ca4238a00856a1", 200, "", "who blocks looks as before, to see whom they blocked"},
	{oldAlice, "69ea09c0c4ca4238a008569c", 200, "", "who has deactivated their account keeps their name beside what they wrote"},
}

const (
	oldAlice    = "696e1cc0c4ca4238a0085698"
	oldBob      = "6aad27c0c4ca4238a0085699"
	oldOldtimer = "65560440c4ca4238a00856a3"
)

// filled puts what is shown where an account lacks it: the username for a display name, nothing
// for what nobody wrote.
func filled(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = filled(v[i])
		}
	case map[string]any:
		// Who is in a list of receipts has a username alone.
		if name, person := v["username"]; person && v["displayName"] == nil && len(v) > 2 {
			v["displayName"] = name
		}
		for _, field := range []string{"bio", "pronouns", "gender", "nickname", "identity"} {
			if text, there := v[field]; there && text == nil {
				v[field] = ""
			}
		}
		for field := range v {
			v[field] = filled(v[field])
		}
	}
	return v
}

// unsealed replaces values by what was encrypted.
func unsealed(body map[string]any, fields ...string) {
	var key seal.Key
	if err := key.UnmarshalText([]byte(oldSettings["MESSAGE_ENCRYPTION_KEY"])); err != nil {
		panic(err) // it is one
	}
	k := former.NewKey([former.KeySize]byte(key))
	for _, field := range fields {
		if sealed, ok := body[field].(string); ok {
			body[field] = k.Open(sealed)
		}
	}
}
