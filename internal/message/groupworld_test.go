package message_test

import (
	"context"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// group makes a group of somebody and others, and forgets what was told of it.
func (w *world) group(t *testing.T, who auth.Identity, others ...auth.Identity) id.Group {
	t.Helper()
	in := wire.NewGroup{Name: "walkers"}
	for _, o := range others {
		in.MemberIDs = append(in.MemberIDs, o.User)
	}
	g, err := w.create(who, in)
	if err != nil {
		t.Fatal(err)
	}
	w.forget()
	return g.ID
}

func (w *world) create(who auth.Identity, in wire.NewGroup) (wire.Group, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.Group], error) { return w.CreateGroup(ctx, who, in) })
}

func (w *world) add(who auth.Identity, g id.Group, us ...id.User) (wire.Group, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.Group], error) {
		return w.AddMembers(ctx, who, g, wire.GroupMembers{MemberIDs: us})
	})
}

func (w *world) remove(who auth.Identity, g id.Group, u id.User) (wire.Group, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.Group], error) {
		return w.RemoveMember(ctx, who, g, wire.GroupMemberRef{MemberID: u})
	})
}

func (w *world) role(who auth.Identity, g id.Group, u id.User, admin bool) (wire.Group, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.Group], error) {
		return w.SetAdmin(ctx, who, g, wire.GroupRole{MemberID: u, Admin: admin})
	})
}

func (w *world) rename(who auth.Identity, g id.Group, name string) (wire.Group, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.Group], error) {
		return w.ChangeGroup(ctx, who, g, wire.GroupChange{Name: &name})
	})
}

func (w *world) leave(who auth.Identity, g id.Group) (wire.GroupLeft, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.GroupLeft], error) { return w.Leave(ctx, who, g) })
}

func (w *world) mustLeave(t *testing.T, who auth.Identity, g id.Group) {
	t.Helper()
	if _, err := w.leave(who, g); err != nil {
		t.Fatal(err)
	}
}

// say sends a text to a group.
func (w *world) say(t *testing.T, who auth.Identity, g id.Group, text string) wire.Message {
	t.Helper()
	return w.mustSend(t, who, wire.NewMessage{GroupChatID: g, Content: text}).Message
}

func (w *world) clearGroup(who auth.Identity, g id.Group) error {
	_, err := do(w, func(ctx context.Context) (wire.Outcome[wire.ConversationDeleted], error) {
		return w.ClearGroup(ctx, who, g)
	})
	return err
}

func (w *world) react(who auth.Identity, of id.Message, emoji string) (wire.Message, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.Message], error) {
		return w.React(ctx, who, of, wire.Emoji{Emoji: emoji})
	})
}

func (w *world) unreact(who auth.Identity, of id.Message, emoji string) (wire.Message, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.Message], error) {
		return w.Unreact(ctx, who, of, wire.Emoji{Emoji: emoji})
	})
}

func (w *world) draft(who auth.Identity, in wire.NewDraft) (wire.SavedDraft, error) {
	return do(w, func(ctx context.Context) (wire.Outcome[wire.SavedDraft], error) { return w.SaveDraft(ctx, who, in) })
}

func (w *world) groupThread(t *testing.T, who auth.Identity, g id.Group) []wire.Message {
	t.Helper()
	p, err := w.GroupThread(t.Context(), who, g, wire.ListQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return p.Items
}

func (w *world) groups(t *testing.T, who auth.Identity) []wire.GroupRow {
	t.Helper()
	p, err := w.Groups(t.Context(), who, wire.GroupQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return p.Items
}

func (w *world) seat(t *testing.T, who auth.Identity, g id.Group) wire.GroupSeat {
	t.Helper()
	s, err := w.Group(t.Context(), who, g)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
