package lock

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// testGate has a number of slots; waiters marked express are admitted even while it is
// closed.
type testGate struct {
	slots, used int
	closed      bool
	express     map[*Waiter]bool
}

func (g *testGate) Admit(w *Waiter) (Decision, Reason) {
	switch {
	case g.closed && !g.express[w] && len(g.express) > 0:
		return Skip, "closed"
	case g.closed && !g.express[w]:
		return Wait, "closed"
	case g.used >= g.slots:
		return Wait, "slots"
	}
	g.used++
	return Admit, ""
}

func (g *testGate) Release(*Waiter) { g.used-- }

// testWaiter is an owner that records the order in which waiters are admitted.
type testWaiter struct {
	Waiter
	n   int
	log *[]int
}

func newTestWaiter(n int, log *[]int) *testWaiter {
	g := &testWaiter{n: n, log: log}
	g.Owner = g
	return g
}

func (w *testWaiter) Granted(*Waiter) { *w.log = append(*w.log, w.n) }

func TestFirstComeFirstServed(t *testing.T) {
	gate := &testGate{slots: 1}
	q := NewQueue(gate, 0)
	var log []int
	var waiters []*testWaiter
	for n := range 5 {
		g := newTestWaiter(n, &log)
		in, err := q.Join(&g.Waiter)
		if err != nil || in != (n == 0) {
			t.Fatalf("waiter %d: admitted %v, %v", n, in, err)
		}
		waiters = append(waiters, g)
	}
	for _, g := range waiters {
		g.Permit().Release()
		g.Permit().Release() // twice is harmless
	}
	if want := []int{1, 2, 3, 4}; !slices.Equal(log, want) {
		t.Errorf("admitted %v, want %v", log, want)
	}
	if gate.used != 0 || q.Len() != 0 {
		t.Errorf("%d slots used and %d waiting at the end", gate.used, q.Len())
	}
}

func TestRequeueKeepsTheOldPlace(t *testing.T) {
	gate := &testGate{slots: 1}
	q := NewQueue(gate, 0)
	var log []int
	first, second := newTestWaiter(1, &log), newTestWaiter(2, &log)
	q.Join(&first.Waiter)
	q.Join(&second.Waiter)
	q.Update(func() { gate.closed = true })
	first.Permit().Requeue()
	q.View(func() {
		if q.head != &first.Waiter || q.Waiting() != 2 {
			t.Error("the requeued waiter is not at the head")
		}
		if reason := second.Reason(); reason != "closed" {
			t.Errorf("the second waits for %q", reason)
		}
	})
	q.Update(func() { gate.closed = false })
	first.Permit().Release()
	if want := []int{1, 2}; !slices.Equal(log, want) {
		t.Errorf("admitted %v, want %v", log, want)
	}
}

func TestSkipLetsOthersPass(t *testing.T) {
	gate := &testGate{slots: 2, closed: true, express: map[*Waiter]bool{}}
	q := NewQueue(gate, 1)
	var log []int
	waiting, express := newTestWaiter(1, &log), newTestWaiter(2, &log)
	gate.express[&express.Waiter] = true
	q.Join(&waiting.Waiter)
	if in, err := q.Join(&express.Waiter); !in || err != nil {
		t.Fatalf("express: %v, %v (even a full queue must admit it)", in, err)
	}
	late := newTestWaiter(3, &log)
	if _, err := q.Join(&late.Waiter); !errors.Is(err, ErrFull) {
		t.Fatalf("a full queue accepted another waiter: %v", err)
	}
	late.Permit().Release() // never admitted: harmless
	if !q.Remove(&waiting.Waiter) || q.Remove(&waiting.Waiter) {
		t.Error("Remove must return true exactly once")
	}
}

func TestRemoveAfterGrantHoldsAPermit(t *testing.T) {
	gate := &testGate{slots: 1}
	q := NewQueue(gate, 0)
	var log []int
	a, b := newTestWaiter(1, &log), newTestWaiter(2, &log)
	q.Join(&a.Waiter)
	q.Join(&b.Waiter)
	a.Permit().Release()
	if q.Remove(&b.Waiter) {
		t.Fatal("b was removed from the queue it was no longer in")
	}
	b.Permit().Release()
	if gate.used != 0 {
		t.Errorf("%d slots used", gate.used)
	}
}

// TestJoinOfAWaiterThatHasJoined panics, and the queue goes on.
func TestJoinOfAWaiterThatHasJoined(t *testing.T) {
	q := NewQueue(&testGate{slots: 1}, 0)
	var log []int
	waiters := []*testWaiter{newTestWaiter(0, &log), newTestWaiter(1, &log)}
	for _, w := range waiters {
		q.Join(&w.Waiter)
	}
	for _, w := range waiters {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("waiter %d has joined twice", w.n)
				}
			}()
			q.Join(&w.Waiter)
		}()
	}
	waiters[0].Permit().Release()
	if !slices.Equal(log, []int{1}) || q.Len() != 0 {
		t.Errorf("admitted %v, waiting %d", log, q.Len())
	}
}

func TestAgeOfAWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSemaphore(0)
		go s.Acquire(t.Context())
		time.Sleep(3 * time.Second)
		synctest.Wait()
		ws := s.Waiters()
		if len(ws) != 1 || ws[0].Age != 3*time.Second || ws[0].Reason != "slots" || ws[0].Position != 1 {
			t.Errorf("waiters %+v", ws)
		}
		s.Resize(1)
	})
}

// FuzzQueue runs random operations against a plain list.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 2, 0, 3, 1, 1, 4, 5})
	f.Add([]byte("join join leave return release"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		gate := &testGate{slots: 1}
		q := NewQueue(gate, 7)
		var log []int
		var all []*testWaiter
		var wait, admitted []int // the reference: the waiters, and those that were admitted
		settle := func() {
			for len(wait) > 0 && len(admitted) < gate.slots && !gate.closed {
				admitted = append(admitted, wait[0])
				wait = wait[1:]
			}
		}
		for _, op := range ops {
			pick := func(from []int) int { return from[int(op>>3)%len(from)] }
			drop := func(from []int, n int) []int {
				i := slices.Index(from, n)
				return slices.Delete(from, i, i+1)
			}
			switch op & 7 {
			case 0, 1: // join
				g := newTestWaiter(len(all), &log)
				all = append(all, g)
				in, err := q.Join(&g.Waiter)
				wait = append(wait, g.n)
				settle()
				if got := slices.Contains(admitted, g.n); got != in {
					t.Fatalf("join admitted %v, reference %v", in, got)
				}
				if len(wait) > 7 {
					if !errors.Is(err, ErrFull) {
						t.Fatalf("join of a full queue: %v", err)
					}
					wait = wait[:len(wait)-1] // the one that joined; an earlier Requeue may have exceeded the limit
				}
			case 2: // remove
				if len(wait) > 0 {
					n := pick(wait)
					if !q.Remove(&all[n].Waiter) {
						t.Fatalf("%d is not waiting", n)
					}
					wait = drop(wait, n)
				}
			case 3, 4: // release
				if len(admitted) > 0 {
					n := pick(admitted)
					admitted = drop(admitted, n)
					settle()
					all[n].Permit().Release()
				}
			case 5: // requeue
				if len(admitted) > 0 {
					n := pick(admitted)
					admitted = drop(admitted, n)
					at, _ := slices.BinarySearch(wait, n)
					wait = slices.Insert(wait, at, n)
					settle()
					all[n].Permit().Requeue()
				}
			case 6: // slots
				q.Update(func() { gate.slots = int(op >> 3 & 3) })
				settle()
			case 7: // close or open
				q.Update(func() { gate.closed = op>>3&1 == 1 })
				settle()
			}
			q.View(func() {
				var have []int
				for w := range q.Waiters() {
					have = append(have, w.Owner.(*testWaiter).n)
				}
				if !slices.Equal(have, wait) || q.Waiting() != len(wait) {
					t.Fatalf("queue %v, reference %v", have, wait)
				}
				if gate.used != len(admitted) {
					t.Fatalf("%d slots used, reference %d", gate.used, len(admitted))
				}
			})
		}
	})
}

// TestDo: Do changes without admitting, and the next Update admits.
func TestDo(t *testing.T) {
	gate := &testGate{}
	q := NewQueue(gate, 0)
	var log []int
	g := newTestWaiter(1, &log)
	q.Join(&g.Waiter)
	q.Do(func() { gate.slots = 1 })
	if len(log) != 0 || q.Len() != 1 {
		t.Fatalf("Do admitted %v", log)
	}
	q.Update(nil)
	if len(log) != 1 || q.Len() != 0 {
		t.Fatalf("Update admitted %v", log)
	}
}
