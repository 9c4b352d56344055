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

// number is an event that is its own number.
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

// TestTheRingGrows up to its size, and keeps its events.
func TestTheRingGrows(t *testing.T) {
	const size = 300
	l := New[uint64](size, nil)
	for n := range uint64(3 * size) {
		l.Add(number)
		events, dropped, last, _ := l.Since(0)
		if len(events) != int(min(n+1, size)) || last != n+1 || events[0] != dropped+1 || events[len(events)-1] != last {
			t.Fatalf("%d of %d events are kept: %v", len(events), n+1, events)
		}
	}
}

// TestAReaderMissesNothingButWhatIsCounted: every event that a slow reader misses is
// counted.
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

// TestTheWriterGetsEachInOrder, from one goroutine, which ends.
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

// TestAStuckWriterHoldsUpNobody: events are added and read, Flush returns at the end of
// its patience, and the writer learns what it has missed.
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
		synctest.Wait() // it has the first event
		for range 20 {
			l.Add(number)
		}
		if events, _, last, _ := l.Since(0); len(events) != 8 || last != 21 {
			t.Errorf("read %v", events)
		}
		began := time.Now()
		if l.Flush(time.Second) || time.Since(began) != time.Second {
			t.Errorf("Flush returned after %s", time.Since(began))
		}
		close(free)
		if !l.Flush(time.Second) || !slices.Equal(got, []uint64{1, 14, 15, 16, 17, 18, 19, 20, 21}) || missed != 12 {
			t.Errorf("written %v, %d missed", got, missed)
		}
	})
}

// TestRestorePutsThePastBefore the events that were added here, which are renumbered.
func TestRestorePutsThePastBefore(t *testing.T) {
	same := func(n uint64) uint64 { return n }
	renumber := func(_, seq uint64) uint64 { return seq }
	for _, c := range []struct {
		name       string
		own        int
		past       []uint64
		last       uint64
		want       []uint64
		newestWas  uint64
		writerGets int
	}{
		{"nothing here yet", 0, []uint64{5, 6, 7}, 7, []uint64{5, 6, 7}, 7, 0},
		{"two of our own", 2, []uint64{5, 6, 7}, 7, []uint64{5, 6, 7, 8, 9}, 9, 2},
		{"a hole in the past", 1, []uint64{3, 6, 7}, 7, []uint64{6, 7, 8}, 8, 1},
		{"only the number is known", 1, nil, 100, []uint64{101}, 101, 1},
		{"more past than there is room", 1, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 10, []uint64{4, 5, 6, 7, 8, 9, 10, 11}, 11, 1},
		{"no past", 2, nil, 0, []uint64{1, 2}, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			gate, got := make(chan struct{}), 0
			l := New(8, func(ev, missed uint64) { <-gate; got++ })
			for range c.own {
				l.Add(number)
			}
			_, _, _, more := l.Since(uint64(c.own))
			l.Restore(c.past, c.last, same, renumber)
			events, _, last, _ := l.Since(0)
			if !slices.Equal(events, c.want) || last != c.newestWas {
				t.Errorf("%v, last %d; want %v", events, last, c.want)
			}
			if c.last > 0 {
				<-more // a waiting reader is woken
			}
			close(gate)
			if !l.Flush(time.Minute) || got != c.writerGets {
				t.Errorf("the writer got %d events, want %d", got, c.writerGets)
			}
			l.Add(number)
			if _, _, last, _ := l.Since(0); last != c.newestWas+1 {
				t.Errorf("the next is %d", last)
			}
			l.Restore(nil, 1, same, renumber) // older than the log
			if _, _, last, _ := l.Since(0); c.last > 1 && last != c.newestWas+1 {
				t.Errorf("an older past has moved the numbers to %d", last)
			}
		})
	}
}
