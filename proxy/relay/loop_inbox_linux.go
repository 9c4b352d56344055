package relay

import (
	"sync"

	"golang.org/x/sys/unix"
)

// inbox is the only way from another thread into a loop.
type inbox struct {
	mu       sync.Mutex
	messages []message
	taken    []message // the other half of a double buffer
	waiting  bool      // the loop waits, and has to be woken
	closed   bool
	eventfd  int32
}

// message is an event for a task, or something to do.
type message struct {
	task *loopTask
	ev   Event
	do   func(*loop)
}

// post leaves m, and says false when the loop has ended. A task that moves to
// this loop does so in the same step, so that its mail finds it.
func (in *inbox) post(m message, moving func()) bool {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return false
	}
	in.messages = append(in.messages, m)
	if moving != nil {
		moving()
	}
	wake := in.waiting
	in.waiting = false
	in.mu.Unlock()
	if wake {
		// The eventfd is edge-triggered: nobody has to read it.
		unix.Write(int(in.eventfd), []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
	return true
}

// sleep says that the loop is about to wait; false when there is mail.
func (in *inbox) prepareWait() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.waiting = len(in.messages) == 0
	return in.waiting
}

// take gives what has come, until the next call.
func (in *inbox) take() []message {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.waiting = false
	clear(in.taken)
	in.messages, in.taken = in.taken[:0], in.messages
	return in.taken
}

// close refuses further mail, and gives what was left.
func (in *inbox) close() []message {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	return in.messages
}
