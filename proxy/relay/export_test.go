package relay

import (
	"net"
	"time"
)

// ParkAfter is for tests that do not want to wait for it.
func ParkAfter(d time.Duration) { parkAfter = d }

// WasReset says that a connection whose end has been read was reset.
func WasReset(c net.Conn) bool { return NewSide(c).death().dead }

// BetweenLooks has f called between what is looked at to judge an end, until
// the function that it returns is called.
func BetweenLooks(f func()) (back func()) {
	old := betweenLooks
	betweenLooks = f
	return func() { betweenLooks = old }
}

// Telling is which of two failures says more of the other end.
func Telling(first, then error) error { return telling(first, then) }
