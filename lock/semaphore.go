package lock

import (
	"context"
	"fmt"
	"time"
)

// Semaphore lets so many units be held at a time, first come first served. A
// unit that comes free is handed to the next in line, so nobody can race for
// it, and a large request is not starved by small ones behind it. Its methods
// may be called from any goroutine; taking what is free allocates nothing.
type Semaphore struct {
	queue *Queue
	slots slots
}

// NewSemaphore makes a semaphore of n units; with none, everybody waits until
// Resize. It panics when n is negative, as make does.
func NewSemaphore(n int) *Semaphore {
	if n < 0 {
		panic(fmt.Sprintf("lock: NewSemaphore: the size %d is negative", n))
	}
	s := &Semaphore{slots: slots{size: n}}
	s.queue = NewQueue(&s.slots, 0)
	return s
}

// Slot is what Acquire gives: units of a semaphore, held until Release. It is
// a value: its copies are the same slot. The zero value holds nothing.
type Slot struct {
	semaphore *Semaphore
	index     int
	serial    uint64
}

// Release gives the units back and hands them to the next in line. Releasing
// twice, any copy of it, or a zero Slot does nothing.
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

// Acquire waits in line for one unit. The caller owns the slot and releases
// it. When ctx ends first nothing is held, even if the unit came at the same
// moment; the error is both ctx.Err and context.Cause of it.
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
		if !s.queue.Leave(&c.Waiter) {
			s.slot(c).Release() // let in as it gave up
		}
		return Slot{}, ended(ctx)
	}
}

// TryAcquire takes a unit if one is free and nobody waits for it.
func (s *Semaphore) TryAcquire() (slot Slot, ok bool) { return s.TryAcquireN(1) }

// TryAcquireN takes n units at once if they are free and nobody waits for
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

// Resize changes the number of units. More lets in those who wait; fewer
// takes nothing from those who hold some. It fails, and changes nothing, when
// n is negative.
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

// Place is one waiter as an observer sees it.
type Place struct {
	Position int // from 1, the next to go
	Units    int // that it waits for
	Age      time.Duration
	Why      Reason
}

// Waiters is the line at this moment, from its head.
func (s *Semaphore) Waiters() []Place {
	var all []Place
	s.queue.View(func() {
		for w := range s.queue.Waiters() {
			all = append(all, Place{Position: len(all) + 1, Units: w.Owner.(*call).n, Age: time.Since(w.since), Why: w.Why()})
		}
	})
	return all
}

// ended is the error of a context that has ended: what it is, and why.
func ended(ctx context.Context) error {
	if err, cause := ctx.Err(), context.Cause(ctx); err != cause {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return ctx.Err()
}
