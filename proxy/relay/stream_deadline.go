package relay

import (
	"sync"
	"time"
)

// readLimit is until when a side is read. A direction moves it as it likes,
// to be parked or to give a pipe back, until another ends it for good.
type readLimit struct {
	mu     sync.Mutex
	over   bool
	others bool          // read from it: awaitGone must not hold them up
	await  chan struct{} // is closed at the end of the awaitGone under way
}

func (l *readLimit) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// readBy sets the time at which reading from the side gives up; the zero time
// is never.
func (s *Side) readBy(t time.Time) {
	s.limit.mu.Lock()
	defer s.limit.mu.Unlock()
	if !s.limit.over {
		s.conn.SetReadDeadline(t)
	}
}

// endReading has whoever reads from the side stop, now and for good.
func (s *Side) endReading() {
	s.leaveIdle()
	s.limit.mu.Lock()
	defer s.limit.mu.Unlock()
	s.limit.over = true
	s.conn.SetReadDeadline(time.Unix(1, 0))
}

// awaits begins an awaitGone, unless there are others to read from the side.
// It returns what ends it.
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

// endAwaiting lets others read from the side.
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
