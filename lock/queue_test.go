package lock

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// line is a gate for tests: so many slots, and those marked express pass a
// closed door.
type line struct {
	slots, used int
	closed      bool
	express     map[*Waiter]bool
}

func (l *line) Admit(w *Waiter) (Verdict, Reason) {
	switch {
	case l.closed && !l.express[w] && len(l.express) > 0:
		return Skip, "closed"
	case l.closed && !l.express[w]:
		return Stay, "closed"
	case l.used >= l.slots:
		return Stay, "slots"
	}
	l.used++
	return Go, ""
}

func (l *line) Release(*Waiter) { l.used-- }

// guest is an owner that writes down in which order it and others were let in.
type guest struct {
	Waiter
	n   int
	log *[]int
}

func newGuest(n int, log *[]int) *guest {
	g := &guest{n: n, log: log}
	g.Owner = g
	return g
}

func (g *guest) Granted(*Waiter) { *g.log = append(*g.log, g.n) }

func TestFirstComeFirstServed(t *testing.T) {
	gate := &line{slots: 1}
	q := NewQueue(gate, 0)
	var log []int
	var guests []*guest
	for n := range 5 {
		g := newGuest(n, &log)
		in, err := q.Join(&g.Waiter)
		if err != nil || in != (n == 0) {
			t.Fatalf("guest %d: let in %v, %v", n, in, err)
		}
		guests = append(guests, g)
	}
	for _, g := range guests {
		g.Permit().Release()
		g.Permit().Release() // twice is harmless
	}
	if want := []int{1, 2, 3, 4}; !slices.Equal(log, want) {
		t.Errorf("let in %v, want %v", log, want)
	}
	if gate.used != 0 || q.Len() != 0 {
		t.Errorf("%d slots used and %d waiting at the end", gate.used, q.Len())
	}
}

func TestReturnKeepsTheOldPlace(t *testing.T) {
	gate := &line{slots: 1}
	q := NewQueue(gate, 0)
	var log []int
	first, second := newGuest(1, &log), newGuest(2, &log)
	q.Join(&first.Waiter)
	q.Join(&second.Waiter)
	q.Update(func() { gate.closed = true })
	first.Permit().Return()
	q.View(func() {
		if q.head != &first.Waiter || q.Waiting() != 2 {
			t.Error("the one that returned is not at the head")
		}
		if why := second.Why(); why != "closed" {
			t.Errorf("the second waits for %q", why)
		}
	})
	q.Update(func() { gate.closed = false })
	first.Permit().Release()
	if want := []int{1, 2}; !slices.Equal(log, want) {
		t.Errorf("let in %v, want %v", log, want)
	}
}

func TestSkipLetsOthersPass(t *testing.T) {
	gate := &line{slots: 2, closed: true, express: map[*Waiter]bool{}}
	q := NewQueue(gate, 1)
	var log []int
	held, express := newGuest(1, &log), newGuest(2, &log)
	gate.express[&express.Waiter] = true
	q.Join(&held.Waiter)
	if in, err := q.Join(&express.Waiter); !in || err != nil {
		t.Fatalf("express: %v, %v (a full line does not hold it up)", in, err)
	}
	late := newGuest(3, &log)
	if _, err := q.Join(&late.Waiter); !errors.Is(err, ErrFull) {
		t.Fatalf("a full line took another: %v", err)
	}
	late.Permit().Release() // never let in: harmless
	if !q.Leave(&held.Waiter) || q.Leave(&held.Waiter) {
		t.Error("leaving works once")
	}
}

func TestLeaveAfterGrantHoldsAPermit(t *testing.T) {
	gate := &line{slots: 1}
	q := NewQueue(gate, 0)
	var log []int
	a, b := newGuest(1, &log), newGuest(2, &log)
	q.Join(&a.Waiter)
	q.Join(&b.Waiter)
	a.Permit().Release()
	if q.Leave(&b.Waiter) {
		t.Fatal("b left the line it was no longer in")
	}
	b.Permit().Release()
	if gate.used != 0 {
		t.Errorf("%d slots used", gate.used)
	}
}

func TestAgeIsTheClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSemaphore(0)
		go s.Acquire(t.Context())
		time.Sleep(3 * time.Second)
		synctest.Wait()
		ws := s.Waiters()
		if len(ws) != 1 || ws[0].Age != 3*time.Second || ws[0].Why != "slots" || ws[0].Position != 1 {
			t.Errorf("waiters %+v", ws)
		}
		s.Resize(1)
	})
}

// FuzzQueue runs random operations against the plainest list there is.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 2, 0, 3, 1, 1, 4, 5})
	f.Add([]byte("join join leave return release"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		gate := &line{slots: 1}
		q := NewQueue(gate, 7)
		var log []int
		var all []*guest
		var wait, hold []int // the reference: who waits, who is in
		settle := func() {
			for len(wait) > 0 && len(hold) < gate.slots && !gate.closed {
				hold = append(hold, wait[0])
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
				g := newGuest(len(all), &log)
				all = append(all, g)
				in, err := q.Join(&g.Waiter)
				wait = append(wait, g.n)
				settle()
				if got := slices.Contains(hold, g.n); got != in {
					t.Fatalf("join let in %v, reference %v", in, got)
				}
				if len(wait) > 7 {
					if !errors.Is(err, ErrFull) {
						t.Fatalf("join of a full line: %v", err)
					}
					wait = wait[:len(wait)-1] // the one that came; Return may have made it longer before
				}
			case 2: // leave
				if len(wait) > 0 {
					n := pick(wait)
					if !q.Leave(&all[n].Waiter) {
						t.Fatalf("%d is not waiting", n)
					}
					wait = drop(wait, n)
				}
			case 3, 4: // release
				if len(hold) > 0 {
					n := pick(hold)
					hold = drop(hold, n)
					settle()
					all[n].Permit().Release()
				}
			case 5: // return
				if len(hold) > 0 {
					n := pick(hold)
					hold = drop(hold, n)
					at, _ := slices.BinarySearch(wait, n)
					wait = slices.Insert(wait, at, n)
					settle()
					all[n].Permit().Return()
				}
			case 6: // slots
				q.Update(func() { gate.slots = int(op >> 3 & 3) })
				settle()
			case 7: // the door
				q.Update(func() { gate.closed = op>>3&1 == 1 })
				settle()
			}
			q.View(func() {
				var have []int
				for w := range q.Waiters() {
					have = append(have, w.Owner.(*guest).n)
				}
				if !slices.Equal(have, wait) || q.Waiting() != len(wait) {
					t.Fatalf("line %v, reference %v", have, wait)
				}
				if gate.used != len(hold) {
					t.Fatalf("%d slots used, reference %d", gate.used, len(hold))
				}
			})
		}
	})
}

// TestDo changes without letting in, which the next Update does.
func TestDo(t *testing.T) {
	gate := &line{}
	q := NewQueue(gate, 0)
	var log []int
	g := newGuest(1, &log)
	q.Join(&g.Waiter)
	q.Do(func() { gate.slots = 1 })
	if len(log) != 0 || q.Len() != 1 {
		t.Fatalf("Do has let in %v", log)
	}
	q.Update(nil)
	if len(log) != 1 || q.Len() != 0 {
		t.Fatalf("Update has let in %v", log)
	}
}
