package lock

import (
	"context"
	"fmt"
	"time"
)

// A Semaphore bounds how many units are in use at a time, first come first served. A
// unit that is released goes directly to the next waiter, so that no later call can
// take it first, and a call for many units is not starved by later calls for few.
// The zero value is not usable: call NewSemaphore. It starts no goroutine and needs
// no Close. Its methods may be called by any goroutine; acquiring a free unit does
// not allocate.
type Semaphore struct {
	queue *Queue
	slots slots
}

// NewSemaphore returns a semaphore of n units; with 0, every Acquire waits until
// Resize. It panics if n is negative, as make does.
func NewSemaphore(n int) *Semaphore {
	if n < 0 {
		panic(fmt.Sprintf("lock: NewSemaphore: the size %d is negative", n))
	}
	s := &Semaphore{slots: slots{size: n}}
	s.queue = NewQueue(&s.slots, 0)
	return s
}

// A Slot is one or more units of a semaphore, from Acquire until Release. It is a
// value, and its copies are the same slot. The zero value is no unit of any
// semaphore.
type Slot struct {
	semaphore  *Semaphore
	index      int
	generation uint64
}

// Release returns the units, to the next waiters if there are any. It does nothing to
// a slot of which any copy was released before, and to the zero Slot.
func (s Slot) Release() {
	if s.semaphore == nil {
		return
	}
	q := s.semaphore.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.semaphore.slots.free(s.index, s.generation) {
		q.admit()
	}
}

// Acquire waits in the queue for one unit. The caller owns the slot and has to release
// it. If ctx is done before, no unit is taken, even if one was granted at the same
// moment, and the error wraps both ctx.Err() and context.Cause(ctx).
func (s *Semaphore) Acquire(ctx context.Context) (Slot, error) { return s.AcquireN(ctx, 1) }

// AcquireN is Acquire for n units, which are acquired and released together. It fails
// at once if n is not positive. A call for more units than the semaphore has waits
// for Resize, without delaying the calls behind it.
func (s *Semaphore) AcquireN(ctx context.Context, n int) (Slot, error) {
	if n < 1 {
		return Slot{}, fmt.Errorf("lock: AcquireN: the number of units %d is not positive", n)
	}
	if ctx.Err() != nil {
		return Slot{}, contextError(ctx)
	}
	if slot, ok := s.TryAcquireN(n); ok {
		return slot, nil
	}
	c := &acquireWaiter{units: n, granted: make(chan struct{})}
	c.Owner = c
	if admitted, _ := s.queue.Join(&c.Waiter); admitted {
		return s.slot(c), nil
	}
	select {
	case <-c.granted:
		return s.slot(c), nil
	case <-ctx.Done():
		if !s.queue.Remove(&c.Waiter) {
			s.slot(c).Release() // it was admitted at the same moment
		}
		return Slot{}, contextError(ctx)
	}
}

// TryAcquire acquires a unit if one is free and no call waits for it. It never waits;
// ok reports whether the caller owns slot and has to release it.
func (s *Semaphore) TryAcquire() (slot Slot, ok bool) { return s.TryAcquireN(1) }

// TryAcquireN is TryAcquire for n units at once; ok is false if n is not positive.
func (s *Semaphore) TryAcquireN(n int) (slot Slot, ok bool) {
	q := s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if n < 1 || !s.slots.fits(n) {
		return Slot{}, false
	}
	for w := q.head; w != nil; w = w.next {
		if w.Owner.(*acquireWaiter).units <= s.slots.size {
			return Slot{}, false // a waiter joined before; those that need more units than there are wait for a Resize
		}
	}
	index, generation := s.slots.take(n)
	return Slot{s, index, generation}, true
}

// Resize changes the number of units to n. A larger n admits waiters; a smaller one
// takes nothing from slots in use, so that InUse may be larger than n until they are
// released. It fails, and changes nothing, if n is negative.
func (s *Semaphore) Resize(n int) error {
	if n < 0 {
		return fmt.Errorf("lock: Resize: the size %d is negative", n)
	}
	s.queue.Update(func() { s.slots.size = n })
	return nil
}

// InUse returns the number of units in use.
func (s *Semaphore) InUse() (n int) {
	s.queue.View(func() { n = s.slots.used })
	return n
}

// A WaiterInfo describes one call of Acquire or AcquireN that waits.
type WaiterInfo struct {
	Position int           // from 1, the head of the queue
	Units    int           // that it asks for
	Age      time.Duration // since it joined the queue
	Reason   Reason        // "slots"
}

// Waiters returns the calls that wait at this moment, from the head of the queue.
func (s *Semaphore) Waiters() []WaiterInfo {
	var all []WaiterInfo
	s.queue.View(func() {
		for w := range s.queue.Waiters() {
			all = append(all, WaiterInfo{Position: len(all) + 1, Units: w.Owner.(*acquireWaiter).units, Age: time.Since(w.since), Reason: w.Reason()})
		}
	})
	return all
}

// contextError returns the error for a context that is done: ctx.Err and its cause.
func contextError(ctx context.Context) error {
	if err, cause := ctx.Err(), context.Cause(ctx); err != cause {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return ctx.Err()
}
