// Package sample holds measured times and tells exact quantiles of them: every sample is
// kept, none is put into a bucket. It knows nothing of what was measured.
package sample

import (
	"math"
	"slices"
	"time"
)

// A Set holds measured times. The zero value is empty and ready. It is not safe for
// concurrent use: goroutines fill sets of their own, and one joins them.
type Set struct {
	times  []time.Duration
	sorted bool
}

// Add puts one time into the set.
func (s *Set) Add(d time.Duration) {
	s.times = append(s.times, d)
	s.sorted = false
}

// Join puts the times of another set into this one.
func (s *Set) Join(o *Set) {
	s.times = append(s.times, o.times...)
	s.sorted = false
}

// Len returns how many times there are.
func (s *Set) Len() int { return len(s.times) }

// Quantile returns the smallest time that at least the share q of all times does not exceed
// (the nearest rank), q from 0 to 1. Of an empty set it is 0.
func (s *Set) Quantile(q float64) time.Duration {
	if len(s.times) == 0 {
		return 0
	}
	if !s.sorted {
		slices.Sort(s.times)
		s.sorted = true
	}
	// The product of a decimal fraction and a count can lie a hair above the whole number that is meant.
	rank := int(math.Ceil(q*float64(len(s.times)) - 1e-9))
	return s.times[min(max(rank, 1), len(s.times))-1]
}

// Max returns the longest time, 0 of an empty set.
func (s *Set) Max() time.Duration { return s.Quantile(1) }

// Mean returns the arithmetic mean, 0 of an empty set.
func (s *Set) Mean() time.Duration {
	if len(s.times) == 0 {
		return 0
	}
	var sum time.Duration
	for _, d := range s.times {
		sum += d
	}
	return sum / time.Duration(len(s.times))
}

// Median returns the middle value, of an even number the mean of the two in the middle, 0 of
// none. It leaves values as they are.
func Median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	switch n := len(v); {
	case n == 0:
		return 0
	case n%2 == 1:
		return v[n/2]
	default:
		return (v[n/2-1] + v[n/2]) / 2
	}
}
