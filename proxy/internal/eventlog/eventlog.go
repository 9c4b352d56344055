// Package eventlog keeps the newest events in a ring, where each reader takes
// them at its own pace, and hands each to one writer, which may be slow or stuck:
// what adds an event never waits for either.
package eventlog

import (
	"context"
	"runtime/pprof"
	"sync"
	"time"
)

// Log is a ring of the newest events. Make one with New; its methods may be
// called from any goroutine, and whatever lock its caller holds: they run
// no code of others.
type Log[T any] struct {
	write func(ev T, missed uint64) // nil: there is no writer

	size int

	mu      sync.Mutex
	slots   []T           // an event's place is its number modulo their length; they grow up to size
	last    uint64        // the newest event's number
	base    uint64        // the number before the first event that was added here
	first   uint64        // the oldest restored event; 0: none
	more    chan struct{} // closed at the next event; nil: nothing waits for it
	written uint64        // the last event passed to the writer
	writing chan struct{} // closed once the writer has caught up; nil: it has
}

// New makes a log of size events. Each is handed to write, in order, by one
// goroutine, which is there only while there is something to hand on. A writer
// that falls behind by more than size gets the number that it has missed.
func New[T any](size int, write func(ev T, missed uint64)) *Log[T] {
	return &Log[T]{write: write, size: size}
}

// Add keeps the event that number makes, in the place of the oldest. Events
// are numbered from 1, without gaps. It is called with the log locked, and
// must do nothing else.
func (l *Log[T]) Add(number func(seq uint64) T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grow()
	l.last++
	*l.slot(l.last) = number(l.last)
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
	if l.write != nil && l.writing == nil {
		l.writing = make(chan struct{})
		go l.writeAll()
	}
}

// grow makes room for one more event, up to size, which many logs never reach. The log
// is locked.
func (l *Log[T]) grow() {
	if len(l.slots) == l.size || l.last+1-l.oldest() < uint64(len(l.slots)) {
		return
	}
	was := l.slots
	l.slots = make([]T, min(max(64, 2*len(was)), l.size))
	for n := l.oldest(); n <= l.last; n++ {
		*l.slot(n) = was[n%uint64(len(was))]
	}
}

func (l *Log[T]) slot(n uint64) *T { return &l.slots[n%uint64(len(l.slots))] }

// writer has the labels of the writer's goroutine.
var writer = pprof.WithLabels(context.Background(), pprof.Labels("role", "log"))

// writeAll passes new events to the writer until there are none.
func (l *Log[T]) writeAll() {
	pprof.SetGoroutineLabels(writer) // not those of the goroutine that adds an event
	for {
		ev, missed, ok := l.next()
		if !ok {
			return
		}
		l.write(ev, missed)
	}
}

// next returns the writer's next event; false: it has caught up.
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
	return *l.slot(l.written), missed, true
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
	select {
	case <-writing:
		return true
	case <-time.After(patience):
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
		events = append(events, *l.slot(n))
	}
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return events, from - seq - 1, l.last, l.more
}

// oldest returns the number of the oldest event that is kept. The log is locked.
func (l *Log[T]) oldest() uint64 {
	oldest := max(l.first, 1)
	if kept := uint64(l.size); l.last > kept {
		oldest = max(oldest, l.last-kept+1)
	}
	return oldest
}

// Restore puts the events of an earlier log, whose newest has the number last,
// before those that were added here, which renumber gives the numbers that
// follow. The writer is not given what is restored. A last below one that was
// restored before changes nothing. past is in order, and ends with last; what
// is not is left out.
func (l *Log[T]) Restore(past []T, last uint64, numberOf func(T) uint64, renumber func(ev T, seq uint64) T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last < l.base || last == 0 {
		return
	}
	own := make([]T, 0, l.last-l.base)
	for n := max(l.base+1, l.oldest()); n <= l.last; n++ {
		own = append(own, *l.slot(n))
	}
	lost := l.last - l.base - uint64(len(own)) // own events that were dropped already
	ahead := l.written - min(l.written, l.base)
	l.slots = make([]T, l.size)
	l.first = last + lost + 1
	for i, n := len(past)-1, last; i >= 0 && n > 0 && numberOf(past[i]) == n && last-n < uint64(l.size) && lost == 0; i, n = i-1, n-1 {
		*l.slot(n) = past[i]
		l.first = n
	}
	l.base, l.last, l.written = last, last+lost, last+ahead
	for _, ev := range own {
		l.last++
		*l.slot(l.last) = renumber(ev, l.last)
	}
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
}
