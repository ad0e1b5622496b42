package message

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// Limits of a group.
const (
	MaxGroupName   = 100   // characters
	MaxDescription = 500   // characters
	MaxAvatar      = 2_048 // bytes of the URL or path
)

// Refusals of what concerns a group itself.
var (
	errDenied      = fault.Forbidden("NOT_A_MEMBER", "Access denied")
	errGroupName   = fault.Invalid("INVALID_GROUP_NAME", fmt.Sprintf("A group has a name of 1 to %d characters", MaxGroupName))
	errDescription = fault.Invalid("INVALID_DESCRIPTION", fmt.Sprintf("A description has at most %d characters", MaxDescription))
	errAvatar      = fault.Invalid("INVALID_AVATAR", fmt.Sprintf("An avatar is a path or a web address of at most %d bytes", MaxAvatar))
	errOnlyUpdate  = fault.Forbidden("ADMINS_ONLY", "Only admins can update the group")
)

// CreateGroup makes a group of which the caller is the first member and admin, and tells all
// members.
func (s *Service) CreateGroup(ctx context.Context, who auth.Identity, in wire.NewGroup) (wire.Outcome[wire.Group], error) {
	name, err := groupName(in.Name)
	if err != nil {
		return wire.Outcome[wire.Group]{}, err
	}
	description, err := cleaned(in.Description, MaxDescription, errDescription)
	if err != nil {
		return wire.Outcome[wire.Group]{}, err
	}
	avatar, err := avatar(in.Avatar)
	if err != nil {
		return wire.Outcome[wire.Group]{}, err
	}
	others, err := members(in.MemberIDs, func(u id.User) bool { return u == who.User })
	if err != nil {
		return wire.Outcome[wire.Group]{}, err
	}
	if err := s.mayInvite(ctx, who.User, others); err != nil {
		return wire.Outcome[wire.Group]{}, err
	}

	at := s.instant()
	g := Group{
		ID: id.New[id.Group](s.ids), Name: name, Description: description, Avatar: avatar, Creator: who.User,
		Members: []Member{{User: who.User, Admin: true, JoinedAt: at}}, CreatedAt: at, UpdatedAt: at,
	}
	for _, u := range others {
		g.Members = append(g.Members, Member{User: u, JoinedAt: at})
	}
	err = s.change(ctx, InGroup(g.ID), func(ctx context.Context) (err error) {
		g, err = s.groups.CreateGroup(ctx, g)
		return err
	})
	if err != nil {
		return wire.Outcome[wire.Group]{}, fmt.Errorf("create group: %w", err)
	}
	return s.grouped(ctx, Group{}, g), nil
}

// Group returns a group that the caller is in, with all its members.
func (s *Service) Group(ctx context.Context, who auth.Identity, g id.Group) (wire.GroupSeat, error) {
	seat, err := s.groups.Seat(ctx, g, who.User)
	if errors.Is(err, ErrNotMember) {
		return wire.GroupSeat{}, errDenied
	}
	if err != nil {
		return wire.GroupSeat{}, fmt.Errorf("group: %w", err)
	}
	known, err := s.people.People(ctx, groupPeople(seat.Group, len(seat.Group.Members)))
	if err != nil {
		return wire.GroupSeat{}, fmt.Errorf("group: %w", err)
	}
	return projectSeat(seat, scene{known: known, link: s.link}, s.now()), nil
}

// Groups returns a person's groups, that with the newest message or change first. Of a large
// one it lists the first members alone.
func (s *Service) Groups(ctx context.Context, who auth.Identity, q wire.GroupQuery) (wire.Page[wire.GroupRow], error) {
	page, err := s.groups.Seats(ctx, who.User, q.Before, q.Limit)
	if err != nil {
		return wire.Page[wire.GroupRow]{}, fmt.Errorf("groups: %w", err)
	}
	rows, err := s.groupRows(ctx, page.Items)
	if err != nil {
		return wire.Page[wire.GroupRow]{}, fmt.Errorf("groups: %w", err)
	}
	out := wire.Page[wire.GroupRow]{Items: rows}
	if page.More {
		out.Next = page.Items[len(page.Items)-1].Group.ID.String()
	}
	return out, nil
}

// groupRows shows groups as rows of their member's list.
func (s *Service) groupRows(ctx context.Context, seats []Seat) ([]wire.GroupRow, error) {
	var us []id.User
	first := listed(len(seats))
	for _, st := range seats {
		us = append(us, groupPeople(st.Group, first)...)
	}
	known, err := s.people.People(ctx, us)
	if err != nil {
		return nil, err
	}
	sc, out := scene{known: known, link: s.link}, make([]wire.GroupRow, len(seats))
	for i, st := range seats {
		out[i] = projectGroupRow(st, first, sc, s.now())
	}
	return out, nil
}

// ChangeGroup changes the name, the description or the picture of a group, and tells its members.
func (s *Service) ChangeGroup(ctx context.Context, who auth.Identity, g id.Group, in wire.GroupChange) (wire.Outcome[wire.Group], error) {
	var sets []func(*Group)
	if in.Name != nil {
		name, err := groupName(*in.Name)
		if err != nil {
			return wire.Outcome[wire.Group]{}, err
		}
		sets = append(sets, func(g *Group) { g.Name = name })
	}
	if in.Description != nil {
		description, err := cleaned(*in.Description, MaxDescription, errDescription)
		if err != nil {
			return wire.Outcome[wire.Group]{}, err
		}
		sets = append(sets, func(g *Group) { g.Description = description })
	}
	if in.Avatar != nil {
		avatar, err := avatar(*in.Avatar)
		if err != nil {
			return wire.Outcome[wire.Group]{}, err
		}
		sets = append(sets, func(g *Group) { g.Avatar = avatar })
	}
	return s.asAdmin(ctx, who, g, errOnlyUpdate, func(g *Group) error {
		for _, set := range sets {
			set(g)
		}
		return nil
	})
}

func groupName(text string) (string, error) {
	name, err := cleaned(text, MaxGroupName, errGroupName)
	if err == nil && name == "" {
		err = errGroupName
	}
	return name, err
}

// avatar checks a path or a web address; an empty one is none.
func avatar(text string) (string, error) {
	text = strings.TrimSpace(text)
	path := strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//")
	web := strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
	if len(text) > MaxAvatar || text != "" && !path && !web {
		return "", errAvatar
	}
	return text, nil
}

// grouped shows a group as it is after a change, and tells of it: all members that it is other
// than it was, and those who are out that they are.
func (s *Service) grouped(ctx context.Context, before, after Group) wire.Outcome[wire.Group] {
	ctx, cancel := settled(ctx)
	defer cancel()
	known := s.known(ctx, groupPeople(after, len(after.Members)))
	out := wire.Outcome[wire.Group]{Reply: projectGroup(after, known)}
	if after.Changed == before.Changed {
		return out
	}
	out.After = tell(wire.GroupUpdated, after.Changed, card(after), after.users()...)
	for _, m := range before.Members {
		if _, stays := after.Member(m.User); !stays {
			out.After = append(out.After, tell(wire.GroupLeftBehind, after.Changed, wire.GroupRemoved{GroupChatID: after.ID}, m.User)...)
		}
	}
	return out
}
