package wire

import "net/http"

// Routes of groups.
var (
	GetGroups = route[None, []GroupRow](http.MethodGet, "/api/groupchats", Bearer, "Your groups, that with the newest message or change first.",
		query("limit", "How many rows; 50 by default, at most 100."),
		query("before", "A group id: only what is older. The next one is in the header X-Next-Cursor."))
	PostGroup        = route[NewGroup, Group](http.MethodPost, "/api/groupchats/create", Bearer, "Found a group. You are its first admin.", limited(groups))
	GetGroup         = route[None, GroupSeat](http.MethodGet, "/api/groupchats/{id}", Bearer, "A group that you are in.")
	PutGroup         = route[GroupChange, Group](http.MethodPut, "/api/groupchats/{id}", Bearer, "Change the name, the description or the picture of a group. Admins only.", limited(groups))
	PostMembers      = route[GroupMembers, Group](http.MethodPost, "/api/groupchats/{id}/add-members", Bearer, "Take people into a group. Admins only.", limited(groups))
	PostMemberGone   = route[GroupMemberRef, Group](http.MethodPost, "/api/groupchats/{id}/remove-member", Bearer, "Put somebody out of a group. Admins only.", limited(groups))
	PostGroupLeave   = route[None, GroupLeft](http.MethodPost, "/api/groupchats/{id}/leave", Bearer, "Leave a group. It is deleted with its last member.", limited(groups))
	PostAdmin        = route[GroupMemberRef, Group](http.MethodPost, "/api/groupchats/{id}/admins", Bearer, "Make a member an admin. Admins only.", limited(groups))
	DeleteAdmin      = route[None, Group](http.MethodDelete, "/api/groupchats/{id}/admins/{userId}", Bearer, "Take that back. Admins only; one stays.", limited(groups))
	GetGroupMessages = route[None, []Message](http.MethodGet, "/api/messages/group/{groupId}", Bearer, "The messages in a group, oldest first.", paged)
	GetGroupMedia    = route[None, Media](http.MethodGet, "/api/messages/group/{groupId}/media", Bearer, "The attachments in the messages of a group, newest first.",
		query("limit", "How many rows; 50 by default, at most 100."),
		query("skip", "How many of the newest to leave out."))
)

// Routes of what a member sets for a group.
var (
	PostGroupArchive      = route[None, ConversationChanged](http.MethodPost, "/api/groupchats/{id}/archive", Bearer, "Archive a group.")
	PostGroupUnarchive    = route[None, ConversationChanged](http.MethodPost, "/api/groupchats/{id}/unarchive", Bearer, "Take a group out of the archive.")
	PostGroupMute         = route[Muting, ConversationMuted](http.MethodPost, "/api/groupchats/{id}/mute", Bearer, "Get no notices of a group. The body may be left out.")
	PostGroupUnmute       = route[None, ConversationChanged](http.MethodPost, "/api/groupchats/{id}/unmute", Bearer, "Get notices of a group again.")
	PostGroupMarkUnread   = route[None, ConversationChanged](http.MethodPost, "/api/groupchats/{id}/mark-unread", Bearer, "Mark a group as unread.")
	DeleteGroupMarkUnread = route[None, ConversationMarkedRead](http.MethodDelete, "/api/groupchats/{id}/mark-unread", Bearer, "Take that mark away.")
	PutGroupLastRead      = route[LastRead, LastReadUpdated](http.MethodPut, "/api/groupchats/{id}/last-read", Bearer, "Say how far you have read in a group.", limitedOnly(receipts))
	PutGroupDraft         = route[DraftText, SavedDraft](http.MethodPut, "/api/groupchats/{id}/draft", Bearer, "Keep what you have written in a group and not sent.", limitedOnly(drafts))
	DeleteGroupMessages   = route[None, ConversationDeleted](http.MethodDelete, "/api/groupchats/{id}/messages", Bearer, "Delete every message of a group for yourself: what is in it now is gone for you, not for the others.")
)
