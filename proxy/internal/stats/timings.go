// Package stats counts how long things take. It knows nothing of sessions.
package stats

import (
	"slices"
	"sync/atomic"
	"time"
)

// Timings are a histogram that is still being filled: how many took up to each
// of the bounds, in seconds, and how long all took. It needs no lock: a reader
// may miss the one that is being counted at that moment, no more. What is in
// the counts is in the sum, which is therefore written first and read last.
type Timings struct {
	bounds []float64
	counts []atomic.Int64
	nanos  atomic.Int64
}

// NewTimings makes one with rising bounds, in seconds, each inclusive.
func NewTimings(bounds []float64) *Timings {
	return &Timings{bounds: bounds, counts: make([]atomic.Int64, len(bounds)+1)}
}

// Add counts one.
func (t *Timings) Add(d time.Duration) {
	seconds, bucket := d.Seconds(), 0
	for bucket < len(t.bounds) && seconds > t.bounds[bucket] {
		bucket++
	}
	t.nanos.Add(int64(d))
	t.counts[bucket].Add(1)
}

// Bounds are those that NewTimings was given, which must not be changed.
func (t *Timings) Bounds() []float64 { return t.bounds }

// Counts are how many there were in each bucket alone, with one more for what
// is beyond the last bound, and how long all took.
func (t *Timings) Counts() (counts []int64, sum time.Duration) {
	counts = make([]int64, len(t.counts))
	for i := range t.counts {
		counts[i] = t.counts[i].Load()
	}
	return counts, time.Duration(t.nanos.Load())
}

// Recent remembers the last few hundred durations. The zero value has none; a
// copy is a snapshot.
type Recent struct {
	last [256]time.Duration
	n    int
}

// Add remembers one, in the place of the oldest.
func (r *Recent) Add(d time.Duration) {
	r.last[r.n%len(r.last)] = d
	r.n++
}

// All are those that are remembered, in no order.
func (r *Recent) All() []time.Duration { return slices.Clone(r.last[:min(r.n, len(r.last))]) }

// Quantiles are the longest, the median and the 99th percentile, in seconds; 0
// where there is nothing. It sorts all.
func Quantiles(all []time.Duration) (longest, p50, p99 float64) {
	if len(all) == 0 {
		return 0, 0, 0
	}
	slices.Sort(all)
	return all[len(all)-1].Seconds(), all[len(all)/2].Seconds(), all[len(all)*99/100].Seconds()
}
