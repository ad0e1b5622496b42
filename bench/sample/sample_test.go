package sample

import (
	"math/rand/v2"
	"testing"
	"time"
)

// upTo returns 1 to n milliseconds, shuffled.
func upTo(n int) *Set {
	var s Set
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		s.Add(time.Duration(i+1) * time.Millisecond)
	}
	return &s
}

func TestQuantileIsTheNearestRank(t *testing.T) {
	for _, c := range []struct {
		n    int
		q    float64
		want time.Duration
	}{
		{1, 0.5, 1}, {1, 0.99, 1}, {2, 0.5, 1}, {3, 0.5, 2}, {4, 0.5, 2},
		{10, 0, 1}, {10, 0.9, 9}, {10, 0.91, 10}, {10, 1, 10},
		{100, 0.07, 7}, {100, 0.99, 99}, {101, 0.99, 100}, {1000, 0.999, 999}, {30_000, 0.99, 29_700},
	} {
		if got, want := upTo(c.n).Quantile(c.q), c.want*time.Millisecond; got != want {
			t.Errorf("quantile %v of 1 to %d ms is %v, want %v", c.q, c.n, got, want)
		}
	}
}

func TestOneSlowSampleIsNotLost(t *testing.T) {
	s := upTo(1000)
	s.Add(time.Hour)

	if got := s.Max(); got != time.Hour {
		t.Errorf("the longest is %v, want %v", got, time.Hour)
	}
	if got, want := s.Quantile(0.999), 1000*time.Millisecond; got != want {
		t.Errorf("quantile 0.999 is %v, want %v", got, want)
	}
}

func TestAddAndJoinAfterAQuantileCount(t *testing.T) {
	s := upTo(3)
	if got := s.Max(); got != 3*time.Millisecond {
		t.Fatalf("the longest is %v, want 3ms", got)
	}

	s.Add(9 * time.Millisecond)
	s.Join(upTo(5))

	if got := s.Max(); got != 9*time.Millisecond || s.Len() != 9 {
		t.Errorf("the longest of %d is %v, want 9ms of 9", s.Len(), got)
	}
	if got, want := s.Quantile(0), time.Millisecond; got != want {
		t.Errorf("the shortest is %v, want %v", got, want)
	}
	if got, want := s.Mean(), 30*time.Millisecond/9; got != want {
		t.Errorf("the mean is %v, want %v", got, want)
	}
}

func TestAnEmptySetIsZero(t *testing.T) {
	var s Set

	if s.Quantile(0.5) != 0 || s.Max() != 0 || s.Mean() != 0 || s.Len() != 0 {
		t.Errorf("an empty set has %v, %v, %v, %d", s.Quantile(0.5), s.Max(), s.Mean(), s.Len())
	}
}

func TestMedianLeavesItsValuesAlone(t *testing.T) {
	odd, even := []float64{9, 1, 5}, []float64{4, 1, 3, 2}

	if got := Median(odd); got != 5 || odd[0] != 9 {
		t.Errorf("the median of 9, 1, 5 is %v, and the values are %v", got, odd)
	}
	if got := Median(even); got != 2.5 {
		t.Errorf("the median of 4, 1, 3, 2 is %v, want 2.5", got)
	}
	if got := Median(nil); got != 0 {
		t.Errorf("the median of nothing is %v, want 0", got)
	}
}
