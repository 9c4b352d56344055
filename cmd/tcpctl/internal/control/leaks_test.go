package control

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the package when its tests leave a goroutine.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
