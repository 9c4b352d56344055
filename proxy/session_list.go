package proxy

import (
	"iter"
	"slices"
	"sync"

	"github.com/tcpctl/tcpctl/lock"
)

// live is the list of a service's sessions that have not ended, oldest first.
type live struct {
	queue       *lock.Queue // guards what a page shows; taken before mu
	mu          sync.Mutex  // guards the rest, and prev and next of the sessions
	first, last *Session
	walks       []*walk // in progress
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

// remove removes s and calls settle in the same step.
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

// all yields the sessions; none begins or ends meanwhile. It is for acts; readers use
// pages.
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

// has reports whether s has not ended.
func (l *live) has(s *Session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.prev != nil || l.first == s
}

func (l *live) empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first == nil
}

// signal asks the sessions for which which is true to end; nil: all of them.
func (l *live) signal(o endRequest, which func(*Session) bool) {
	for s := range l.all() {
		if which == nil || which(s) {
			s.signal(o)
		}
	}
}

// pages yields the service's sessions, oldest first. A page is valid until the next.
// For settled see readLocked.
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

// readLocked passes the service's sessions to see, oldest first, in pages: the list and
// the queue are locked while a page is read, and unlocked for next, which returns
// whether to continue. settled runs in one step with the start: a session that is not
// passed to see ended before it, or during the walk.
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

// walk is the position of one reading of all sessions.
type walk struct{ next *Session }

// begin starts a walk from the oldest session, and calls with, in one step. The caller
// must call end.
func (l *live) begin(with func()) *walk {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := &walk{next: l.first}
	l.walks = append(l.walks, at)
	with()
	return at
}

// page passes the next few hundred sessions to see, and returns whether there are more.
// Some that begin or end between pages are missed; none is seen twice.
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

// endedKept is how many ended sessions are kept.
const endedKept = 256

// endedRing keeps the last ended sessions.
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

// newest returns them, the newest first.
func (r *endedRing) newest() []endedSession {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []endedSession
	for n := r.n - 1; n >= max(0, r.n-endedKept); n-- {
		all = append(all, r.last[n%endedKept])
	}
	return all
}
