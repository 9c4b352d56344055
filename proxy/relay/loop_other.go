//go:build !linux

package relay

// HasLoop reports whether this system has the loop runner.
const HasLoop = false

// Loop is the stream runner here: only Linux has event loops.
type Loop struct {
	Stream

	Other *Stream
}

type loopTask struct{}

// Move has nothing to do.
func (*Loop) Move(Task) {}

// Start has nothing to do.
func (*Loop) Start() error { return nil }
