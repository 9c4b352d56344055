package proxy

import (
	"fmt"
	"sync"
	"testing"
)

// TestTheRingCountsWhatItDrops, and its numbers have no gaps.
func TestTheRingCountsWhatItDrops(t *testing.T) {
	r := newRing(8)
	if page, _ := r.since(0, 0); len(page.Events) != 0 || page.Last != 0 || page.Dropped != 0 {
		t.Errorf("empty: %+v", page)
	}
	for n := range 20 {
		r.add(Event{Text: fmt.Sprint(n + 1)})
	}
	for _, c := range []struct {
		since          uint64
		max            int
		first, n, lost uint64
	}{
		{0, 0, 13, 8, 12}, {12, 0, 13, 8, 0}, {5, 0, 13, 8, 7}, {13, 0, 14, 7, 0}, {19, 0, 20, 1, 0}, {20, 0, 0, 0, 0},
		{0, 3, 13, 3, 12}, {99, 0, 13, 8, 12}, // from before a restart
	} {
		page, _ := r.since(c.since, c.max)
		if uint64(len(page.Events)) != c.n || page.Dropped != c.lost || page.Last != 20 {
			t.Errorf("since %d: %+v", c.since, page)
			continue
		}
		for n, ev := range page.Events {
			if ev.Seq != c.first+uint64(n) || ev.Text != fmt.Sprint(ev.Seq) || ev.Level != LevelInfo || ev.Time.IsZero() {
				t.Errorf("since %d: event %d is %+v", c.since, n, ev)
			}
		}
	}
}

// TestAReaderMissesNothingButWhatIsCounted, however slow it is.
func TestAReaderMissesNothingButWhatIsCounted(t *testing.T) {
	const writers, each = 4, 5000
	r := newRing(16)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				r.add(Event{})
			}
		})
	}
	var last, seen, dropped uint64
	for seen+dropped < writers*each {
		page, more := r.since(last, 0)
		if len(page.Events) == 0 {
			<-more
			continue
		}
		dropped += page.Dropped
		for _, ev := range page.Events {
			if ev.Seq <= last {
				t.Fatalf("%d after %d", ev.Seq, last)
			}
			seen++
			last = ev.Seq
		}
		if last != seen+dropped {
			t.Fatalf("at %d: %d seen and %d dropped", last, seen, dropped)
		}
	}
	all.Wait()
}
