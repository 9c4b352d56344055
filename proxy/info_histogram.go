package proxy

import "github.com/tcpctl/tcpctl/proxy/internal/stats"

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

// histogramOf is what t has counted so far.
func histogramOf(t *stats.Timings) Histogram {
	counts, sum := t.Counts()
	return Histogram{Bounds: t.Bounds(), Counts: counts, Sum: sum.Seconds()}
}
