package tui

import (
	"encoding/json"
	"fmt"
)

// grid is a table whatever its rows are: moving, marking, sorting and
// filtering are the same in all panes.
type grid interface {
	move(by int)
	jump(to int) // -1 is the last
	pageSize() int
	sideways(by int)
	mark()
	markShown()
	markRange()
	unmark()
	counts() (shown, all, marked, hidden int)
	setFilter(string)
	filterText() string
	sorts() (names []string, by int, desc bool)
	setSort(by int, desc bool)
	currentID() string
	currentJSON() string
	justMoved() bool
	picture() uint64
}

func (t *table[T]) move(by int) {
	if n := t.len(); n > 0 {
		t.jump(min(max(t.at+by, 0), n-1))
	}
}

func (t *table[T]) jump(to int) {
	n := t.len()
	if to < 0 || to >= n {
		to = n - 1
	}
	t.at = max(to, 0)
	t.cur = t.idAt(t.at)
	t.moved = t.moved.AddDate(-1, 0, 0) // the reader has seen where it is
	t.version++
}

func (t *table[T]) pageSize() int { return max(t.page-1, 1) }

func (t *table[T]) sideways(by int) {
	loose := 0
	for i := range t.cols {
		if !t.cols[i].Fixed {
			loose++
		}
	}
	t.scrollX = min(max(t.scrollX+by, 0), max(loose-1, 0))
	t.version++
}

func (t *table[T]) setMark(id string, on bool) {
	if id == "" {
		return
	}
	if t.marks == nil {
		t.marks = map[string]bool{}
	}
	if on {
		t.marks[id] = true
	} else {
		delete(t.marks, id)
	}
	t.version++
}

// mark turns the mark of the row under the cursor, and goes on to the next.
func (t *table[T]) mark() {
	t.setMark(t.cur, !t.marks[t.cur])
	t.lastMark = t.cur
	t.move(1)
}

// markShown marks what the filter shows, leaders of groups not.
func (t *table[T]) markShown() {
	for i := range t.len() {
		if r := t.row(i); t.head == nil || !t.head(r) {
			t.setMark(t.id(r), true)
		}
	}
}

// markRange marks from the last mark to the cursor.
func (t *table[T]) markRange() {
	from := t.at
	for i := range t.len() {
		if t.idAt(i) == t.lastMark {
			from = i
		}
	}
	for i := min(from, t.at); i <= max(from, t.at) && i < t.len(); i++ {
		if r := t.row(i); t.head == nil || !t.head(r) {
			t.setMark(t.id(r), true)
		}
	}
	t.lastMark = t.cur
}

func (t *table[T]) unmark() {
	t.marks, t.lastMark = nil, ""
	t.version++
}

// counts tells how many rows are shown of how many, and how many are marked,
// of those how many behind the filter.
func (t *table[T]) counts() (shown, all, marked, hidden int) {
	all = len(t.rows)
	if t.head != nil {
		all = 0
		for _, r := range t.rows {
			if !t.head(r) {
				all++
			}
		}
	}
	marked = len(t.marks)
	if marked > 0 {
		hidden = marked
		for i := range t.len() {
			if t.marks[t.idAt(i)] {
				hidden--
			}
		}
	}
	return t.kept, all, marked, hidden
}

func (t *table[T]) setFilter(s string) {
	t.filter = parseFilter(s)
	t.rearrange()
}

func (t *table[T]) filterText() string { return t.filter.text }

func (t *table[T]) sorts() (names []string, by int, desc bool) {
	return view[T]{t: t}.names(), t.sortBy, t.desc
}

// setSort sorts by a column, from 1; 0 is the order in which rows came.
func (t *table[T]) setSort(by int, desc bool) {
	t.sortBy, t.desc = by, desc
	t.rearrange()
}

// rearrange follows the reader's own wish: where the cursor then stands is no
// surprise.
func (t *table[T]) rearrange() {
	moved := t.moved
	t.version++
	t.arrange()
	t.moved = moved
}

func (t *table[T]) currentID() string { return t.cur }

// currentJSON is the row under the cursor as programs read it.
func (t *table[T]) currentJSON() string {
	r, ok := t.current()
	if !ok {
		return ""
	}
	var noun any = r
	if n, ok := noun.(interface{ noun() any }); ok {
		noun = n.noun()
	}
	b, err := json.Marshal(noun)
	if err != nil {
		return fmt.Sprint(noun)
	}
	return string(b)
}

// justMoved reports whether the row under the cursor went away a moment ago.
func (t *table[T]) justMoved() bool { return t.now().Sub(t.moved) < settle }

func (t *table[T]) picture() uint64 { return t.version }
