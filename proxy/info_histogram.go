package proxy

import "github.com/tcpctl/tcpctl/proxy/internal/stats"

// Histogram is a histogram of durations since the start. Its buckets have fixed
// bounds, so that readers can add and subtract any two histograms of a kind.
type Histogram struct {
	Bounds []float64 `json:"bounds_seconds"` // inclusive upper bounds, ascending; shared: do not modify
	Counts []int64   `json:"counts"`         // count of each bucket, not cumulative, and of durations above the last bound
	Sum    float64   `json:"sum_seconds"`    // sum of all durations
}

// Count returns the number of durations.
func (h Histogram) Count() (n int64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// histogramOf returns the counts of t so far.
func histogramOf(t *stats.Timings) Histogram {
	counts, sum := t.Counts()
	return Histogram{Bounds: t.Bounds(), Counts: counts, Sum: sum.Seconds()}
}
