package httpapi

import (
	"context"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// Conversations are the operations behind the routes of what a person sets for a conversation.
type Conversations interface {
	Archive(ctx context.Context, who auth.Identity, with id.User) (wire.Outcome[wire.ConversationChanged], error)
	Unarchive(ctx context.Context, who auth.Identity, with id.User) (wire.Outcome[wire.ConversationChanged], error)
	Mute(ctx context.Context, who auth.Identity, with id.User, in wire.Muting) (wire.Outcome[wire.ConversationMuted], error)
	Unmute(ctx context.Context, who auth.Identity, with id.User) (wire.Outcome[wire.ConversationChanged], error)
	MarkUnread(ctx context.Context, who auth.Identity, with id.User) (wire.Outcome[wire.ConversationChanged], error)
	UnmarkUnread(ctx context.Context, who auth.Identity, with id.User) (wire.Outcome[wire.ConversationMarkedRead], error)
	ReadUpTo(ctx context.Context, who auth.Identity, in wire.ReadUpTo) (wire.Outcome[wire.LastReadUpdated], error)
	DeleteConversation(ctx context.Context, who auth.Identity, with id.User) (wire.Outcome[wire.ConversationDeleted], error)
}

// BindConversations binds the routes of what a person sets for a conversation.
func BindConversations(a *API, ops Conversations) {
	bindWith(a, wire.PostArchive, ops.Archive)
	bindWith(a, wire.PostUnarchive, ops.Unarchive)
	bindWith(a, wire.PostUnmute, ops.Unmute)
	bindWith(a, wire.PostMarkUnread, ops.MarkUnread)
	bindWith(a, wire.DeleteMarkUnread, ops.UnmarkUnread)
	bindWith(a, wire.DeleteThread, ops.DeleteConversation)
	Bind(a, wire.PostMute, func(ctx context.Context, c Call, in wire.Muting) (Answer, error) {
		with, err := param[id.User](c, "userId")
		if err != nil {
			return Answer{}, err
		}
		return outcome(ops.Mute(ctx, c.Who, with, in))
	})
	Bind(a, wire.PutLastRead, func(ctx context.Context, c Call, in wire.LastRead) (Answer, error) {
		with, err := param[id.User](c, "userId")
		if err != nil {
			return Answer{}, err
		}
		return outcome(ops.ReadUpTo(ctx, c.Who, wire.ReadUpTo{ConversationWith: with, LastReadMessageID: in.MessageID}))
	})
}

// bindWith binds a route that names the other person in its path and takes nothing else.
func bindWith[Out any](a *API, route wire.Route[wire.None, Out], op func(context.Context, auth.Identity, id.User) (wire.Outcome[Out], error)) {
	Bind(a, route, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		with, err := param[id.User](c, "userId")
		if err != nil {
			return Answer{}, err
		}
		return outcome(op(ctx, c.Who, with))
	})
}
