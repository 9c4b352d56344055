package relay

import (
	"net"
	"time"
)

// ParkAfter is for tests that do not want to wait for it.
func ParkAfter(d time.Duration) { parkAfter = d }

// WasReset says that a connection whose end has been read was reset.
func WasReset(c net.Conn) bool { return NewSide(c).wasReset() }

// Telling is which of two failures says more of the other end.
func Telling(first, then error) error { return telling(first, then) }
