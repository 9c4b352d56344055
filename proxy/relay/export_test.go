package relay

import (
	"net"
	"time"
)

// SetIdleAfter shortens the wait of tests.
func SetIdleAfter(d time.Duration) { idleAfter = d }

// WasReset reports whether a connection that was read to its end was reset.
func WasReset(c net.Conn) bool { return NewSide(c).tcpState().closed }

// Unsent returns how many bytes written to a connection its peer has not acknowledged,
// if the system can tell.
func Unsent(c net.Conn) int { return NewSide(c).unsent() }

// BetweenChecks makes f run between the checks that determine how a side ended, until
// back is called.
func BetweenChecks(f func()) (back func()) {
	old := betweenChecks
	betweenChecks = f
	return func() { betweenChecks = old }
}

// PreferError returns the failure that says more about the other end.
func PreferError(first, then error) error { return preferError(first, then) }

// Queued returns how many events wait for a task of the stream runner.
func Queued(t Task) int {
	s := t.RunnerState().stream
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.inbox)
}
