package wire

import "pryde/internal/id"

// Events that the server sends.
var (
	RoomJoinedEvent = toClient[RoomJoined]("room:joined", "You are in the room of your user; events for you arrive from now on.")
	RoomErrorEvent  = toClient[Failure]("room:error", "You asked to join a room that is not yours.")
	OnlineUsers     = toClient[[]id.User]("online_users", "Who is online, as far as you may know.")
	PresenceChanged = volatile[PresenceUpdate]("presence:update", "Somebody came or went.")
	UserOnline      = volatile[UserRef]("user_online", "Somebody came; the former name.")
	UserOffline     = volatile[UserRef]("user_offline", "Somebody went; the former name.")
	LoungeCount     = volatile[OnlineCount]("global_chat:online_count", "How many people are online.")
	LimitReached    = toClient[ConnectionLimit]("connection_limit", "You have too many sockets; this one is closed.")
	LogoutForced    = toClient[ForceLogout]("force_logout", "Your session is over; this socket is closed.")
	PongEvent       = toClient[Pong]("pong", "Answers a ping that asked for no acknowledgement.")

	MessageNew          = durable[Message]("message:new", "A message arrived for you.")
	MessageSent         = durable[Message]("message:sent", "Your message is stored; _tempId is the name that you gave it.")
	MessageEdited       = durable[Message]("message:edited", "The text of a message changed.")
	MessageGone         = durable[MessageDeleted]("message:deleted", "A message was deleted.")
	MessageWasRead      = durable[MessageRead]("message:read", "A message was read.")
	MessageArrived      = durable[MessageDelivered]("message:delivered", "A message, and those before it, reached a device of their recipient.")
	ConversationWasRead = durable[ConversationRead]("conversation:read", "Somebody has read a conversation up to a message.")
	MessageReacted      = durable[MessageReaction]("message:reaction", "Somebody reacted to a message, or took that back.")
	MessageFailed       = toClient[Failure]("message:error", "Your message was refused.")
	DraftChanged        = toClient[SavedDraft]("draft:changed", "Another device of yours kept what you have written, or threw it away.")

	GroupMessageNew     = durable[Message]("group:message_new", "A message arrived in a group, or yours is stored there; _tempId is the name that you gave it.")
	GroupMessageEdited  = durable[Message]("group:message_edited", "The text of a message in a group changed.")
	GroupMessageGone    = durable[GroupMessageDeleted]("group:message_deleted", "A message in a group was deleted.")
	GroupMessageWasRead = durable[GroupMessageRead]("group:message_read", "A member has read a message in a group, and those before it.")
	GroupUpdated        = durable[GroupCard]("group:updated", "A group is other than it was, or you are in it now.")
	GroupLeftBehind     = durable[GroupRemoved]("group:removed", "You are no longer in a group, or there is none any more.")

	TypingShown      = volatile[Typing]("typing", "Somebody is writing to you, or has stopped.")
	UserTypingShown  = volatile[Typing]("user_typing", "The same; the former name.")
	GroupTypingShown = volatile[GroupTyping]("group:typing", "Somebody is writing in a group, or has stopped.")
)

// Events that a client sends.
var (
	SendMessage    = toServer[NewMessage, Sent]("send_message", "Send a message to a person or a group.", failsAs(MessageFailed), counts(sending...))
	SayDelivered   = toServer[MessageRef, Noted]("message:delivered", "Say that a message, and those before it, reached this device.", counts(receipts))
	SayRead        = toServer[ReadUpTo, Noted]("conversation:read", "Say how far you have read in a conversation.", counts(receipts))
	SayTyping      = toServer[Typed, None]("typing", "Say that you are writing to a person or in a group. It ends by itself after 3 s.")
	Ping           = toServer[Raw, Pong]("ping", "Ask whether the connection lives.", answersAs(PongEvent))
	EchoBack       = toServer[Raw, Echo]("echo", "Get back what you sent.")
	Join           = toServer[JoinRoom, None]("join", "Join the room of your user again; room:joined answers.", failsAs(RoomErrorEvent))
	GetOnlineUsers = toServer[Raw, None]("get_online_users", "Ask for online_users; room:joined comes along.")
)
