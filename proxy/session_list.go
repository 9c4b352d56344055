package proxy

import (
	"iter"
	"slices"
	"sync"

	"github.com/tcpctl/tcpctl/lock"
)

// live is the list of a service's sessions that have not ended, oldest first.
type live struct {
	queue       *lock.Queue // what a page shows is guarded by it; taken before mu
	mu          sync.Mutex  // guards what follows, and prev and next of the sessions
	first, last *Session
	walks       []*walk // that are under way
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

// remove takes s out and settles its account in the same step.
func (l *live) remove(s *Session, settle func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range l.walks {
		if at.next == s {
			at.next = s.next
		}
	}
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

// all goes through the living; none ends or begins meanwhile. It is for acts;
// what only reads uses pages.
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

// signal asks those sessions to end that which picks; nil picks all.
func (l *live) signal(o endRequest, which func(*Session) bool) {
	for s := range l.all() {
		if which == nil || which(s) {
			s.signal(o)
		}
	}
}

// pages are the service's sessions, oldest first. A page is good until the
// next. settled is as readLocked has it.
func (l *live) pages(settled func()) iter.Seq[[]sessionView] {
	return func(yield func([]sessionView) bool) {
		page := make([]sessionView, 0, livePage)
		l.readLocked(settled, func(sess *Session) { page = append(page, sess.viewLocked()) }, func() bool {
			goOn := yield(page)
			page = page[:0]
			return goOn
		})
	}
}

// readLocked shows the service's sessions to see, oldest first, in pages: the list
// and the queue are locked while a page is read, and unlocked for next, which
// says whether to go on. settled runs in one step with the beginning: a session
// that is not shown has ended before, or during the walk.
func (l *live) readLocked(settled func(), see func(*Session), next func() bool) {
	at := l.begin(settled)
	defer l.end(at)
	for more := true; more; {
		l.queue.View(func() { more = l.page(at, see) })
		if !next() {
			return
		}
	}
}

// livePage is how many sessions are read before the list and the queue are
// unlocked for others.
const livePage = 256

// walk is where one reading of all sessions goes on.
type walk struct{ next *Session }

// begin starts a walk from the oldest session, and runs with, in one step. It
// must be ended.
func (l *live) begin(with func()) *walk {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := &walk{next: l.first}
	l.walks = append(l.walks, at)
	with()
	return at
}

// page shows the next few hundred sessions of a walk, and says whether there
// are more. Of those that begin or end between pages some are missed; none
// is seen twice.
func (l *live) page(at *walk, see func(*Session)) (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := 0; n < livePage && at.next != nil; n++ {
		see(at.next)
		at.next = at.next.next
	}
	return at.next != nil
}

func (l *live) end(at *walk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.walks = slices.DeleteFunc(l.walks, func(w *walk) bool { return w == at })
}

// endedKept is how many sessions that have ended are kept.
const endedKept = 256

// endedRing keeps the last sessions that have ended.
type endedRing struct {
	mu   sync.Mutex
	last [endedKept]endedSession
	n    int
}

func (r *endedRing) add(c endedSession) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[r.n%endedKept] = c
	r.n++
}

// newest gives them, the newest first.
func (r *endedRing) newest() []endedSession {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []endedSession
	for n := r.n - 1; n >= max(0, r.n-endedKept); n-- {
		all = append(all, r.last[n%endedKept])
	}
	return all
}
