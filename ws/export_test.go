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

// Keepalive does what the ping wheel does every interval.
func Keepalive(c *Conn) { c.keepalive() }

// HasArrived reports whether the kernel has bytes that c has not read, and the peer's FIN. Both are true if it cannot be asked.
func HasArrived(c *Conn) (unread, peerFIN bool) {
	p, known := readTCPInfo(c.controller)
	return p.unread > 0 || !known, p.peerFIN || !known
}

// SetWebStall is for a Listener that has no connections yet.
func SetWebStall(l *Listener, d time.Duration) { l.webStallTimeout = d }
