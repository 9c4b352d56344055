package eventlog

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// number is an event that knows its number.
func number(seq uint64) uint64 { return seq }

// TestTheRingCountsWhatItDrops, and its numbers have no gaps.
func TestTheRingCountsWhatItDrops(t *testing.T) {
	l := New[uint64](8, nil)
	if events, dropped, last, _ := l.Since(0); len(events) != 0 || last != 0 || dropped != 0 {
		t.Errorf("empty: %v, %d dropped, last %d", events, dropped, last)
	}
	for range 20 {
		l.Add(number)
	}
	for _, c := range []struct{ since, first, n, dropped uint64 }{
		{0, 13, 8, 12}, {12, 13, 8, 0}, {5, 13, 8, 7}, {13, 14, 7, 0}, {19, 20, 1, 0}, {20, 0, 0, 0},
		{99, 13, 8, 12}, // from before a restart
	} {
		events, dropped, last, _ := l.Since(c.since)
		if uint64(len(events)) != c.n || dropped != c.dropped || last != 20 || c.n > 0 && events[0] != c.first {
			t.Errorf("since %d: %v, %d dropped, last %d", c.since, events, dropped, last)
		}
		for n, ev := range events {
			if ev != events[0]+uint64(n) {
				t.Errorf("since %d: %v", c.since, events)
			}
		}
	}
}

// TestAReaderMissesNothingButWhatIsCounted, however slow it is.
func TestAReaderMissesNothingButWhatIsCounted(t *testing.T) {
	const writers, each = 4, 5000
	l := New[uint64](16, nil)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				l.Add(number)
			}
		})
	}
	var at, seen, missed uint64
	for seen+missed < writers*each {
		events, dropped, _, more := l.Since(at)
		if len(events) == 0 {
			<-more
			continue
		}
		missed += dropped
		for _, ev := range events {
			if ev <= at {
				t.Fatalf("%d after %d", ev, at)
			}
			seen++
			at = ev
		}
		if at != seen+missed {
			t.Fatalf("at %d: %d seen and %d dropped", at, seen, missed)
		}
	}
	all.Wait()
}

// TestTheWriterGetsEachInOrder, by one goroutine, which ends.
func TestTheWriterGetsEachInOrder(t *testing.T) {
	var got, want []uint64
	l := New(8, func(ev, missed uint64) {
		if missed != 0 {
			t.Errorf("%d missed before %d", missed, ev)
		}
		got = append(got, ev)
	})
	for n := range uint64(100) {
		l.Add(number)
		want = append(want, n+1)
		if n%8 == 7 && !l.Flush(time.Minute) {
			t.Fatal("the writer does not catch up")
		}
	}
	if !l.Flush(time.Minute) || !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// TestAStuckWriterHoldsUpNobody: events are added and read, Flush comes back
// at the end of its patience, and the writer learns what it has missed.
func TestAStuckWriterHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		var got []uint64
		var missed uint64
		l := New(8, func(ev, n uint64) {
			<-free
			got, missed = append(got, ev), missed+n
		})
		l.Add(number)
		synctest.Wait() // it has the first
		for range 20 {
			l.Add(number)
		}
		if events, _, last, _ := l.Since(0); len(events) != 8 || last != 21 {
			t.Errorf("read %v", events)
		}
		began := time.Now()
		if l.Flush(time.Second) || time.Since(began) != time.Second {
			t.Errorf("Flush came back after %s", time.Since(began))
		}
		close(free)
		if !l.Flush(time.Second) || !slices.Equal(got, []uint64{1, 14, 15, 16, 17, 18, 19, 20, 21}) || missed != 12 {
			t.Errorf("written %v, %d missed", got, missed)
		}
	})
}
