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
	waiting  bool      // the loop is about to wait, and has to be woken
	closed   bool
	eventfd  int32
}

// message is an event for a task, or a function to call: on the task's loop, if there
// is a task.
type message struct {
	task *loopTask
	ev   Event
	do   func(*loop)
}

// post adds m, and reports false if the loop has ended. moving, if not nil, runs under
// the same lock: a task moves to this loop together with its message, so that later
// ones are posted here.
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
		// The eventfd is edge-triggered: it need not be read.
		unix.Write(int(in.eventfd), []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
	return true
}

// prepareWait notes that the loop is about to wait; false if there are messages.
func (in *inbox) prepareWait() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.waiting = len(in.messages) == 0
	return in.waiting
}

// take returns the messages so far, valid until the next call.
func (in *inbox) take() []message {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.waiting = false
	clear(in.taken)
	in.messages, in.taken = in.taken[:0], in.messages
	return in.taken
}

// close refuses further messages, and returns those not taken.
func (in *inbox) close() []message {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	return in.messages
}
