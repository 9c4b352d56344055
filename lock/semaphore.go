package lock

import (
	"context"
	"time"
)

// Semaphore lets so many in at a time, first come first served. A slot that
// comes free is handed to the next in line, so nobody can race for it.
type Semaphore struct {
	queue *Queue
	slots slots
}

// NewSemaphore makes a semaphore of n slots; with none, everybody waits until
// Resize.
func NewSemaphore(n int) *Semaphore {
	s := &Semaphore{slots: slots{size: n}}
	s.queue = NewQueue(&s.slots, 0)
	return s
}

// slots is the simplest gate.
type slots struct{ size, used int }

func (s *slots) Admit(*Waiter) (Verdict, Reason) {
	if s.used >= s.size {
		return Stay, "slots"
	}
	s.used++
	return Go, ""
}

func (s *slots) Release(*Waiter) { s.used-- }

// call is one Acquire that waits.
type call struct {
	Waiter
	granted chan struct{}
}

func (c *call) Granted(*Waiter) { close(c.granted) }

// Acquire waits in line for a slot. The caller owns the permit and releases
// it. When the context ends first its error is returned, and nothing is held,
// even if the slot came at the same moment.
func (s *Semaphore) Acquire(ctx context.Context) (*Permit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &call{granted: make(chan struct{})}
	c.Owner = c
	if admitted, _ := s.queue.Join(&c.Waiter); admitted {
		return c.Permit(), nil
	}
	select {
	case <-c.granted:
		return c.Permit(), nil
	case <-ctx.Done():
		if !s.queue.Leave(&c.Waiter) {
			c.Permit().Release() // let in as it gave up
		}
		return nil, ctx.Err()
	}
}

// TryAcquire takes a slot if one is free and nobody waits for it.
func (s *Semaphore) TryAcquire() (*Permit, bool) {
	c := &call{granted: make(chan struct{})}
	c.Owner = c
	if admitted, _ := s.queue.Join(&c.Waiter); admitted {
		return c.Permit(), true
	}
	if !s.queue.Leave(&c.Waiter) {
		c.Permit().Release()
	}
	return nil, false
}

// Resize changes the number of slots. More lets in those who wait; fewer
// takes nothing from those who hold one.
func (s *Semaphore) Resize(n int) { s.queue.Update(func() { s.slots.size = n }) }

// InUse is how many slots are held.
func (s *Semaphore) InUse() (n int) {
	s.queue.View(func() { n = s.slots.used })
	return n
}

// Place is one waiter as an observer sees it.
type Place struct {
	Position int // from 1, the next to go
	Age      time.Duration
	Why      Reason
}

// Waiters is the line at this moment, from its head.
func (s *Semaphore) Waiters() []Place {
	var all []Place
	s.queue.View(func() {
		for w := range s.queue.Waiters() {
			all = append(all, Place{Position: len(all) + 1, Age: time.Since(w.since), Why: w.Why()})
		}
	})
	return all
}
