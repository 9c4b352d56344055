// Package lock is a strict first-come-first-served queue in front of something
// scarce: slots, a backend that is down, a service that is paused.
//
// A [Semaphore] is what most programs want:
//
//	sem := lock.NewSemaphore(2)
//	slot, err := sem.Acquire(ctx) // waits in the queue
//	if err != nil {
//		return err
//	}
//	defer slot.Release()
//
// A [Queue] is for programs with conditions of their own. It asks one [Gate]
// which [Waiter] may be admitted, so that every reason to wait is a reason of
// that gate, and there is one order and one position, whatever is waited for.
// A waiter that is admitted holds a [Permit]; its Release admits the next.
package lock

import (
	"errors"
	"iter"
	"slices"
	"time"
)

// ErrFull is the error of Join when the queue has its greatest length: try
// again later.
var ErrFull = errors.New("lock: queue full")

// Decision is a gate's answer about one waiter.
type Decision uint8

const (
	Wait  Decision = iota // this one waits, and so do all behind it
	Skip                  // this one waits, but ask about the next
	Admit                 // this one is admitted: the gate has reserved what it needs
)

// Reason is one fixed word why a waiter waits, or why something ended: it is
// compared, counted and used as a label, so another reason is another
// constant. Free text stands beside it, never in it.
type Reason string

// Gate decides which waiters are admitted. Both methods are called with the
// queue locked: they must be quick, and must not call the queue, except for
// the methods that say so.
type Gate interface {
	// Admit is asked about the head of the queue, and about those behind it
	// while it answers Skip. Answering Admit it has reserved, in the same
	// step, all that the waiter needs. Otherwise it gives the reason to wait.
	// It is asked again about all who wait whenever the queue changes: after
	// a Join, an Update, a Release, and a Remove of the head.
	Admit(w *Waiter) (Decision, Reason)
	// Release gives back what Admit has reserved for w.
	Release(w *Waiter)
}

// Owner learns by Granted that its waiter was admitted: from then on it holds
// w.Permit. Granted is called with the queue locked, by whichever goroutine
// made room: it may post a message, and must not call the queue.
type Owner interface{ Granted(w *Waiter) }

// Queue is a first-come-first-served queue of waiters. The zero value is not
// usable: call NewQueue. Its methods may be called from any goroutine; those
// for use where the queue is locked are called inside Do, Update, View, Walk
// or a Gate.
type Queue struct {
	mu         mutex
	gate       Gate
	max        int
	head, tail *Waiter
	waiting    int
	arrivals   uint64
	cursors    []*cursor // of Walks that are under way
	reason     Reason    // that the gate gave last for Wait
	round      uint32    // counts the times that the gate was asked
}

// NewQueue makes an empty queue in front of gate that holds at most max
// waiters; 0 is no limit.
func NewQueue(gate Gate, max int) *Queue { return &Queue{gate: gate, max: max} }

// state of a waiter.
type state uint8

const (
	out      state = iota // never joined, removed, or released
	waiting               // in the queue
	admitted              // a Permit
)

// Waiter is one entry of a queue. Embed it in what waits, set Owner, and use
// it with one queue at a time; it needs no allocation of its own. Once it was
// removed or released it may join again. It must not be copied.
type Waiter struct {
	Owner Owner

	queue      *Queue
	prev, next *Waiter
	arrival    uint64 // its place in the order: kept by Requeue
	since      time.Time
	state      state
	joining    bool
	asked      uint32 // the round in which the gate gave reason; small, as there may be 100,000
	reason     Reason
}

// Permit is a waiter that was admitted: it holds what the gate has reserved
// for it, until Release or Requeue. It is the same memory as the Waiter, so
// holding one costs nothing.
type Permit Waiter

// Join puts w at the end of the queue and reports whether it was admitted at
// once: then the caller holds w.Permit, and Granted is not called. It fails
// with ErrFull when w would have to wait and the queue is full.
func (q *Queue) Join(w *Waiter) (granted bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.arrivals++
	w.queue, w.arrival, w.since, w.reason, w.state = q, q.arrivals, time.Now(), "", waiting
	w.joining = true // if it is admitted at once, the caller learns it here
	q.insert(w)
	q.admit()
	w.joining = false
	switch {
	case w.state == admitted:
		return true, nil
	case q.max > 0 && q.waiting > q.max:
		q.unlink(w)
		w.state = out
		return false, ErrFull
	}
	return false, nil
}

// Remove takes w out of the queue and reports whether it was still in it. When
// a waiter that has joined was not, it has been admitted meanwhile: the caller
// holds w.Permit and has to release it.
func (q *Queue) Remove(w *Waiter) bool {
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

// Update runs change with the queue locked, and then asks the gate about those
// who wait: everything that a gate looks at is changed in here. A nil change
// only asks.
func (q *Queue) Update(change func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if change != nil {
		change()
	}
	q.admit()
}

// Do runs change with the queue locked and does not ask the gate: it is for
// what no gate looks at, and for changes that admit no waiter.
func (q *Queue) Do(change func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change()
}

// View runs read with the queue locked. It must change nothing that others can
// see: with the race detector several of them run at once, so that a write in
// one of them is a data race.
func (q *Queue) View(read func()) {
	q.mu.RLock()
	defer q.mu.RUnlock()
	read()
}

// SetMax changes the greatest length of the queue; 0 is no limit. Those who
// wait already go on waiting.
func (q *Queue) SetMax(max int) { q.Do(func() { q.max = max }) }

// Len is how many wait. Where the queue is locked, use Waiting.
func (q *Queue) Len() (n int) {
	q.View(func() { n = q.waiting })
	return n
}

// Waiters yields the waiters from the head on, for use where the queue is
// locked.
func (q *Queue) Waiters() iter.Seq[*Waiter] {
	return func(yield func(*Waiter) bool) {
		for w := q.head; w != nil; w = w.next {
			if !yield(w) {
				return
			}
		}
	}
}

// page is how many waiters Walk visits before it unlocks the queue for others.
const page = 256

// cursor is where a Walk goes on.
type cursor struct{ next *Waiter }

// Walk calls visit for each waiter from the head on, with the queue locked but
// unlocked after every few hundred, where between is called, if it is not nil.
// A waiter that joins or is removed meanwhile is visited or not; none is
// visited twice, unless it is admitted and comes back by Requeue. visit must
// change nothing.
func (q *Queue) Walk(visit func(*Waiter), between func()) {
	at := &cursor{}
	q.Do(func() {
		at.next = q.head
		q.cursors = append(q.cursors, at)
	})
	for more := true; more; {
		q.Do(func() {
			for n := 0; n < page && at.next != nil; n++ {
				visit(at.next)
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

// Arrivals is how many have ever joined, for use where the queue is locked:
// only those who join later have a higher Arrival.
func (q *Queue) Arrivals() uint64 { return q.arrivals }

// Reason is what the gate gave last for Wait, for use where the queue is
// locked. It stays when nobody waits any more.
func (q *Queue) Reason() Reason { return q.reason }

// admit asks the gate about the waiters, in order, until one has to wait. The
// queue is locked.
func (q *Queue) admit() {
	q.round++
	for w := q.head; w != nil; {
		next := w.next
		decision, reason := q.gate.Admit(w)
		w.reason, w.asked = reason, q.round
		switch decision {
		case Admit:
			q.unlink(w)
			w.state = admitted
			if !w.joining {
				w.Owner.Granted(w)
			}
		case Wait:
			q.reason = reason
			return
		}
		w = next
	}
}

// insert puts w where it belongs by its arrival: at the end, except after a
// Requeue.
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

// Since is when w joined; Requeue does not change it.
func (w *Waiter) Since() time.Time { return w.since }

// Arrival numbers the waiters of a queue in the order in which they came.
func (w *Waiter) Arrival() uint64 { return w.arrival }

// Reason is why w waits, for use where the queue is locked. The gate is not
// asked about those behind one that has to wait: their reason is that one's,
// even if the gate gave them another while they stood at the head themselves.
func (w *Waiter) Reason() Reason {
	if q := w.queue; q != nil && w.state == waiting && w.asked != q.round {
		return q.reason
	}
	return w.reason
}

// Permit is w as what it is once it was admitted.
func (w *Waiter) Permit() *Permit { return (*Permit)(w) }

// Release gives back what the gate has reserved, and admits the next in the
// queue. Releasing twice, or what was never admitted, does nothing.
func (p *Permit) Release() { p.giveBack(false) }

// Requeue gives back what the gate has reserved and puts the waiter in its old
// place in the queue, ahead of all who came after it, in one step: if the gate
// admits it again at once, Granted is called. It is not subject to the
// greatest length of the queue.
func (p *Permit) Requeue() { p.giveBack(true) }

func (p *Permit) giveBack(requeue bool) {
	w := (*Waiter)(p)
	q := w.queue
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.state != admitted {
		return
	}
	w.state = out
	q.gate.Release(w)
	if requeue {
		w.state = waiting
		q.insert(w)
	}
	q.admit()
}
