// Package eventlog keeps the newest events in a ring, where anybody reads them
// at his own pace, and hands each to one writer, which may be slow or stuck:
// those who add an event never wait for either.
package eventlog

import (
	"context"
	"runtime/pprof"
	"sync"
	"time"
)

// Log is a ring of the newest events. Make one with New; its methods may be
// called from any goroutine, and whatever lock its caller holds: they run
// nobody else's code.
type Log[T any] struct {
	write func(ev T, missed uint64) // nil: there is no writer

	size int

	mu      sync.Mutex
	slots   []T           // nil before the first event
	last    uint64        // the newest event's number
	more    chan struct{} // closed at the next event; nil: nobody waits for it
	written uint64        // the last that the writer was given
	writing chan struct{} // closed once the writer has caught up; nil: it has
}

// New makes a log of size events. Each is handed to write, in order, by one
// goroutine, which is there only while there is something to hand on. A writer
// that falls behind by more than size is told how many it has missed.
func New[T any](size int, write func(ev T, missed uint64)) *Log[T] {
	return &Log[T]{write: write, size: size}
}

// Add keeps the event that number makes, in the place of the oldest. Events
// are numbered from 1, without gaps. It is called with the log locked, and
// must do nothing else.
func (l *Log[T]) Add(number func(seq uint64) T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.slots == nil {
		l.slots = make([]T, l.size)
	}
	l.last++
	l.slots[l.last%uint64(len(l.slots))] = number(l.last)
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
	if l.write != nil && l.writing == nil {
		l.writing = make(chan struct{})
		go l.writeAll()
	}
}

// writer has the labels of the goroutine that writes.
var writer = pprof.WithLabels(context.Background(), pprof.Labels("role", "log"))

// writeAll hands on what is new, until nothing is.
func (l *Log[T]) writeAll() {
	pprof.SetGoroutineLabels(writer) // not those of whoever has added an event
	for {
		ev, missed, ok := l.next()
		if !ok {
			return
		}
		l.write(ev, missed)
	}
}

// next is what the writer gets now; false: it has caught up.
func (l *Log[T]) next() (ev T, missed uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written == l.last {
		close(l.writing)
		l.writing = nil
		return ev, 0, false
	}
	l.written++
	if oldest := l.oldest(); l.written < oldest {
		missed = oldest - l.written
		l.written = oldest
	}
	return l.slots[l.written%uint64(len(l.slots))], missed, true
}

// Flush waits until the writer has caught up, for so long at most, and says
// whether it has. A writer that is stuck stays so: nothing can end it.
func (l *Log[T]) Flush(patience time.Duration) bool {
	l.mu.Lock()
	writing := l.writing
	l.mu.Unlock()
	if writing == nil {
		return true
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-writing:
		return true
	case <-timer.C:
		return false
	}
}

// Since returns the events after seq that are still kept, how many there were
// that are not, the newest's number, and a channel that is closed when there
// are more. A seq that is beyond the newest is from another log: it is 0.
func (l *Log[T]) Since(seq uint64) (events []T, dropped, last uint64, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq > l.last {
		seq = 0
	}
	from := max(seq+1, l.oldest())
	events = make([]T, 0, l.last+1-from)
	for n := from; n <= l.last; n++ {
		events = append(events, l.slots[n%uint64(len(l.slots))])
	}
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return events, from - seq - 1, l.last, l.more
}

// oldest is the number of the oldest event that is kept. The log is locked.
func (l *Log[T]) oldest() uint64 {
	if kept := uint64(l.size); l.last > kept {
		return l.last - kept + 1
	}
	return 1
}
