// Package table is a table whose rows are selected by id, never by position: rows that come, go and
// move change neither the cursor nor the marks. Filters, sorting and drawing are the same for all
// types of rows.
package table

import (
	"time"

	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// Settle is how long after the row under the cursor has gone JustGone reports
// it: a key that was meant for the old row must not hit the new one.
const Settle = 700 * time.Millisecond

// Table is rows with a cursor, marks, a filter and an order. Columns and ID must
// be set; the zero values of the others mean: no groups, no second lines, a
// cursor that stays with its row.
type Table[T any] struct {
	Columns []screen.Column[T]
	ID      func(T) string
	Group   func(T) string // rows of a group stay together when they are sorted
	Head    func(T) bool   // the row that leads its group
	Tall    func(T) bool   // the row has a second line
	// Rank is how sick a row is: 0 is well. Unless they are sorted otherwise, the
	// sickest rows come first, and the groups that have them; nil: as they came.
	Rank   func(T) int
	Last   func(T) bool // the row stays below those of which it is false, whatever the order; nil: none does
	Follow bool         // the cursor stays on the first row until it is moved
	// Unfollow is called when a cursor that follows is moved away.
	Unfollow func()

	rows  []T
	order []int // of the rows that are shown; nil: all, in order of arrival
	kept  int   // how many rows are shown, heads not counted

	cur     string // the id under the cursor
	at      int    // its index in what is shown
	top     int    // the first row that is drawn
	page    int    // how many rows were drawn
	lines   []int  // the row on each line of the canvas, as last drawn; -1: none
	scrollX int    // how many columns are scrolled out on the left
	away    bool   // a following cursor was moved away
	touched bool   // the operator has moved the cursor: it now stays with its row

	marks    map[string]bool
	lastMark string
	filter   filter
	sortBy   int // 0: sickest first; else the column's index + 1
	desc     bool
	asGiven  bool // with sortBy 0: in order of arrival

	gone    time.Time // when the row under the cursor went away
	names   []string  // of the columns
	version uint64
}

// Len is how many rows are shown.
func (t *Table[T]) Len() int {
	if t.order != nil {
		return len(t.order)
	}
	return len(t.rows)
}

// Row is the row at index i of what is shown.
func (t *Table[T]) Row(i int) T {
	if t.order != nil {
		return t.rows[t.order[i]]
	}
	return t.rows[i]
}

// Rows is all rows as they came, shown or not.
func (t *Table[T]) Rows() []T { return t.rows }

// Version changes with everything that changes how the table is drawn.
func (t *Table[T]) Version() uint64 { return t.version }

// Set replaces the rows. A cursor that was moved goes with its row, which stays on
// its line of the screen; one that never was stays at the top. Marks of rows that
// are gone are dropped.
func (t *Table[T]) Set(rows []T, now time.Time) {
	t.rows = rows
	t.version++
	if len(t.marks) > 0 {
		alive := map[string]bool{}
		for _, r := range rows {
			if id := t.ID(r); t.marks[id] {
				alive[id] = true
			}
		}
		t.marks = alive
	}
	if t.arrange() {
		t.gone = now
	}
}

// Clear drops the rows and forgets where the cursor was.
func (t *Table[T]) Clear() {
	t.cur, t.touched = "", false
	t.Set(nil, time.Time{})
}

// arrange filters and sorts the rows, puts the cursor back on its row, and reports whether that has
// gone.
func (t *Table[T]) arrange() (gone bool) {
	t.order, t.kept = nil, t.count(t.rows)
	if len(t.filter.terms) > 0 {
		t.applyFilter()
	}
	if t.sortBy > 0 || t.Rank != nil && !t.asGiven {
		t.applySort()
	}
	return t.find()
}

func (t *Table[T]) isHead(row T) bool { return t.Head != nil && t.Head(row) }

// count returns the number of rows, without heads.
func (t *Table[T]) count(rows []T) int {
	if t.Head == nil {
		return len(rows)
	}
	n := 0
	for _, r := range rows {
		if !t.Head(r) {
			n++
		}
	}
	return n
}

// find puts the cursor back on its row, or, if that has gone, on the one that took its place. A
// cursor that was never moved is on the first row that is no head.
func (t *Table[T]) find() (gone bool) {
	n := t.Len()
	line := t.at - t.top
	if t.Following() || !t.touched || t.cur == "" {
		before := t.cur
		t.at, t.top = t.first(), 0
		t.cur = t.idAt(t.at)
		return before != "" && t.cur != before && !t.Following()
	}
	if t.at < n && t.idAt(t.at) == t.cur {
		return false
	}
	for i := range n {
		if t.idAt(i) == t.cur {
			t.at, t.top = i, max(i-line, 0)
			return false
		}
	}
	t.at = max(min(t.at, n-1), 0)
	t.cur = t.idAt(t.at)
	return true
}

// first returns where a cursor starts: on a row, not on the head of its group.
func (t *Table[T]) first() int {
	if t.Len() > 1 && t.isHead(t.Row(0)) && !t.isHead(t.Row(1)) {
		return 1
	}
	return 0
}

func (t *Table[T]) idAt(i int) string {
	if i < 0 || i >= t.Len() {
		return ""
	}
	return t.ID(t.Row(i))
}
