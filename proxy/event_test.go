package proxy

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestEventKinds reads the constants as they stand in the source: a kind that
// is not in the list could not be asked for in [notify].
func TestEventKinds(t *testing.T) {
	src, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`(?m)^\tEvent\w+ += ("[^"]+")`).FindAllSubmatch(src, -1)
	for _, k := range kinds {
		if kind, _ := strconv.Unquote(string(k[1])); !slices.Contains(EventKinds, kind) {
			t.Errorf("EventKinds lacks %s", kind)
		}
	}
	if len(kinds) != len(EventKinds) {
		t.Errorf("%d kinds, and %d in EventKinds", len(kinds), len(EventKinds))
	}
}

func TestTimingsFindTheirBucket(t *testing.T) {
	h := newTimings([]float64{.1, 1})
	for _, d := range []time.Duration{0, 100 * time.Millisecond, 101 * time.Millisecond, time.Second, time.Minute} {
		h.add(d)
	}
	i := h.info()
	if i.Counts[0] != 2 || i.Counts[1] != 2 || i.Counts[2] != 1 || i.Count() != 5 || i.Sum != 61.201 {
		t.Errorf("%+v", i)
	}
}
