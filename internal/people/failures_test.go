package people

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pryde/internal/fault"
)

var alice = login{"alice", "192.0.2.1"}

// tried makes an attempt that takes a time and comes to an end as ok and err say.
func (f *failures) tried(ctx context.Context, l login, takes time.Duration, ok bool, err error) error {
	right, err := f.try(ctx, l, errLocked, func() (bool, error) {
		time.Sleep(takes) // of the synctest bubble, where it takes any
		return ok, err
	})
	if err == nil && !right {
		return ErrCredentials
	}
	return err
}

func TestFailuresAreBounded(t *testing.T) {
	now := time.Unix(0, 0)
	f := newFailures(func() time.Time { return now }, maxFailures, 100, true)
	for i := range 1000 {
		if err := f.tried(t.Context(), login{strconv.Itoa(i), "192.0.2.1"}, 0, false, nil); !errors.Is(err, ErrCredentials) {
			t.Fatal(err)
		}
	}
	if len(f.byLogin) != 100 || f.resting.Len() != 100 {
		t.Errorf("kept %d, %d in the list; want 100", len(f.byLogin), f.resting.Len())
	}
	now = now.Add(lockout)
	if err := f.tried(t.Context(), login{"later", "192.0.2.1"}, 0, false, nil); !errors.Is(err, ErrCredentials) {
		t.Fatal(err)
	}
	if len(f.byLogin) != 1 || f.resting.Len() != 1 {
		t.Errorf("kept %d, %d in the list after their time; want 1", len(f.byLogin), f.resting.Len())
	}
	if err := f.tried(t.Context(), login{"later", "192.0.2.1"}, 0, true, nil); err != nil || len(f.byLogin) != 0 || f.resting.Len() != 0 {
		t.Errorf("kept %d after a right one, %v", len(f.byLogin), err)
	}
}

func TestAttemptThatCouldNotBeCheckedIsNoFailure(t *testing.T) {
	f := newFailures(time.Now, maxFailures, 100, true)
	broken := errors.New("broken")
	for range 20 {
		if err := f.tried(t.Context(), alice, 0, false, broken); !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	if len(f.byLogin) != 0 {
		t.Errorf("%d are remembered", len(f.byLogin))
	}
}

func TestAttemptsWaitForThoseUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailures(time.Now, maxFailures, 100, true)
		start := func(n int, ok bool) []error {
			errs := make([]error, n)
			var all sync.WaitGroup
			for i := range errs {
				all.Go(func() { errs[i] = f.tried(t.Context(), alice, time.Second, ok, nil) })
			}
			all.Wait()
			return errs
		}

		began := time.Now()
		if err := errors.Join(start(12, true)...); err != nil {
			t.Errorf("right ones are refused: %v", err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("12 right ones of a second each took %v, want five at a time", took)
		}

		wrong, locked := 0, 0
		for _, err := range start(12, false) {
			switch {
			case errors.Is(err, ErrCredentials):
				wrong++
			case fault.Of(err).Kind == fault.KindLocked:
				locked++
			}
		}
		if wrong != 5 || locked != 7 {
			t.Errorf("of 12 wrong ones %d were checked and %d locked out, want 5 and 7", wrong, locked)
		}
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailures(time.Now, 1, 100, true)
		var all sync.WaitGroup
		all.Go(func() {
			if err := f.tried(t.Context(), alice, time.Hour, true, nil); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		err := f.tried(ctx, alice, 0, true, nil)

		if !errors.Is(err, errBusy) || ctx.Err() == nil {
			t.Errorf("got %v, want a busy server after a second", err)
		}
		all.Wait()
		if len(f.byLogin) != 0 {
			t.Errorf("%d are remembered", len(f.byLogin))
		}
	})
}

func TestAPanicLetsOthersGoOn(t *testing.T) {
	f := newFailures(time.Now, 1, 100, true)
	func() {
		defer func() { _ = recover() }()
		_, _ = f.try(t.Context(), alice, errLocked, func() (bool, error) { panic("in a check") })
	}()

	if err := f.tried(t.Context(), alice, 0, true, nil); err != nil {
		t.Error(err)
	}
}
