package people

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/plaintext"
	"pryde/internal/wire"
)

const (
	// MaxBlocks is how many people one person can block.
	MaxBlocks = 10_000
	// MaxReason is the longest reason of a block, in characters.
	MaxReason = 500
	// maxContacts bounds how many people hear of one person, where not everybody does.
	maxContacts = 10_000
)

// A Block says that one person wants nothing to do with another.
type Block struct {
	ID        wire.BlockID
	Blocker   id.User
	Blocked   id.User
	Reason    string // sealed at rest with the blocker's key
	CreatedAt time.Time
}

// Bonds are what stands between a person and others.
type Bonds struct {
	Blocks    []id.User // whom the person blocks
	BlockedBy []id.User // who blocks the person
	Audience  Audience  // who may write to the person
}

// What a store answers about blocks.
var (
	ErrNoBlock       = fault.NotFound("BLOCK_NOT_FOUND", "Block not found")
	ErrTooManyBlocks = fault.Conflict("TOO_MANY_BLOCKS", fmt.Sprintf("You cannot block more than %d people", MaxBlocks))
)

// Ties keep who blocks and who follows whom. Blocks change what people see of their
// conversations: those that change take a commit sequence number, and mark the conversation of
// the two as changed for both.
type Ties interface {
	// Bonds returns what stands between a person and others. The audience is Everyone where
	// none was set.
	Bonds(ctx context.Context, u id.User) (Bonds, error)
	// AddBlock stores a block, which asks both for a reload. Where the person is blocked already it changes nothing and
	// returns that block with again set. With MaxBlocks of the same blocker it is
	// ErrTooManyBlocks.
	AddBlock(ctx context.Context, b Block) (_ Block, again bool, err error)
	// RemoveBlock ends a block, or answers ErrNoBlock. What the two missed meanwhile asks both
	// for a reload.
	RemoveBlock(ctx context.Context, blocker, blocked id.User) error
	// Blocks returns the blocks of a person, newest first.
	Blocks(ctx context.Context, blocker id.User) ([]Block, error)
	// SetAudience says who may write to a person.
	SetAudience(ctx context.Context, u id.User, a Audience) error
	// Follow lets one person follow another, and reports whether that is new.
	Follow(ctx context.Context, follower, following id.User, at time.Time) (bool, error)
	// Unfollow ends it, and reports whether there was anything to end.
	Unfollow(ctx context.Context, follower, following id.User) (bool, error)
	// Follows reports whether one person follows another.
	Follows(ctx context.Context, follower, following id.User) (bool, error)
	// Contacts returns those with whom a person has a conversation, or a follow in either
	// direction, each once and without the person, in no order. There are at most limit, and
	// any where there are more.
	Contacts(ctx context.Context, u id.User, limit int) ([]id.User, error)
}

// maxTies bounds for how many bonds between people it is remembered.
const maxTies = 1_000_000

// ties are the bonds of a person as they are remembered.
type ties struct {
	mine     map[id.User]bool // whom the person blocks
	with     map[id.User]bool // and who blocks them
	audience Audience
}

func weighTies(t ties) int { return 1 + len(t.with) }

func (s *Service) tiesOf(ctx context.Context, u id.User) (ties, error) {
	t, _, err := s.tied.Do(ctx, string(u[:]), func() (ties, error) {
		b, err := s.ties.Bonds(ctx, u)
		if err != nil {
			return ties{}, err
		}
		t := ties{mine: make(map[id.User]bool, len(b.Blocks)), with: make(map[id.User]bool, len(b.Blocks)+len(b.BlockedBy)), audience: b.Audience}
		for _, other := range b.Blocks {
			t.mine[other], t.with[other] = true, true
		}
		for _, other := range b.BlockedBy {
			t.with[other] = true
		}
		return t, nil
	})
	if err != nil {
		return ties{}, away("look up blocks", err)
	}
	return t, nil
}

// retie is called when a block may have come or gone between a, whose bonds were those before,
// and b. It says so where the two are apart now and were not, or the other way round; also
// where that cannot be told.
func (s *Service) retie(ctx context.Context, a, b id.User, before ties) {
	s.bus.Invalidate(a, b)
	if now, err := s.tiesOf(ctx, a); err != nil || now.with[b] != before.with[b] {
		s.onBlock(a, b)
	}
}

// BlockedWith returns everybody whom u blocks or who blocks u. The map is shared: it is only
// to be looked at. It is never older than the last change that was made here.
func (s *Service) BlockedWith(ctx context.Context, u id.User) (map[id.User]bool, error) {
	t, err := s.tiesOf(ctx, u)
	return t.with, err
}

// Contacts returns those with whom u has a conversation, or a follow in either direction, in no
// order: 10,000 of them where there are more. Blocks change nothing about it.
func (s *Service) Contacts(ctx context.Context, u id.User) ([]id.User, error) {
	contacts, err := s.ties.Contacts(ctx, u, maxContacts)
	if err != nil {
		return nil, away("look up contacts", err)
	}
	return contacts, nil
}

var (
	errNoBlocked   = fault.Invalid("MISSING_USER_ID", "User ID is required")
	errBlockMyself = fault.Invalid("CANNOT_BLOCK_SELF", "You cannot block yourself")
	errReason      = fault.Invalid("REASON_TOO_LONG", fmt.Sprintf("The reason is too long (max %d characters)", MaxReason))
)

// Block makes the caller and somebody invisible to each other: neither can write to the other
// any more, and what they wrote stays out of sight. A repeat answers with the first block.
func (s *Service) Block(ctx context.Context, who auth.Identity, in wire.Blocking) (wire.Blocked, error) {
	reason := plaintext.Clean(in.Reason)
	switch {
	case in.BlockedUserID.IsZero():
		return wire.Blocked{}, errNoBlocked
	case in.BlockedUserID == who.User:
		return wire.Blocked{}, errBlockMyself
	case utf8.RuneCountInString(reason) > MaxReason:
		return wire.Blocked{}, errReason
	}
	if _, err := s.Person(ctx, in.BlockedUserID); err != nil {
		return wire.Blocked{}, err
	}
	before, err := s.tiesOf(ctx, who.User)
	if err != nil {
		return wire.Blocked{}, err
	}
	// Also when it fails: the block may be stored all the same.
	defer s.retie(ctx, who.User, in.BlockedUserID, before)
	b, again, err := s.ties.AddBlock(ctx, Block{
		ID:      wire.BlockID(id.New[id.Message](s.ids)), // any fresh identifier
		Blocker: who.User, Blocked: in.BlockedUserID, Reason: reason, CreatedAt: s.now().UTC().Truncate(time.Millisecond),
	})
	if err != nil {
		return wire.Blocked{}, away("block", err)
	}
	return wire.Blocked{Message: "User blocked successfully", Block: wire.Block(b), Existed: again}, nil
}

// Unblock ends a block of the caller, or answers ErrNoBlock.
func (s *Service) Unblock(ctx context.Context, who auth.Identity, blocked id.User) (wire.Unblocked, error) {
	before, err := s.tiesOf(ctx, who.User)
	if err != nil {
		return wire.Unblocked{}, err
	}
	// Also when it fails: the block may have ended all the same.
	defer s.retie(ctx, who.User, blocked, before)
	if err := s.ties.RemoveBlock(ctx, who.User, blocked); err != nil {
		return wire.Unblocked{}, away("unblock", err)
	}
	return wire.Unblocked{Message: "User unblocked successfully"}, nil
}

// Blocked returns whom the caller blocks, newest first. Whose account is gone has no name.
func (s *Service) Blocked(ctx context.Context, who auth.Identity) ([]wire.BlockedPerson, error) {
	blocks, err := s.ties.Blocks(ctx, who.User)
	if err != nil {
		return nil, away("list blocks", err)
	}
	out := make([]wire.BlockedPerson, len(blocks))
	for i, b := range blocks {
		p, err := s.Person(ctx, b.Blocked)
		if err != nil && !errors.Is(err, ErrNoAccount) {
			return nil, err
		}
		p.ID = b.Blocked
		out[i] = wire.BlockedPerson{ID: b.ID, Blocker: b.Blocker, Blocked: p, Reason: b.Reason, CreatedAt: b.CreatedAt}
	}
	return out, nil
}

// Blocks says whether the caller blocks somebody, by id or username. It is false for nobody.
func (s *Service) Blocks(ctx context.Context, who auth.Identity, idOrUsername string) (wire.BlockCheck, error) {
	other, err := id.Parse[id.User](idOrUsername)
	if err != nil {
		a, err := s.store.AccountByLogin(ctx, idOrUsername)
		switch {
		case errors.Is(err, ErrNoAccount):
			return wire.BlockCheck{}, nil
		case err != nil:
			return wire.BlockCheck{}, away("look up person", err)
		case !strings.EqualFold(a.Username, idOrUsername):
			return wire.BlockCheck{}, nil // an address, which is nobody's business
		}
		other = a.ID
	}
	t, err := s.tiesOf(ctx, who.User)
	return wire.BlockCheck{IsBlocked: t.mine[other]}, err
}
