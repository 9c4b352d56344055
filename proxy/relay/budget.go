package relay

import "sync"

// Budget bounds the number of open sessions of all listeners together, so that
// the process does not run out of file descriptors during a session. Half of it,
// in equal parts, is the floor of each Share, which no other share can take; the
// rest is first come, first served. So a service whose clients accumulate,
// because it is paused or flooded, cannot keep out the clients of another.
type Budget struct {
	mu     sync.Mutex
	max    int
	used   int
	beyond int // how many of the used ones are beyond the floor of their share
	shares map[*Share]struct{}
	free   chan struct{} // closed and set to nil when a session is released
}

// Share is the part of a Budget that the listeners of one service take. A nil
// Share has no limit.
type Share struct {
	budget *Budget
	used   int
}

// NewBudget returns a budget of max sessions.
func NewBudget(max int) *Budget { return &Budget{max: max, shares: map[*Share]struct{}{}} }

// NewShare adds a share, which makes the floors of the others smaller. Close
// it when its sessions have ended.
func (b *Budget) NewShare() *Share {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &Share{budget: b}
	b.shares[s] = struct{}{}
	b.divide()
	return s
}

// Close removes the share from the budget. Sessions that it has taken must still
// be released.
func (s *Share) Close() {
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.shares, s)
	b.divide()
}

// SetMax changes the size of the budget; sessions that are taken stay.
func (b *Budget) SetMax(max int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.max = max
	b.divide()
}

// floor is how many sessions each share can take whatever the others use.
func (b *Budget) floor() int {
	if len(b.shares) == 0 {
		return 0
	}
	return b.max / 2 / len(b.shares)
}

// divide counts again what is taken beyond the floors, which have changed.
func (b *Budget) divide() {
	floor, within := b.floor(), 0
	for s := range b.shares {
		within += min(s.used, floor)
	}
	b.beyond = b.used - within
	b.wake()
}

func (b *Budget) wake() {
	if b.free != nil {
		close(b.free)
		b.free = nil
	}
}

// Acquire takes one session and returns nil, or returns a channel that is closed
// when one may be free.
func (s *Share) Acquire() (free <-chan struct{}) {
	if s == nil {
		return nil
	}
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.take() {
		return nil
	}
	if b.free == nil {
		b.free = make(chan struct{})
	}
	return b.free
}

// Release releases one session.
func (s *Share) Release() {
	if s == nil {
		return
	}
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	s.release()
	b.wake()
}

// MoveTo takes a session from to and releases one of s; it reports whether to had
// one free, and otherwise changes nothing. It never waits.
func (s *Share) MoveTo(to *Share) bool {
	if s == nil || s == to {
		return true
	}
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	s.release()
	moved := to.take()
	if !moved {
		s.retake()
		return false
	}
	b.wake()
	return true
}

// release releases a session. The budget is locked, here and below.
func (s *Share) release() {
	b := s.budget
	if _, open := b.shares[s]; !open || s.used > b.floor() {
		b.beyond--
	}
	b.used--
	s.used--
}

// take takes a session, if the share may have one.
func (s *Share) take() bool {
	b := s.budget
	floor := b.floor()
	within := s.used < floor
	if b.used >= b.max || !within && b.beyond >= b.max-floor*len(b.shares) {
		return false
	}
	s.retake()
	return true
}

// retake takes a session whether the share may have one or not.
func (s *Share) retake() {
	b := s.budget
	if _, open := b.shares[s]; !open || s.used >= b.floor() {
		b.beyond++
	}
	b.used++
	s.used++
}

// Max returns the size of the budget.
func (b *Budget) Max() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.max
}

// Used returns how many sessions are taken.
func (b *Budget) Used() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Used returns how many sessions the share has taken.
func (s *Share) Used() int {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	return s.used
}
