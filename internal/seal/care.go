package seal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// rewrapBatch is how many data keys are re-wrapped in one commit.
const rewrapBatch = 1_000

// errMoving ends a re-wrapping whose keys are other ones each time that they are looked at.
var errMoving = errors.New("the keys change while they are re-wrapped")

// Check is called before anything is opened: it reads who was erased, and is ErrWrongKey where the
// ring lacks a master key that wraps a data key.
func (v *Vault) Check(ctx context.Context) error {
	masters, err := v.store.Masters(ctx)
	if err != nil {
		return fmt.Errorf("look at the data keys: %w", err)
	}
	var missing []string
	for _, m := range slices.Sorted(maps.Keys(masters)) {
		if !v.ring.Holds(m) {
			missing = append(missing, fmt.Sprintf("%v, which wraps %d data keys", m, masters[m]))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: it does not hold master key %s", ErrWrongKey, strings.Join(missing, ", nor "))
	}
	return v.readErased(ctx)
}

func (v *Vault) readErased(ctx context.Context) error {
	erased, err := v.store.ErasedOwners(ctx)
	if err != nil {
		return fmt.Errorf("look who was erased: %w", err)
	}
	v.erased.Store(&erased)
	return nil
}

// HasServerKey reports whether the key of the server's own hashes is there; ServerKey would make it.
func (v *Vault) HasServerKey(ctx context.Context) (bool, error) {
	_, found, err := v.store.KeyByOwner(ctx, PurposeServer, Owner{})
	if err != nil {
		return false, fmt.Errorf("find a data key: %w", err)
	}
	return found, nil
}

// Expect is ErrWrongKey where a person who must have a key has none and was not erased: the keys
// are an older copy than the data.
func (v *Vault) Expect(ctx context.Context, owners []Owner) error {
	for _, o := range owners {
		if _, gone := v.Erased(o); gone {
			continue
		}
		_, found, err := v.store.KeyByOwner(ctx, PurposePerson, o)
		switch {
		case err != nil:
			return fmt.Errorf("find a data key: %w", err)
		case !found:
			return fmt.Errorf("%w: the keys are an older copy than the data, the key of somebody who signed up since is missing", ErrWrongKey)
		}
	}
	return nil
}

// Erased reports whether a person was erased, and when. It looks into memory alone: what they
// sealed does not open any more.
func (v *Vault) Erased(o Owner) (time.Time, bool) {
	at, ok := (*v.erased.Load())[o]
	return at, ok
}

// ErasedOwners returns everybody who was erased, and when.
func (v *Vault) ErasedOwners() map[Owner]time.Time { return maps.Clone(*v.erased.Load()) }

// Erase destroys the keys of a person, for good, and forgets them at once.
func (v *Vault) Erase(ctx context.Context, o Owner, at time.Time) error {
	// Also when it fails: it may be stored all the same.
	defer v.people.forget(o)
	if err := v.store.EraseOwner(ctx, o, at); err != nil {
		return fmt.Errorf("destroy the keys of a person: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	erased := maps.Clone(*v.erased.Load())
	if _, known := erased[o]; !known {
		erased[o] = at
		v.erased.Store(&erased)
	}
	return nil
}

// Primary is the master key that wraps new data keys.
func (v *Vault) Primary() KeyID { return v.ring.primary }

// Holds reports whether the ring has a master key.
func (v *Vault) Holds(m KeyID) bool { return v.ring.Holds(m) }

// Rewrap wraps every data key with the primary master key and returns of how many it changed the
// wrapping. The data keys stay the same, so that nobody notices; what it has done stays done where
// it is interrupted.
func (v *Vault) Rewrap(ctx context.Context) (int, error) {
	total := 0
	for {
		keys, err := v.store.KeysBesides(ctx, v.ring.primary, rewrapBatch)
		if err != nil {
			return total, fmt.Errorf("find data keys: %w", err)
		}
		if len(keys) == 0 {
			return total, nil
		}
		changes := make([]Rewrapping, len(keys))
		for i, w := range keys {
			again, err := v.ring.rewrap(v.rand, w)
			if err != nil {
				return total, err
			}
			changes[i] = Rewrapping{From: w, To: again}
		}
		n, err := v.store.Rewrap(ctx, changes)
		total += n
		switch {
		case err != nil:
			return total, fmt.Errorf("re-wrap data keys: %w", err)
		case n == 0:
			return total, errMoving
		}
	}
}

// Replace gives a person a new data key, which seals from now on. The one before is retired: it
// opens what it has sealed until it is dropped. It is ErrKeyGone for who has none.
func (v *Vault) Replace(ctx context.Context, o Owner, at time.Time) error {
	w, found, err := v.store.KeyByOwner(ctx, PurposePerson, o)
	if err != nil || !found {
		return cmp.Or(err, ErrKeyGone)
	}
	fresh, err := v.ring.fresh(v.rand, PurposePerson, o)
	if err != nil {
		return err
	}
	// Also when it fails: it may be stored all the same.
	defer v.people.forget(o)
	done, err := v.store.ReplaceKey(ctx, w.ID, fresh, at)
	switch {
	case err != nil:
		return fmt.Errorf("replace a data key: %w", err)
	case !done:
		return errors.New("replace a data key: it was replaced at the same time")
	}
	return nil
}

// Reseal seals a value that the owner sealed at a place with the key that is in use now; nil where
// it is already. Its errors are those of Open and Seal.
func (v *Vault) Reseal(ctx context.Context, o Owner, p Place, sealed []byte) ([]byte, error) {
	i, err := keyIn(sealed)
	if err != nil {
		return nil, err
	}
	k, err := v.keyOf(ctx, o)
	if err != nil || k.id == i {
		return nil, err
	}
	plain, err := v.Open(ctx, p, sealed)
	if err != nil {
		return nil, err
	}
	return v.sealWith(k, p, plain)
}

// Forget makes the next look at the keys of a person a fresh one.
func (v *Vault) Forget(o Owner) { v.people.forget(o) }

// Retired returns the retired keys, without what is wrapped in them.
func (v *Vault) Retired(ctx context.Context) ([]WrappedKey, error) {
	keys, err := v.store.RetiredKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("find retired keys: %w", err)
	}
	for i := range keys {
		keys[i].Sealed = nil
	}
	return keys, nil
}

// Drop destroys a retired key. What is still sealed with it cannot be opened any more.
func (v *Vault) Drop(ctx context.Context, w WrappedKey) error {
	defer v.people.forget(w.Owner)
	if err := v.store.DropKey(ctx, w.ID); err != nil {
		return fmt.Errorf("destroy a retired key: %w", err)
	}
	return nil
}

// Masters returns how many data keys each master key wraps.
func (v *Vault) Masters(ctx context.Context) (map[KeyID]int, error) {
	m, err := v.store.Masters(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the data keys: %w", err)
	}
	return m, nil
}

// Refresh reads again who was erased, and forgets the keys of those whom another process erased.
func (v *Vault) Refresh(ctx context.Context) error {
	before := v.erased.Load()
	if err := v.readErased(ctx); err != nil {
		return err
	}
	for o := range *v.erased.Load() {
		if _, known := (*before)[o]; !known {
			v.people.forget(o)
		}
	}
	return nil
}
