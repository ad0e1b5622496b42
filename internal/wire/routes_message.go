package wire

import "net/http"

// Routes of messages.
var (
	PostMessage = route[PostedMessage, Message](http.MethodPost, "/api/messages", Bearer, "Send a direct message. A repeat of an attempt answers 200 with the first message.", created,
		header("Idempotency-Key", "The client's own name for the attempt, like _tempId."))
	GetConversations = route[None, []Conversation](http.MethodGet, "/api/messages/conversations", Bearer, "Your conversations, newest first.",
		also("/api/messages/list", "/api/messages"), paged)
	GetUnread     = route[None, Unread](http.MethodGet, "/api/messages/unread/counts", Bearer, "How many messages are unread.")
	GetMessages   = route[None, []Message](http.MethodGet, "/api/messages/{userId}", Bearer, "The messages with one person, oldest first.", paged)
	PutMessage    = route[EditedContent, Message](http.MethodPut, "/api/messages/{id}", Bearer, "Change the text of your message.")
	PutRead       = route[None, Message](http.MethodPut, "/api/messages/{id}/read", Bearer, "Say that you have read a message, and those before it.")
	DeleteMessage = route[None, Deleted](http.MethodDelete, "/api/messages/{id}", Bearer, "Delete a message for yourself, or for everyone.",
		query("deleteForAll", "true: for everyone; only the sender may."))
	GetSync = route[None, Sync](http.MethodGet, "/api/sync", Bearer, "What changed for you after an offset.",
		query("since", "The offset of any durable event, the seq of the last answer, or 0."))
)
