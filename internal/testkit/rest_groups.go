package testkit

import (
	"context"
	"net/http"

	"pryde/internal/id"
	"pryde/internal/wire"
)

// CreateGroup makes a group of the caller and others.
func (r *REST) CreateGroup(ctx context.Context, in wire.NewGroup) (wire.Group, error) {
	out, _, err := call[wire.Group](ctx, r, http.MethodPost, "/api/groupchats/create", in)
	return out, err
}

// Groups returns all groups of the caller, newest first.
func (r *REST) Groups(ctx context.Context) ([]wire.GroupRow, error) {
	pages, err := list[wire.GroupRow](ctx, r, "/api/groupchats")
	var all []wire.GroupRow
	for _, p := range pages {
		all = append(all, p...)
	}
	return all, err
}

// GroupThread returns all messages in a group, oldest first.
func (r *REST) GroupThread(ctx context.Context, g id.Group) ([]wire.Message, error) {
	pages, err := list[wire.Message](ctx, r, "/api/messages/group/"+g.String())
	var all []wire.Message
	for i := len(pages) - 1; i >= 0; i-- {
		all = append(all, pages[i]...)
	}
	return all, err
}
