package message

import (
	"context"
	"fmt"
	"slices"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/wire"
)

// maxInvited is how many people one call takes into a group.
const maxInvited = 100

// Refusals of what concerns the members of a group.
var (
	errNoMember     = fault.NotFound("MEMBER_NOT_FOUND", "Member not found")
	errNoMemberIDs  = fault.Invalid("MISSING_MEMBER_IDS", "memberIds is required")
	errNoMemberID   = fault.Invalid("MISSING_MEMBER_ID", "memberId is required")
	errManyMembers  = fault.Invalid("TOO_MANY_MEMBERS", fmt.Sprintf("At most %d people at once", maxInvited))
	errFull         = fault.Invalid("GROUP_FULL", fmt.Sprintf("A group has at most %d members", MaxMembers))
	errLastAdmin    = fault.Conflict("LAST_ADMIN", "A group keeps one admin at least")
	errOnlyAdd      = fault.Forbidden("ADMINS_ONLY", "Only admins can add members")
	errOnlyRemove   = fault.Forbidden("ADMINS_ONLY", "Only admins can remove members")
	errOnlyMakeHead = fault.Forbidden("ADMINS_ONLY", "Only admins can change admins")
)

// AddMembers takes people into a group and tells all members. Who is in it already stays as they
// are.
func (s *Service) AddMembers(ctx context.Context, who auth.Identity, g id.Group, in wire.GroupMembers) (wire.Outcome[wire.Group], error) {
	group, err := s.groupAsAdmin(ctx, who, g, errOnlyAdd)
	if err != nil {
		return wire.Outcome[wire.Group]{}, err
	}
	if len(in.MemberIDs) == 0 {
		return wire.Outcome[wire.Group]{}, errNoMemberIDs
	}
	isIn := func(u id.User) bool { _, ok := group.Member(u); return ok }
	invited, err := members(in.MemberIDs, isIn)
	if err != nil {
		return wire.Outcome[wire.Group]{}, err
	}
	if err := s.mayInvite(ctx, who.User, invited); err != nil {
		return wire.Outcome[wire.Group]{}, err
	}
	at := s.instant()
	return s.asAdmin(ctx, who, g, errOnlyAdd, func(g *Group) error {
		for _, u := range invited {
			if _, ok := g.Member(u); !ok {
				g.Members = append(g.Members, Member{User: u, JoinedAt: at})
			}
		}
		if len(g.Members) > MaxMembers {
			return errFull
		}
		return nil
	})
}

// members returns the people that somebody wants in a group, each once, without those who are
// left out.
func members(of []id.User, leftOut func(id.User) bool) ([]id.User, error) {
	if len(of) > maxInvited {
		return nil, errManyMembers
	}
	var out []id.User
	for _, u := range of {
		if u.IsZero() {
			return nil, errNobody
		}
		if !leftOut(u) && !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	return out, nil
}

// mayInvite returns a fault where somebody may not take one of these people into a group: who is
// not there, whom they block or who blocks them, and whom they may not write to, since a group
// would be a way around that.
func (s *Service) mayInvite(ctx context.Context, by id.User, people []id.User) error {
	if len(people) == 0 {
		return nil
	}
	known, err := s.people.People(ctx, people)
	if err != nil {
		return fmt.Errorf("look up people: %w", err)
	}
	blocked, err := s.people.BlockedWith(ctx, by)
	if err != nil {
		return fmt.Errorf("look up blocks: %w", err)
	}
	for _, u := range people {
		switch _, exists := known[u]; {
		case !exists:
			return errNobody
		case blocked[u]:
			return ErrBlocked
		}
		if err := s.people.MayWrite(ctx, by, u); err != nil {
			return err
		}
	}
	return nil
}

// RemoveMember puts somebody out of a group, tells them that they are, and the others. Oneself
// one removes by leaving, which everybody may.
func (s *Service) RemoveMember(ctx context.Context, who auth.Identity, g id.Group, in wire.GroupMemberRef) (wire.Outcome[wire.Group], error) {
	switch in.MemberID {
	case id.User{}:
		return wire.Outcome[wire.Group]{}, errNoMemberID
	case who.User:
		return s.left(ctx, who, g)
	}
	return s.asAdmin(ctx, who, g, errOnlyRemove, func(g *Group) error { return g.without(in.MemberID) })
}

// Leave takes the caller out of a group. The last admin is followed by the member who has been
// in it longest, and with the last member the group is deleted.
func (s *Service) Leave(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.GroupLeft], error) {
	left, err := s.left(ctx, who, g)
	if err != nil {
		return wire.Outcome[wire.GroupLeft]{}, err
	}
	out := wire.Outcome[wire.GroupLeft]{Reply: wire.GroupLeft{Message: "Left group successfully"}, After: left.After}
	if left.Reply.MemberCount == 0 {
		out.Reply.Message = "Group deleted"
	}
	return out, nil
}

func (s *Service) left(ctx context.Context, who auth.Identity, g id.Group) (wire.Outcome[wire.Group], error) {
	return s.regroup(ctx, who, g, func(g *Group) error {
		if err := g.without(who.User); err != nil {
			return ErrNotMember
		}
		if len(g.Members) > 0 && !slices.ContainsFunc(g.Members, func(m Member) bool { return m.Admin }) {
			g.Members[0].Admin = true
		}
		return nil
	})
}

// without takes a member away, or is errNoMember. The members that it leaves may be changed.
func (g *Group) without(u id.User) error {
	if _, ok := g.Member(u); !ok {
		return errNoMember
	}
	g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m Member) bool { return m.User == u })
	return nil
}

// SetAdmin makes a member an admin, or takes that back, and tells the members.
func (s *Service) SetAdmin(ctx context.Context, who auth.Identity, g id.Group, in wire.GroupRole) (wire.Outcome[wire.Group], error) {
	if in.MemberID.IsZero() {
		return wire.Outcome[wire.Group]{}, errNoMemberID
	}
	return s.asAdmin(ctx, who, g, errOnlyMakeHead, func(g *Group) error {
		g.Members = slices.Clone(g.Members)
		admins, found := 0, false
		for i := range g.Members {
			if g.Members[i].User == in.MemberID {
				g.Members[i].Admin, found = in.Admin, true
			}
			if g.Members[i].Admin {
				admins++
			}
		}
		switch {
		case !found:
			return errNoMember
		case admins == 0:
			return errLastAdmin
		}
		return nil
	})
}

// groupAsAdmin returns a group of which the caller is an admin. Who is a member only is refused.
func (s *Service) groupAsAdmin(ctx context.Context, who auth.Identity, g id.Group, refused *fault.Fault) (Group, error) {
	group, err := s.roster.group(ctx, g)
	if err != nil {
		return Group{}, fmt.Errorf("find group: %w", err)
	}
	return group, group.admin(who.User, refused)
}

// admin returns nil for an admin, refused for another member, and errDenied for anybody else.
func (g Group) admin(u id.User, refused *fault.Fault) error {
	switch m, ok := g.Member(u); {
	case !ok:
		return errDenied
	case !m.Admin:
		return refused
	}
	return nil
}

// asAdmin is regroup for what only an admin may do.
func (s *Service) asAdmin(ctx context.Context, who auth.Identity, g id.Group, refused *fault.Fault, set func(*Group) error) (wire.Outcome[wire.Group], error) {
	return s.regroup(ctx, who, g, func(g *Group) error {
		if err := g.admin(who.User, refused); err != nil {
			return err
		}
		return set(g)
	})
}

// regroup changes a group and tells of it. The rules are asked where writes are serialised, so
// that they hold by the time of the commit.
func (s *Service) regroup(ctx context.Context, who auth.Identity, g id.Group, set func(*Group) error) (wire.Outcome[wire.Group], error) {
	var before, after Group
	at := s.instant()
	err := s.roster.change(g, func() error {
		return s.change(ctx, InGroup(g), func(ctx context.Context) (err error) {
			before, after, err = s.groups.ChangeGroup(ctx, g, who.User, at, set)
			return err
		})
	})
	if err != nil {
		return wire.Outcome[wire.Group]{}, fmt.Errorf("change group: %w", err)
	}
	return s.grouped(ctx, before, after), nil
}
