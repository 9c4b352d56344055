package control

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain fails the package when its tests leave a goroutine.
func TestMain(m *testing.M) {
	keepEvery = 20 * time.Millisecond
	goleak.VerifyTestMain(m)
}
