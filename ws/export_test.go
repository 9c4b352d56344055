package ws

import "time"

// AcceptKey is for tests that play a server.
var AcceptKey = acceptKey

// WaitsForUntracked reports whether Shutdown is waiting until l tracks nothing.
func WaitsForUntracked(l *Listener) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.untracked != nil
}

// SetWebStall is for a Listener that has no connections yet.
func SetWebStall(l *Listener, d time.Duration) { l.webStallTimeout = d }
