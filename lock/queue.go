// Package lock is a strict first-come-first-served queue in front of a scarce
// resource: slots, a backend that is down, a service that is paused.
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
// which [Waiter] may be admitted, so that there is one order and one position,
// whatever the reason to wait. A waiter that is admitted owns a [Permit]; its
// Release admits the next.
package lock

import (
	"errors"
	"iter"
	"slices"
	"time"
)

// ErrFull is returned by Queue.Join when the queue has its maximum length. The
// waiter has not joined; the caller may try again later.
var ErrFull = errors.New("lock: queue full")

// A Decision is a gate's answer about one waiter.
type Decision uint8

const (
	Wait  Decision = iota // this waiter waits, and so do all behind it
	Skip                  // this waiter waits; the gate is asked about the next
	Admit                 // this waiter is admitted: the gate has reserved what it needs
)

// A Reason is one fixed word for why a waiter waits, or why something ended. It is
// compared, counted and used as a metrics label: each reason is a constant, and
// free text is kept beside it.
type Reason string

// A Gate decides which waiters are admitted. Both methods are called with the queue
// locked: they must be quick, and may call only those methods of the queue that
// are for use while it is locked.
type Gate interface {
	// Admit is called for the head of the queue, and for the waiters behind it
	// as long as it returns Skip. When it returns Admit, it has already reserved
	// all that the waiter needs, until Release. With Wait and Skip it returns
	// the reason to wait.
	// It is called again for all waiters whenever the queue changes: after a
	// Join, Update, Release, Requeue, and a Remove of the head or of the waiter
	// for which it has returned Wait.
	Admit(w *Waiter) (Decision, Reason)
	// Release returns what Admit has reserved for w.
	Release(w *Waiter)
}

// An Owner is notified by Granted that its waiter was admitted: from then on it
// owns w.Permit and has to release it. Granted is called with the queue locked, by
// the goroutine that made room: it may send to a buffered channel or close one, and
// must not block or call the queue.
type Owner interface{ Granted(w *Waiter) }

// A Queue is a first-come-first-served queue of waiters. The zero value is not
// usable: call NewQueue. It starts no goroutine and needs no Close. Its methods may
// be called by any goroutine, except for Waiters, Waiting, Arrivals and Reason,
// which are for use while the queue is locked: in the functions given to Do,
// Update, View and Walk, and in the methods of a Gate.
type Queue struct {
	mu         mutex
	gate       Gate
	max        int
	head, tail *Waiter
	waiting    int
	arrivals   uint64
	cursors    []*cursor // of Walks in progress
	reason     Reason    // of the gate's last Wait
	stopped    *Waiter   // the waiter of that Wait, while it is in the queue
	round      uint32    // counts the calls of admit
}

// NewQueue returns an empty queue in front of gate with room for max waiters; 0 is no
// limit. Waiters that are admitted at once do not count.
func NewQueue(gate Gate, max int) *Queue { return &Queue{gate: gate, max: max} }

// state of a waiter.
type state uint8

const (
	detached state = iota // never joined, removed, or released
	waiting               // in the queue
	admitted              // a Permit
)

// A Waiter is one entry of a queue. Embed it in what waits, so that it needs no
// allocation of its own, set Owner, and use it with one queue at a time. After
// ErrFull, Remove or Release it may join again. It must not be copied.
type Waiter struct {
	Owner Owner

	queue      *Queue
	prev, next *Waiter
	arrival    uint64 // its number in the order of Join, also after a Requeue
	since      time.Time
	state      state
	joining    bool
	round      uint32 // the round in which the gate returned reason; small, as there may be 100,000 waiters
	reason     Reason
}

// A Permit is a waiter that was admitted: it owns what the gate has reserved for it
// until Release or Requeue. It is the memory of the Waiter, and costs nothing.
type Permit Waiter

// Join appends w to the queue. If w is admitted at once, granted is true: the caller
// owns w.Permit, and Granted is not called. Otherwise w waits until Granted or
// Remove. The error is ErrFull if w would have to wait and the queue is full. Join
// panics if w waits or is admitted already.
func (q *Queue) Join(w *Waiter) (granted bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.state != detached {
		panic("lock: Join: the waiter waits or is admitted already")
	}
	q.arrivals++
	w.queue, w.arrival, w.since, w.reason, w.state = q, q.arrivals, time.Now(), "", waiting
	w.joining = true // if it is admitted at once, the result says so
	q.insert(w)
	q.admit()
	w.joining = false
	switch {
	case w.state == admitted:
		return true, nil
	case q.max > 0 && q.waiting > q.max:
		q.unlink(w)
		w.state = detached
		return false, ErrFull
	}
	return false, nil
}

// Remove removes w from the queue and returns true if it was still waiting. If a
// waiter that has joined was not, it has been admitted meanwhile: the caller owns
// w.Permit and has to release it.
func (q *Queue) Remove(w *Waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.state != waiting || w.queue != q {
		return false
	}
	ask := q.head == w || q.stopped == w
	q.unlink(w)
	w.state = detached
	if ask {
		q.admit() // the next may not need what this one waited for
	}
	return true
}

// Update calls change with the queue locked, and then asks the gate about the
// waiters. All state that a gate reads must be changed within Update. With a nil
// change it only asks the gate.
func (q *Queue) Update(change func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if change != nil {
		change()
	}
	q.admit()
}

// Do calls change with the queue locked and does not ask the gate: it is for state
// that the gate does not read, and for changes that cannot admit a waiter.
func (q *Queue) Do(change func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change()
}

// View calls read with the queue locked for reading. read must change nothing that
// other goroutines can read: with the race detector several Views run at the same
// time, so that a write is reported as a data race.
func (q *Queue) View(read func()) {
	q.mu.RLock()
	defer q.mu.RUnlock()
	read()
}

// SetMax changes the maximum length of the queue; 0 is no limit. Waiters beyond it
// remain in the queue.
func (q *Queue) SetMax(max int) { q.Do(func() { q.max = max }) }

// Len returns the number of waiters. While the queue is locked, use Waiting.
func (q *Queue) Len() (n int) {
	q.View(func() { n = q.waiting })
	return n
}

// Waiters yields the waiters from the head on. It is for use while the queue is
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

// walkBatch is how many waiters Walk visits before it unlocks the queue for others.
const walkBatch = 256

// A cursor is the next waiter that a Walk visits.
type cursor struct{ next *Waiter }

// Walk calls visit for each waiter from the head on, with the queue locked. After
// every few hundred it unlocks the queue and calls between, if that is not nil. A
// waiter that joins or is removed meanwhile may be visited or not; none is visited
// twice, unless it is admitted and requeued. visit must change nothing.
func (q *Queue) Walk(visit func(*Waiter), between func()) {
	at := &cursor{}
	q.Do(func() {
		at.next = q.head
		q.cursors = append(q.cursors, at)
	})
	for more := true; more; {
		q.Do(func() {
			for n := 0; n < walkBatch && at.next != nil; n++ {
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

// Waiting returns the number of waiters. It is for use while the queue is locked.
func (q *Queue) Waiting() int { return q.waiting }

// Arrivals returns how many waiters have ever joined: those that join later have a
// higher Waiter.Arrival. It is for use while the queue is locked.
func (q *Queue) Arrivals() uint64 { return q.arrivals }

// Reason returns the reason of the gate's last Wait, also when the queue is empty
// since. It is for use while the queue is locked.
func (q *Queue) Reason() Reason { return q.reason }

// admit asks the gate about the waiters, in order, until one has to wait. The queue
// is locked.
func (q *Queue) admit() {
	q.round++
	q.stopped = nil
	for w := q.head; w != nil; {
		next := w.next
		decision, reason := q.gate.Admit(w)
		w.reason, w.round = reason, q.round
		switch decision {
		case Admit:
			q.unlink(w)
			w.state = admitted
			if !w.joining {
				w.Owner.Granted(w)
			}
		case Wait:
			q.reason, q.stopped = reason, w
			return
		}
		w = next
	}
}

// insert inserts w by its arrival: at the end, except after a Requeue.
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
	if q.stopped == w {
		q.stopped = nil
	}
}

// Since returns when w joined. Requeue does not change it.
func (w *Waiter) Since() time.Time { return w.since }

// Arrival returns the number of w in the order in which the waiters of its queue
// joined, from 1. Requeue does not change it.
func (w *Waiter) Arrival() uint64 { return w.arrival }

// Reason returns why w waits. The gate is not asked about the waiters behind one that
// has to wait: they have the reason of that one, whatever the gate returned for them
// before. It is for use while the queue is locked.
func (w *Waiter) Reason() Reason {
	if q := w.queue; q != nil && w.state == waiting && w.round != q.round {
		return q.reason
	}
	return w.reason
}

// Permit returns the permit of a waiter that was admitted.
func (w *Waiter) Permit() *Permit { return (*Permit)(w) }

// Release returns what the gate has reserved, and admits the next waiters. It does
// nothing after the first call, and for a waiter that was never admitted.
func (p *Permit) Release() { p.release(false) }

// Requeue returns what the gate has reserved and puts the waiter back into the queue,
// in front of all that joined after it, in one step. If the gate admits it again at
// once, Granted is called. The maximum length of the queue does not apply. It does
// nothing where Release does nothing.
func (p *Permit) Requeue() { p.release(true) }

func (p *Permit) release(requeue bool) {
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
	w.state = detached
	q.gate.Release(w)
	if requeue {
		w.state = waiting
		q.insert(w)
	}
	q.admit()
}
