package proxy

import (
	"iter"
	"sync"
)

// live is the list of a service's sessions that have not ended, oldest first.
type live struct {
	mu          sync.Mutex
	first, last *Session
}

func (l *live) add(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.prev = l.last
	if l.last == nil {
		l.first = s
	} else {
		l.last.next = s
	}
	l.last = s
}

// remove takes s out and settles its account in the same step, so that a sum
// over the living and the dead never shrinks.
func (l *live) remove(s *Session, settle func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.prev == nil {
		l.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
	settle()
}

// all goes through the living; none ends or begins meanwhile.
func (l *live) all() iter.Seq[*Session] {
	return func(yield func(*Session) bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for s := l.first; s != nil; s = s.next {
			if !yield(s) {
				return
			}
		}
	}
}

func (l *live) empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first == nil
}

// sum looks at the living and at what the dead have left in one step, so that
// a sum over both never shrinks.
func (l *live) sum(settled func(), each func(*Session)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	settled()
	for s := l.first; s != nil; s = s.next {
		each(s)
	}
}

// endedKept is how many sessions that have ended can still be looked at.
const endedKept = 256

// endedRing keeps the last sessions that have ended.
type endedRing struct {
	mu   sync.Mutex
	last [endedKept]closed
	n    int
}

func (r *endedRing) add(c closed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[r.n%endedKept] = c
	r.n++
}

// newest gives them, the newest first.
func (r *endedRing) newest() []closed {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []closed
	for n := r.n - 1; n >= max(0, r.n-endedKept); n-- {
		all = append(all, r.last[n%endedKept])
	}
	return all
}
