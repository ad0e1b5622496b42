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
	SaveDraft(ctx context.Context, who auth.Identity, in wire.NewDraft) (wire.Outcome[wire.SavedDraft], error)
	Drafts(ctx context.Context, who auth.Identity) ([]wire.SavedDraft, error)
}

// BindConversations binds the routes of what a person sets for a conversation.
func BindConversations(a *API, ops Conversations) {
	bindOf(a, wire.PostArchive, "userId", ops.Archive)
	bindOf(a, wire.PostUnarchive, "userId", ops.Unarchive)
	bindOf(a, wire.PostUnmute, "userId", ops.Unmute)
	bindOf(a, wire.PostMarkUnread, "userId", ops.MarkUnread)
	bindOf(a, wire.DeleteMarkUnread, "userId", ops.UnmarkUnread)
	bindOf(a, wire.DeleteThread, "userId", ops.DeleteConversation)
	bindTo(a, wire.PostMute, "userId", ops.Mute)
	bindTo(a, wire.PutLastRead, "userId", func(ctx context.Context, who auth.Identity, with id.User, in wire.LastRead) (wire.Outcome[wire.LastReadUpdated], error) {
		return ops.ReadUpTo(ctx, who, wire.ReadUpTo{ConversationWith: with, LastReadMessageID: in.MessageID})
	})
	bindTo(a, wire.PutDraft, "userId", func(ctx context.Context, who auth.Identity, with id.User, in wire.DraftText) (wire.Outcome[wire.SavedDraft], error) {
		return ops.SaveDraft(ctx, who, wire.NewDraft{ConversationWith: with, Text: in.Text, ReplyTo: in.ReplyTo})
	})
	Bind(a, wire.GetDrafts, func(ctx context.Context, c Call, _ wire.None) (Answer, error) {
		return plain(ops.Drafts(ctx, c.Who))
	})
}

// bindOf binds a route that names one thing in its path and takes nothing else.
func bindOf[Of id.Kinded, Out any](a *API, route wire.Route[wire.None, Out], name string, op func(context.Context, auth.Identity, Of) (wire.Outcome[Out], error)) {
	bindTo(a, route, name, func(ctx context.Context, who auth.Identity, of Of, _ wire.None) (wire.Outcome[Out], error) {
		return op(ctx, who, of)
	})
}

// bindTo binds a route that names one thing in its path and takes a body.
func bindTo[Of id.Kinded, In, Out any](a *API, route wire.Route[In, Out], name string, op func(context.Context, auth.Identity, Of, In) (wire.Outcome[Out], error)) {
	Bind(a, route, func(ctx context.Context, c Call, in In) (Answer, error) {
		of, err := param[Of](c, name)
		if err != nil {
			return Answer{}, err
		}
		return outcome(op(ctx, c.Who, of, in))
	})
}
