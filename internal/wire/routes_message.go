package wire

import (
	"net/http"

	"pryde/internal/limit"
)

// Routes of messages.
var (
	PostMessage = route[PostedMessage, Message](http.MethodPost, "/api/messages", Bearer, "Send a message to a person or a group. A repeat of an attempt answers 200 with the first message.", created, limitedOnly(sending...),
		header("Idempotency-Key", "The client's own name for the attempt, like _tempId."))
	GetConversations = route[None, []Conversation](http.MethodGet, "/api/messages/conversations", Bearer, "Your conversations, newest first.",
		also("/api/messages/list", "/api/messages"), paged)
	GetUnread     = route[None, Unread](http.MethodGet, "/api/messages/unread/counts", Bearer, "How many messages are unread.")
	GetMessages   = route[None, []Message](http.MethodGet, "/api/messages/{userId}", Bearer, "The messages with one person, oldest first.", paged)
	PutMessage    = route[EditedContent, Message](http.MethodPut, "/api/messages/{id}", Bearer, "Change the text of your message.")
	PutRead       = route[None, Message](http.MethodPut, "/api/messages/{id}/read", Bearer, "Say that you have read a message, and those before it.", limitedOnly(receipts))
	DeleteMessage = route[None, Deleted](http.MethodDelete, "/api/messages/{id}", Bearer, "Delete a message for yourself, or for everyone.",
		query("deleteForAll", "true: for everyone; only the sender may."))
	PutDelivered = route[None, Message](http.MethodPut, "/api/messages/{id}/delivered", Bearer, "Say that a message, and those before it, reached your device.", limitedOnly(receipts))
	GetMedia     = route[None, Media](http.MethodGet, "/api/messages/{userId}/media", Bearer, "The attachments in the messages with one person, newest first.",
		query("limit", "How many rows; 50 by default, at most 100."),
		query("skip", "How many of the newest to leave out."))
	PostReaction   = route[Emoji, Message](http.MethodPost, "/api/messages/{id}/react", Bearer, "React to a message. The same emoji again changes nothing.", limited(reactions))
	DeleteReaction = route[Emoji, Message](http.MethodDelete, "/api/messages/{id}/react", Bearer, "Take a reaction back.", limited(reactions))
	GetHistory     = route[None, []MessageVersion](http.MethodGet, "/api/messages/{id}/history", Bearer, "The earlier texts of your message, oldest first; at most 20.")
	GetFound       = route[None, []Message](http.MethodGet, "/api/messages/search", Bearer, "Your messages that contain every word of a text, newest first. X-Search-Complete: false says that the oldest have not been looked through yet.", limited(Budget{limit.SearchMessages, PerUser}), paged,
		query("q", "The words, without regard to case."))
	GetDrafts = route[None, []SavedDraft](http.MethodGet, "/api/messages/drafts", Bearer, "What you have written and not sent, newest first.")
	PutDraft  = route[DraftText, SavedDraft](http.MethodPut, "/api/messages/conversations/{userId}/draft", Bearer, "Keep what you have written to a person and not sent.", limitedOnly(drafts))
	GetSync   = route[None, Sync](http.MethodGet, "/api/sync", Bearer, "What changed for you after an offset.",
		query("since", "The offset of any durable event, the seq of the last answer, or 0."))
)

// Routes of what a person sets for the conversation with another.
var (
	PostArchive      = route[None, ConversationChanged](http.MethodPost, "/api/messages/conversations/{userId}/archive", Bearer, "Archive a conversation.")
	PostUnarchive    = route[None, ConversationChanged](http.MethodPost, "/api/messages/conversations/{userId}/unarchive", Bearer, "Take a conversation out of the archive.")
	PostMute         = route[Muting, ConversationMuted](http.MethodPost, "/api/messages/conversations/{userId}/mute", Bearer, "Get no notices of a conversation. The body may be left out.")
	PostUnmute       = route[None, ConversationChanged](http.MethodPost, "/api/messages/conversations/{userId}/unmute", Bearer, "Get notices of a conversation again.")
	PostMarkUnread   = route[None, ConversationChanged](http.MethodPost, "/api/messages/conversations/{userId}/mark-unread", Bearer, "Mark a conversation as unread.")
	DeleteMarkUnread = route[None, ConversationMarkedRead](http.MethodDelete, "/api/messages/conversations/{userId}/mark-unread", Bearer, "Take that mark away.")
	PutLastRead      = route[LastRead, LastReadUpdated](http.MethodPut, "/api/messages/conversations/{userId}/last-read", Bearer, "Say how far you have read in a conversation.", limitedOnly(receipts))
	DeleteThread     = route[None, ConversationDeleted](http.MethodDelete, "/api/messages/conversations/{userId}", Bearer, "Delete a conversation for yourself: what is in it now is gone for you, not for the other person.")
)
