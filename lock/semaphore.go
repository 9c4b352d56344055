package lock

import (
	"context"
	"fmt"
	"time"
)

// Semaphore bounds how many units are held at a time, first come first served.
// A unit that comes free is handed to the next waiter, so that no other call
// can race for it, and a large request is not starved by small ones behind it.
// The zero value is not usable: call NewSemaphore. Its methods may be called
// from any goroutine; taking what is free allocates nothing.
type Semaphore struct {
	queue *Queue
	slots slots
}

// NewSemaphore makes a semaphore of n units; with none, every caller waits
// until Resize. It panics when n is negative, as make does.
func NewSemaphore(n int) *Semaphore {
	if n < 0 {
		panic(fmt.Sprintf("lock: NewSemaphore: the size %d is negative", n))
	}
	s := &Semaphore{slots: slots{size: n}}
	s.queue = NewQueue(&s.slots, 0)
	return s
}

// Slot is one or more units of a semaphore, held until Release. It is a value:
// its copies are the same slot. The zero value holds nothing.
type Slot struct {
	semaphore *Semaphore
	index     int
	serial    uint64
}

// Release gives the units back, to the next waiters if there are any. It does
// nothing to a slot that was released before, by any copy of it, and to a zero
// Slot.
func (s Slot) Release() {
	if s.semaphore == nil {
		return
	}
	q := s.semaphore.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.semaphore.slots.free(s.index, s.serial) {
		q.admit()
	}
}

// Acquire waits in the queue for one unit. The caller owns the slot and
// releases it. When ctx ends first nothing is held, even if the unit came at
// the same moment; the error wraps both ctx.Err and context.Cause(ctx).
func (s *Semaphore) Acquire(ctx context.Context) (Slot, error) { return s.AcquireN(ctx, 1) }

// AcquireN is Acquire for n units at once, which come and go together. It
// fails at once when n is not positive. More units than the semaphore has are
// waited for until Resize; those behind are not held up by that.
func (s *Semaphore) AcquireN(ctx context.Context, n int) (Slot, error) {
	if n < 1 {
		return Slot{}, fmt.Errorf("lock: AcquireN: %d is not a number of units to wait for", n)
	}
	if ctx.Err() != nil {
		return Slot{}, ended(ctx)
	}
	if slot, ok := s.TryAcquireN(n); ok {
		return slot, nil
	}
	c := &call{n: n, granted: make(chan struct{})}
	c.Owner = c
	if admitted, _ := s.queue.Join(&c.Waiter); admitted {
		return s.slot(c), nil
	}
	select {
	case <-c.granted:
		return s.slot(c), nil
	case <-ctx.Done():
		if !s.queue.Remove(&c.Waiter) {
			s.slot(c).Release() // admitted as it gave up
		}
		return Slot{}, ended(ctx)
	}
}

// TryAcquire takes a unit if one is free and no call waits for it.
func (s *Semaphore) TryAcquire() (slot Slot, ok bool) { return s.TryAcquireN(1) }

// TryAcquireN takes n units at once if they are free and no call waits for
// them. It takes none when n is not positive.
func (s *Semaphore) TryAcquireN(n int) (slot Slot, ok bool) {
	q := s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if n < 1 || !s.slots.fits(n) {
		return Slot{}, false
	}
	for w := q.head; w != nil; w = w.next {
		if w.Owner.(*call).n <= s.slots.size {
			return Slot{}, false // it came first; the others wait for a Resize
		}
	}
	index, serial := s.slots.take(n)
	return Slot{s, index, serial}, true
}

// Resize changes the number of units. More admits those who wait; fewer takes
// nothing from those who hold some, so that InUse may be above the size until
// they release. It fails, and changes nothing, when n is negative.
func (s *Semaphore) Resize(n int) error {
	if n < 0 {
		return fmt.Errorf("lock: Resize: the size %d is negative", n)
	}
	s.queue.Update(func() { s.slots.size = n })
	return nil
}

// InUse is how many units are held.
func (s *Semaphore) InUse() (n int) {
	s.queue.View(func() { n = s.slots.used })
	return n
}

// WaiterInfo describes one call of Acquire or AcquireN that waits.
type WaiterInfo struct {
	Position int           // from 1, the head of the queue
	Units    int           // that it waits for
	Age      time.Duration // since it began to wait
	Reason   Reason        // "slots"
}

// Waiters lists those who wait at this moment, from the head of the queue.
func (s *Semaphore) Waiters() []WaiterInfo {
	var all []WaiterInfo
	s.queue.View(func() {
		for w := range s.queue.Waiters() {
			all = append(all, WaiterInfo{Position: len(all) + 1, Units: w.Owner.(*call).n, Age: time.Since(w.since), Reason: w.Reason()})
		}
	})
	return all
}

// ended is the error of a context that has ended: ctx.Err and its cause.
func ended(ctx context.Context) error {
	if err, cause := ctx.Err(), context.Cause(ctx); err != cause {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return ctx.Err()
}
