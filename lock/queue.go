// Package lock is a strict first-come-first-served line in front of something
// scarce: slots, a backend that is away, a service that is paused.
//
// A Semaphore is what most programs want:
//
//	sem := lock.NewSemaphore(2)
//	slot, err := sem.Acquire(ctx) // waits in line
//	if err != nil {
//		return err
//	}
//	defer slot.Release()
//
// A Queue is the line itself. It asks one Gate who may go, so that every
// reason to wait is a reason of that gate and there is one order and one
// position, whatever is waited for.
package lock

import (
	"errors"
	"iter"
	"slices"
	"time"
)

// ErrFull says that the line has its greatest length: come back later.
var ErrFull = errors.New("lock: queue full")

// Verdict is a gate's answer about one waiter.
type Verdict uint8

const (
	Stay Verdict = iota // not this one, and so nobody behind it
	Skip                // not this one, but ask about the next
	Go                  // let it in; the gate has reserved what it needs
)

// Reason is one fixed word why a waiter waits, or why something ended: it is
// compared, counted and used as a label, so whoever needs another one adds a
// constant. Free text stands beside it, never in it.
type Reason string

// Gate says who may go. Both methods are called with the queue locked: they
// must be quick, and must not call the queue.
type Gate interface {
	// Admit is asked about the head of the line, and about those behind it
	// while it answers Skip. Answering Go it has reserved, in the same step,
	// all that the waiter needs. Otherwise it gives the reason why not.
	Admit(w *Waiter) (v Verdict, why Reason)
	// Release gives back what Admit has reserved for w.
	Release(w *Waiter)
}

// Owner is told when its waiter is let in. Granted is called with the queue
// locked: it may post a message, and must not call the queue.
type Owner interface{ Granted(w *Waiter) }

// Queue is a line of waiters. The zero value is not usable: call NewQueue. Its
// methods may be called from any goroutine.
type Queue struct {
	mu         mutex
	gate       Gate
	max        int
	head, tail *Waiter
	waiting    int
	arrivals   uint64
	cursors    []*cursor // of Walks that are under way
	why        Reason    // what the gate said last to one that had to stay
	round      uint32    // counts the times that the gate was asked
}

// NewQueue makes an empty line in front of gate that holds at most max
// waiters; 0 is no limit.
func NewQueue(gate Gate, max int) *Queue { return &Queue{gate: gate, max: max} }

// state of a waiter.
type state uint8

const (
	out     state = iota // never joined, left, or released
	waiting              // in the line
	in                   // let in: a Permit
)

// Waiter is one place in the line. Embed it in what waits, set Owner, and use
// it with one queue at a time; it needs no allocation of its own. It must not
// be copied.
type Waiter struct {
	Owner Owner

	queue      *Queue
	prev, next *Waiter
	arrival    uint64 // its place: kept by Return
	since      time.Time
	state      state
	joining    bool
	asked      uint32 // the round in which the gate gave why; small, as there may be 100,000
	why        Reason
}

// Permit is what a waiter has become that was let in: one held slot. It is
// the same memory, so holding one costs nothing.
type Permit Waiter

// Join puts w at the end of the line and reports whether it was let in at
// once, in which case its owner is not told. It fails with ErrFull.
func (q *Queue) Join(w *Waiter) (admitted bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.arrivals++
	w.queue, w.arrival, w.since, w.why, w.state = q, q.arrivals, time.Now(), "", waiting
	w.joining = true // if it is let in at once, the caller learns it here
	q.insert(w)
	q.admit()
	w.joining = false
	switch {
	case w.state == in:
		return true, nil
	case q.max > 0 && q.waiting > q.max:
		q.unlink(w)
		w.state = out
		return false, ErrFull
	}
	return false, nil
}

// Leave takes w out of the line and reports whether it was still in it. When
// it was not, it has been let in meanwhile, and the caller holds a Permit to
// release.
func (q *Queue) Leave(w *Waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.state != waiting || w.queue != q {
		return false
	}
	head := q.head == w
	q.unlink(w)
	w.state = out
	if head {
		q.admit() // what the head waited for, the next may not need
	}
	return true
}

// Update runs change with the queue locked, and then lets in whoever may go:
// everything that a gate looks at is changed in here.
func (q *Queue) Update(change func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if change != nil {
		change()
	}
	q.admit()
}

// Do runs change with the queue locked. Nobody is let in: it is for what no
// gate looks at, or what lets in nobody.
func (q *Queue) Do(change func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change()
}

// View runs look with the queue locked. It must change nothing that others can
// see: with the race detector several of them run at once, so that a write in
// one of them is a data race.
func (q *Queue) View(look func()) {
	q.mu.RLock()
	defer q.mu.RUnlock()
	look()
}

// SetMax changes the greatest length of the line; those who wait stay.
func (q *Queue) SetMax(max int) { q.Do(func() { q.max = max }) }

// Len is how many wait. Inside Do, Update and View, use Waiting.
func (q *Queue) Len() (n int) {
	q.View(func() { n = q.waiting })
	return n
}

// Waiters goes through the line from its head. It is for use inside Do,
// Update, View and a Gate, where the queue is locked.
func (q *Queue) Waiters() iter.Seq[*Waiter] {
	return func(yield func(*Waiter) bool) {
		for w := q.head; w != nil; w = w.next {
			if !yield(w) {
				return
			}
		}
	}
}

// page is how many waiters Walk looks at before it lets others have the queue.
const page = 256

// cursor is where a Walk goes on.
type cursor struct{ next *Waiter }

// Walk shows the waiters to see from the head on, a few hundred at a time: in
// between others have the queue, and between is called, if it is not nil. Who
// joins or leaves meanwhile may be seen or not; nobody is seen twice. see is
// called with the queue locked and must change nothing; between is not.
func (q *Queue) Walk(see func(*Waiter), between func()) {
	at := &cursor{}
	q.Do(func() {
		at.next = q.head
		q.cursors = append(q.cursors, at)
	})
	for more := true; more; {
		q.Do(func() {
			for n := 0; n < page && at.next != nil; n++ {
				see(at.next)
				at.next = at.next.next
			}
			if more = at.next != nil; !more {
				q.cursors = slices.DeleteFunc(q.cursors, func(c *cursor) bool { return c == at })
			}
		})
		if between != nil {
			between()
		}
	}
}

// Waiting is how many wait, for use where the queue is locked.
func (q *Queue) Waiting() int { return q.waiting }

// Arrivals is how many have ever joined, for use where the queue is locked: a
// waiter with a higher Arrival comes later than now.
func (q *Queue) Arrivals() uint64 { return q.arrivals }

// Why is what the gate said last to one that had to stay.
func (q *Queue) Why() Reason { return q.why }

// admit lets in all who may go, in order. The queue is locked.
func (q *Queue) admit() {
	q.round++
	for w := q.head; w != nil; {
		next := w.next
		v, why := q.gate.Admit(w)
		w.why, w.asked = why, q.round
		switch v {
		case Go:
			q.unlink(w)
			w.state = in
			if !w.joining {
				w.Owner.Granted(w)
			}
		case Stay:
			q.why = why
			return
		}
		w = next
	}
}

// insert puts w where it belongs by its arrival: at the end, but for one that
// returns.
func (q *Queue) insert(w *Waiter) {
	after := q.tail
	for after != nil && after.arrival > w.arrival {
		after = after.prev
	}
	w.prev = after
	if after == nil {
		w.next, q.head = q.head, w
	} else {
		w.next, after.next = after.next, w
	}
	if w.next == nil {
		q.tail = w
	} else {
		w.next.prev = w
	}
	q.waiting++
}

func (q *Queue) unlink(w *Waiter) {
	for _, c := range q.cursors {
		if c.next == w {
			c.next = w.next
		}
	}
	if w.prev == nil {
		q.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	q.waiting--
}

// Since is when w joined.
func (w *Waiter) Since() time.Time { return w.since }

// Arrival numbers the waiters of a queue in the order in which they came.
func (w *Waiter) Arrival() uint64 { return w.arrival }

// Why is the reason why w waits. The gate is not asked about those behind one
// that has to stay: they wait for what that one waits for, whatever they were
// told while they stood at the head themselves. It is for use inside Do,
// Update and View.
func (w *Waiter) Why() Reason {
	if q := w.queue; q != nil && w.state == waiting && w.asked != q.round {
		return q.why
	}
	return w.why
}

// Permit is what w has become once it was let in.
func (w *Waiter) Permit() *Permit { return (*Permit)(w) }

// Release gives the slot back and hands it to the next in line. Releasing
// twice, or what was never let in, does nothing.
func (p *Permit) Release() { p.giveBack(false) }

// Return gives the slot back and puts its holder in its old place in the
// line: ahead of all who came after it. Nobody else gets in between.
func (p *Permit) Return() { p.giveBack(true) }

func (p *Permit) giveBack(again bool) {
	w := (*Waiter)(p)
	q := w.queue
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.state != in {
		return
	}
	w.state = out
	q.gate.Release(w)
	if again {
		w.state = waiting
		q.insert(w)
	}
	q.admit()
}
