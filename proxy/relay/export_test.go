package relay

import (
	"net"
	"time"
)

// SetIdleAfter is for tests that do not want to wait for it.
func SetIdleAfter(d time.Duration) { idleAfter = d }

// WasReset says that a connection whose end has been read was reset.
func WasReset(c net.Conn) bool { return NewSide(c).tcpState().closed }

// Unsent is how many bytes written to a connection its peer has not acknowledged, where the system
// can tell.
func Unsent(c net.Conn) int { return NewSide(c).unsent() }

// BetweenChecks has f called between what is looked at to judge an end, until
// the function that it returns is called.
func BetweenChecks(f func()) (back func()) {
	old := betweenChecks
	betweenChecks = f
	return func() { betweenChecks = old }
}

// PreferError is which of two failures says more of the other end.
func PreferError(first, then error) error { return preferError(first, then) }

// Queued is how many events wait for a task of the stream runner.
func Queued(t Task) int {
	s := t.RunnerState().stream
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.inbox)
}
