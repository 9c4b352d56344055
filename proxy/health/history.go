package health

import "time"

// historyKept is how many results a history shows: they fit beside a name in a
// terminal's line.
const historyKept = 30

// History is the latest results of one backend's checks. The zero value has none.
// It is not safe for concurrent use.
type History struct {
	Last Result
	At   time.Time // of Last

	marks [historyKept]byte // a ring
	count int
}

// Add adds a result with its time.
func (h *History) Add(r Result, at time.Time) {
	mark := byte('!')
	if r.OK {
		mark = '+'
	}
	h.Last, h.At = r, at
	h.marks[h.count%historyKept] = mark
	h.count++
}

// Empty reports whether no result was added.
func (h *History) Empty() bool { return h.count == 0 }

// Marks returns the latest results, oldest first: '+' passed, '!' failed.
func (h *History) Marks() string {
	var b []byte
	for n := max(0, h.count-historyKept); n < h.count; n++ {
		b = append(b, h.marks[n%historyKept])
	}
	return string(b)
}
