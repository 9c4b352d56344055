package stats

import (
	"slices"
	"testing"
	"time"
)

func TestTimingsFindTheirBucket(t *testing.T) {
	h := NewTimings([]float64{.1, 1})
	for _, d := range []time.Duration{0, 100 * time.Millisecond, 101 * time.Millisecond, time.Second, time.Minute} {
		h.Add(d)
	}
	if counts, sum := h.Counts(); !slices.Equal(counts, []int64{2, 2, 1}) || sum != 61201*time.Millisecond {
		t.Errorf("%v, %v", counts, sum)
	}
}

func TestRecentForgetsTheOldest(t *testing.T) {
	var r Recent
	for n := range 300 {
		r.Add(time.Duration(n))
	}
	if longest, p50, _ := Quantiles(r.All()); longest != (299*time.Nanosecond).Seconds() || p50 != (172*time.Nanosecond).Seconds() || len(r.All()) != 256 {
		t.Errorf("longest %g, median %g of %d", longest, p50, len(r.All()))
	}
}
