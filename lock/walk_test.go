package lock

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// TestWalk visits all waiters that stay in the queue, in order, each once, while others
// join and are removed between its batches.
func TestWalk(t *testing.T) {
	q := NewQueue(&testGate{}, 0)
	var log []int
	var stay, come []*testWaiter
	for n := range 5 * walkBatch {
		g := newTestWaiter(n, &log)
		q.Join(&g.Waiter)
		if n%2 == 0 {
			stay = append(stay, g)
		} else {
			come = append(come, g)
		}
	}
	var seen []int
	q.Walk(func(w *Waiter) { seen = append(seen, w.Owner.(*testWaiter).n) }, func() {
		for range 40 { // some before the cursor, some after it, some right at it
			if n := rand.IntN(len(come)); q.Remove(&come[n].Waiter) {
				come = slices.Delete(come, n, n+1)
			}
		}
		if at := slices.IndexFunc(come, func(g *testWaiter) bool { return g.n > seen[len(seen)-1] }); at >= 0 {
			q.Remove(&come[at].Waiter)
			come = slices.Delete(come, at, at+1)
		}
		g := newTestWaiter(9*walkBatch, &log)
		q.Join(&g.Waiter)
	})
	if !slices.IsSorted(seen) {
		t.Error("out of order")
	}
	once := map[int]bool{}
	for _, n := range seen {
		if once[n] && n < 9*walkBatch {
			t.Errorf("%d was visited twice", n)
		}
		once[n] = true
	}
	for _, g := range append(stay, come...) {
		if !once[g.n] {
			t.Errorf("%d stayed all the time, but was not visited", g.n)
		}
	}
	if len(q.cursors) != 0 {
		t.Error("a cursor remains")
	}
}

// TestWalksAtOnce is for the race detector.
func TestWalksAtOnce(t *testing.T) {
	gate := &testGate{slots: 1}
	q := NewQueue(gate, 0)
	var log []int
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for range 50 {
				n := 0
				q.Walk(func(w *Waiter) { n += int(w.Arrival()) }, nil)
			}
		})
	}
	for n := range 3 * walkBatch {
		g := newTestWaiter(n, &log)
		if in, _ := q.Join(&g.Waiter); in {
			defer g.Permit().Release()
		}
	}
	all.Wait()
}
