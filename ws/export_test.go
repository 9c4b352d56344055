package ws

import "time"

// AcceptKey is for tests that play a server.
var AcceptKey = acceptKey

// SetWebStall is for a Listener that has no connections yet.
func SetWebStall(l *Listener, d time.Duration) { l.webStallTimeout = d }
