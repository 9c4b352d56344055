package relay

import (
	"sync"
	"time"
)

// readLimit guards a side's read deadline. Its direction sets the deadline to go idle
// or to return a pipe, until another goroutine ends reading for good.
type readLimit struct {
	mu     sync.Mutex
	over   bool
	others bool          // other code reads from the side now: awaitGone must not delay it
	await  chan struct{} // closed at the end of the current awaitGone
}

func (l *readLimit) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// readBy sets the deadline for reads from the side; the zero time is none.
func (s *Side) readBy(t time.Time) {
	s.limit.mu.Lock()
	defer s.limit.mu.Unlock()
	if !s.limit.over {
		s.conn.SetReadDeadline(t)
	}
}

// endReading ends every read from the side, now and for good.
func (s *Side) endReading() {
	s.leaveIdle()
	s.limit.mu.Lock()
	defer s.limit.mu.Unlock()
	s.limit.over = true
	s.conn.SetReadDeadline(time.Unix(1, 0))
}

// awaits begins an awaitGone, unless other code reads from the side. done ends it.
func (s *Side) awaits() (done func(), ok bool) {
	l := &s.limit
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.others {
		return nil, false
	}
	await := make(chan struct{})
	l.await = await
	s.conn.SetReadDeadline(time.Time{})
	return func() { close(await) }, true
}

// endAwaiting ends an awaitGone, so that other code can read from the side.
func (s *Side) endAwaiting() {
	l := &s.limit
	l.mu.Lock()
	l.others = true
	await := l.await
	l.mu.Unlock()
	if await != nil {
		s.readBy(time.Unix(1, 0))
		<-await
		s.readBy(time.Time{})
	}
}
