package proxy

import (
	"sync/atomic"
	"time"
)

// Histogram counts how long something took since the start, in buckets with
// fixed bounds, so that readers can add and subtract any two of a kind.
type Histogram struct {
	Bounds []float64 `json:"bounds_seconds"` // upper ends, inclusive, rising; shared: do not change
	Counts []int64   `json:"counts"`         // of each bucket alone, and one more for what is beyond the last bound
	Sum    float64   `json:"sum_seconds"`    // of all
}

// Count is how many were counted.
func (h Histogram) Count() (n int64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Bounds of the histograms: steps that an operator can name, around what is
// usual, and so few that a thousand services are no burden.
var (
	connectBounds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	waitBounds    = []float64{.001, .01, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
	sessionBounds = []float64{.01, .1, 1, 10, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600}
)

// timings is a Histogram that is still being filled. It needs no lock: a
// reader may miss the one that is being counted at that moment, no more. What
// is in the counts is in the sum, which is therefore written first and read
// last.
type timings struct {
	bounds []float64
	counts []atomic.Int64
	nanos  atomic.Int64
}

func newTimings(bounds []float64) *timings {
	return &timings{bounds: bounds, counts: make([]atomic.Int64, len(bounds)+1)}
}

func (t *timings) add(d time.Duration) {
	seconds, bucket := d.Seconds(), 0
	for bucket < len(t.bounds) && seconds > t.bounds[bucket] {
		bucket++
	}
	t.nanos.Add(int64(d))
	t.counts[bucket].Add(1)
}

func (t *timings) info() Histogram {
	h := Histogram{Bounds: t.bounds, Counts: make([]int64, len(t.counts))}
	for i := range t.counts {
		h.Counts[i] = t.counts[i].Load()
	}
	h.Sum = time.Duration(t.nanos.Load()).Seconds()
	return h
}
