package custody

import (
	"context"
	"errors"
	"fmt"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/seal"
)

// CarryOut carries out the orders that wait and returns how many. An error says that an order
// could not be carried out now: it waits on.
func (s *Service) CarryOut(ctx context.Context) (int, error) {
	pending, err := s.Desk.Pending(ctx)
	if err != nil {
		return 0, fmt.Errorf("look for orders: %w", err)
	}
	for n, o := range pending {
		if !s.Valid() {
			return n, nil
		}
		says, err := s.carryOut(ctx, o)
		if err != nil && !final(err) {
			return n, fmt.Errorf("carry out an order to %s: %w", o.Kind, err)
		}
		o.Failed, o.Says = err != nil, says
		if err != nil {
			o.Says = err.Error()
		}
		o.DoneAt = s.Now()
		if err := s.Desk.Finish(ctx, o); err != nil {
			return n, fmt.Errorf("note what came of an order: %w", err)
		}
		s.Log.InfoContext(ctx, "an order was carried out", "order", string(o.Kind), "failed", o.Failed)
	}
	return len(pending), nil
}

// A refusal is the answer to an order that cannot be carried out, now or later.
type refusal string

func (r refusal) Error() string { return string(r) }

func final(err error) bool {
	_, refused := errors.AsType[refusal](err)
	return refused || errors.Is(err, seal.ErrWrongKey)
}

func (s *Service) carryOut(ctx context.Context, o Order) (string, error) {
	switch o.Kind {
	case Rewrap:
		return s.rewrap(ctx, o)
	case Replace:
		return s.replace(ctx, o)
	case Erase:
		return s.erase(ctx, o)
	}
	return "", refusal(fmt.Sprintf("this release does not know the order %q", o.Kind))
}

func (s *Service) rewrap(ctx context.Context, o Order) (string, error) {
	if o.Master != s.Vault.Primary() {
		return "", refusal(fmt.Sprintf("the server's newest master key is %v, not %v: start it with the new key first",
			s.Vault.Primary(), o.Master))
	}
	n, err := s.Vault.Rewrap(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d data keys were wrapped with master key %v; it wraps all of them now", n, o.Master), nil
}

func (s *Service) replace(ctx context.Context, o Order) (string, error) {
	u, err := s.find(ctx, o)
	if err != nil {
		return "", err
	}
	err = s.Vault.Replace(ctx, seal.Owner(u), s.Now())
	if errors.Is(err, seal.ErrKeyGone) {
		return "", refusal("there is no data key: the person has written nothing yet, or was erased")
	}
	if err != nil {
		return "", err
	}
	if err := s.Data.DropSegments(ctx, u); err != nil {
		return "", err
	}
	return "there is a new data key; what the old one sealed is being sealed again, see pryde keys status", nil
}

func (s *Service) erase(ctx context.Context, o Order) (string, error) {
	u, err := s.find(ctx, o)
	if err != nil {
		return "", err
	}
	// First nobody can write as them any more, then the key goes, then what is built of what they wrote.
	if err := s.People.Remove(ctx, u); err != nil {
		return "", err
	}
	if err := s.Vault.Erase(ctx, seal.Owner(u), s.Now()); err != nil {
		return "", err
	}
	if err := s.remove(ctx, u); err != nil {
		return "", err
	}
	return "the person is erased: what they wrote cannot be read any more, here and in every copy of the data", nil
}

func (s *Service) find(ctx context.Context, o Order) (id.User, error) {
	u, err := s.People.Find(ctx, o.Username)
	if err != nil && fault.Of(err).Kind == fault.KindNotFound {
		return id.User{}, refusal("there is no account with this username")
	}
	return u, err
}
