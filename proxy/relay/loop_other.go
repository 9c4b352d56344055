//go:build !linux

package relay

// HasLoop says whether this system has the loop runner.
const HasLoop = false

// Loop is the stream runner under another name here: event loops are Linux's.
type Loop struct{ Stream }

type loopTask struct{}

// Start has nothing to do.
func (*Loop) Start() error { return nil }
