package ws

import (
	"testing"
	"time"
)

// AcceptKey is for tests that play a server.
var AcceptKey = acceptKey

// SetHeldTime is for tests that do not want to wait for it.
func SetHeldTime(t *testing.T, d time.Duration) {
	old := heldTime
	heldTime = d
	t.Cleanup(func() { heldTime = old })
}
