package relay

import (
	"sync"

	"golang.org/x/sys/unix"
)

// mailbox is the only way from another thread into a loop.
type mailbox struct {
	mu      sync.Mutex
	mail    []mail
	read    []mail // the other half of a double buffer
	asleep  bool   // the loop waits, and has to be woken
	closed  bool
	eventfd int32
}

// mail is an event for a task, or something to do.
type mail struct {
	seat *loopSeat
	ev   Event
	do   func(*loop)
}

// post leaves m, and says false when the loop has ended. A task that moves to
// this loop does so in the same step, so that its mail finds it.
func (b *mailbox) post(m mail, moving func()) bool {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false
	}
	b.mail = append(b.mail, m)
	if moving != nil {
		moving()
	}
	wake := b.asleep
	b.asleep = false
	b.mu.Unlock()
	if wake {
		// The eventfd is edge-triggered: nobody has to read it.
		unix.Write(int(b.eventfd), []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
	return true
}

// sleep says that the loop is about to wait; false when there is mail.
func (b *mailbox) sleep() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asleep = len(b.mail) == 0
	return b.asleep
}

// take gives what has come, until the next call.
func (b *mailbox) take() []mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asleep = false
	clear(b.read)
	b.mail, b.read = b.read[:0], b.mail
	return b.read
}

// close refuses further mail, and gives what was left.
func (b *mailbox) close() []mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.mail
}
