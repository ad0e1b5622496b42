package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"pryde/internal/id"
	"pryde/internal/people"
)

// SecondFactors tests second factors.
func SecondFactors(t *testing.T, open func(*testing.T) Stores) {
	tests := map[string]func(*testing.T, people.SecondFactors){
		"AnOfferIsReplacedUntilItIsInForce": testOffer,
		"TheLastOfferIsPutInForce":          testEnforce,
		"ACodeIsSpentOnce":                  testSpend,
		"OneOfManySpendsACode":              testSpendOnce,
		"ARemovedFactorIsGone":              testRemoveFactor,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t).Factors) })
	}
}

func offer(n byte) (people.SecondFactor, [][32]byte) {
	f := people.SecondFactor{Secret: "SECRET" + string('A'+rune(n)), Offered: []string{"one", "two"}, Mark: [32]byte{n, 1}}
	return f, [][32]byte{{n, 10}, {n, 11}}
}

// reported checks what a change of a factor reports.
func reported(t *testing.T, what string, want bool) func(bool, error) {
	t.Helper()
	return func(got bool, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s reported %v and error %v, want %v", what, got, err, want)
		}
	}
}

func findFactor(t *testing.T, s people.SecondFactors, u id.User) people.SecondFactor {
	t.Helper()
	f, err := s.SecondFactor(t.Context(), u)
	if err != nil {
		t.Fatalf("SecondFactor: %v", err)
	}
	return f
}

// enforce puts a factor in force.
func enforce(t *testing.T, s people.SecondFactors, u id.User, n byte) people.SecondFactor {
	t.Helper()
	f, codes := offer(n)
	reported(t, "an offer", true)(s.OfferSecondFactor(t.Context(), u, f, codes))
	f.LastStep = 100
	reported(t, "enforcing it", true)(s.EnforceSecondFactor(t.Context(), u, f))
	f.InForce, f.Offered, f.Left = true, nil, 2
	return f
}

func testOffer(t *testing.T, s people.SecondFactors) {
	if _, err := s.SecondFactor(t.Context(), alice); !errors.Is(err, people.ErrNoSecondFactor) {
		t.Errorf("without one: SecondFactor gave %v, want ErrNoSecondFactor", err)
	}
	first, codes := offer(1)
	reported(t, "an offer", true)(s.OfferSecondFactor(t.Context(), alice, first, codes))
	second, codes := offer(2)
	codes = append(codes, [32]byte{9})
	reported(t, "another offer", true)(s.OfferSecondFactor(t.Context(), alice, second, codes))

	second.Left = 3
	same(t, "offer", findFactor(t, s, alice), second)
	reported(t, "a step of an offer", false)(s.SpendStep(t.Context(), alice, 5))
	reported(t, "a backup code of an offer", false)(s.SpendBackupCode(t.Context(), alice, codes[0]))
	if _, err := s.SecondFactor(t.Context(), bob); !errors.Is(err, people.ErrNoSecondFactor) {
		t.Errorf("of somebody else: SecondFactor gave %v, want ErrNoSecondFactor", err)
	}
}

func testEnforce(t *testing.T, s people.SecondFactors) {
	first, _ := offer(1)
	reported(t, "enforcing nothing", false)(s.EnforceSecondFactor(t.Context(), alice, first))
	second, codes := offer(2)
	reported(t, "an offer", true)(s.OfferSecondFactor(t.Context(), alice, second, codes))
	reported(t, "enforcing another", false)(s.EnforceSecondFactor(t.Context(), alice, first))

	want := enforce(t, s, alice, 2)

	same(t, "factor", findFactor(t, s, alice), want)
	reported(t, "enforcing it again", false)(s.EnforceSecondFactor(t.Context(), alice, second))
	third, codes := offer(3)
	reported(t, "an offer beside it", false)(s.OfferSecondFactor(t.Context(), alice, third, codes))
	same(t, "factor after refusals", findFactor(t, s, alice), want)
}

func testSpend(t *testing.T, s people.SecondFactors) {
	want := enforce(t, s, alice, 1)
	enforce(t, s, bob, 2)

	for step, ok := range map[int64]bool{100: false, 99: false} {
		reported(t, "an old step", ok)(s.SpendStep(t.Context(), alice, step))
	}
	reported(t, "a step", true)(s.SpendStep(t.Context(), alice, 102))
	reported(t, "the step again", false)(s.SpendStep(t.Context(), alice, 102))
	reported(t, "the step before", false)(s.SpendStep(t.Context(), alice, 101))
	reported(t, "a step of nobody", false)(s.SpendStep(t.Context(), carol, 200))

	_, codes := offer(1)
	_, foreign := offer(2)
	reported(t, "a backup code", true)(s.SpendBackupCode(t.Context(), alice, codes[1]))
	reported(t, "the backup code again", false)(s.SpendBackupCode(t.Context(), alice, codes[1]))
	reported(t, "somebody else's backup code", false)(s.SpendBackupCode(t.Context(), alice, foreign[0]))

	want.LastStep, want.Left = 102, 1
	same(t, "factor", findFactor(t, s, alice), want)
}

func testSpendOnce(t *testing.T, s people.SecondFactors) {
	enforce(t, s, alice, 1)
	_, codes := offer(1)
	var steps, spent atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			step, err := s.SpendStep(t.Context(), alice, 200)
			code, more := s.SpendBackupCode(t.Context(), alice, codes[0])
			if err := errors.Join(err, more); err != nil {
				t.Errorf("spend: %v", err)
			}
			if step {
				steps.Add(1)
			}
			if code {
				spent.Add(1)
			}
		})
	}
	all.Wait()

	if steps.Load() != 1 || spent.Load() != 1 {
		t.Errorf("of 8, %d spent one step and %d one backup code, want 1 and 1", steps.Load(), spent.Load())
	}
}

func testRemoveFactor(t *testing.T, s people.SecondFactors) {
	enforce(t, s, alice, 1)
	kept := enforce(t, s, bob, 2)

	for range 2 {
		if err := s.RemoveSecondFactor(t.Context(), alice); err != nil {
			t.Fatalf("RemoveSecondFactor: %v", err)
		}
	}

	if _, err := s.SecondFactor(t.Context(), alice); !errors.Is(err, people.ErrNoSecondFactor) {
		t.Errorf("SecondFactor gave %v, want ErrNoSecondFactor", err)
	}
	same(t, "somebody else's factor", findFactor(t, s, bob), kept)
	want := enforce(t, s, alice, 3)
	same(t, "factor that was set up again", findFactor(t, s, alice), want)
}
