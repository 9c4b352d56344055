package table

import (
	"encoding/json"
	"fmt"
	"time"
)

// Current is the row under the cursor.
func (t *Table[T]) Current() (row T, ok bool) {
	if t.at < 0 || t.at >= t.Len() {
		return row, false
	}
	return t.Row(t.at), true
}

// CurrentID is the id of the row under the cursor, "" where there is none.
func (t *Table[T]) CurrentID() string { return t.cur }

// CurrentJSON is the row under the cursor as JSON, "" where there is none.
func (t *Table[T]) CurrentJSON() string {
	r, ok := t.Current()
	if !ok {
		return ""
	}
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Sprint(r)
	}
	return string(b)
}

// JustGone reports whether the row that was under the cursor has gone less than
// Settle ago.
func (t *Table[T]) JustGone(now time.Time) bool { return now.Sub(t.gone) < Settle }

// Move moves the cursor by rows, as far as there are any.
func (t *Table[T]) Move(by int) {
	if n := t.Len(); n > 0 {
		t.Jump(min(max(t.at+by, 0), n-1))
	}
}

// Jump moves the cursor to a row; -1 is the last.
func (t *Table[T]) Jump(to int) {
	n := t.Len()
	if to < 0 || to >= n {
		to = n - 1
	}
	t.at, t.touched = max(to, 0), true
	t.cur = t.idAt(t.at)
	t.gone = time.Time{} // the operator sees where the cursor is
	t.version++
	t.follow(t.at == 0 && t.sortBy == 0)
}

// Following reports whether the cursor stays on the first row, whatever comes.
func (t *Table[T]) Following() bool { return t.Follow && !t.away }

func (t *Table[T]) follow(on bool) {
	if t.Following() && !on && t.Unfollow != nil {
		t.Unfollow()
	}
	t.away = !on
}

// Touched reports whether the operator has moved the cursor.
func (t *Table[T]) Touched() bool { return t.touched }

// Select moves the cursor to the row of an id, and reports whether it is shown.
func (t *Table[T]) Select(id string) bool {
	for i := range t.Len() {
		if t.idAt(i) == id {
			t.Jump(i)
			return true
		}
	}
	return false
}

// Window is the first and the last row that was drawn, counted from 1, heads not
// counted.
func (t *Table[T]) Window() (from, to int) {
	for i := range min(t.top+t.page, t.Len()) {
		if t.isHead(t.Row(i)) {
			continue
		}
		if to++; i < t.top {
			from++
		}
	}
	return min(from+1, to), to
}

// PageSize is how many rows a page moves the cursor.
func (t *Table[T]) PageSize() int { return max(t.page-1, 1) }

// Sideways scrolls the columns that are not fixed.
func (t *Table[T]) Sideways(by int) {
	loose := 0
	for i := range t.Columns {
		if !t.Columns[i].Fixed {
			loose++
		}
	}
	t.scrollX = min(max(t.scrollX+by, 0), max(loose-1, 0))
	t.version++
}

func (t *Table[T]) setMark(id string, on bool) {
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

// Mark marks the row under the cursor, or clears its mark, and moves on to the
// next.
func (t *Table[T]) Mark() {
	t.setMark(t.cur, !t.marks[t.cur])
	t.lastMark = t.cur
	t.Move(1)
}

// MarkShown marks every row that is shown, heads not.
func (t *Table[T]) MarkShown() { t.markRows(0, t.Len()-1) }

// MarkRange marks the rows from the last mark to the cursor.
func (t *Table[T]) MarkRange() {
	from := t.at
	for i := range t.Len() {
		if t.idAt(i) == t.lastMark {
			from = i
		}
	}
	t.markRows(min(from, t.at), max(from, t.at))
	t.lastMark = t.cur
}

func (t *Table[T]) markRows(from, to int) {
	for i := from; i <= to && i < t.Len(); i++ {
		if r := t.Row(i); !t.isHead(r) {
			t.setMark(t.ID(r), true)
		}
	}
}

// Unmark clears all marks.
func (t *Table[T]) Unmark() {
	t.marks, t.lastMark = nil, ""
	t.version++
}

// Chosen is the ids of the marked rows, in the order in which rows came, or else
// that of the row under the cursor. hidden are the marked ones that the filter
// hides. Asking counts as moving the cursor: it stays with what was chosen.
func (t *Table[T]) Chosen() (ids, hidden []string) {
	t.touched = true
	if len(t.marks) == 0 {
		if t.cur == "" {
			return nil, nil
		}
		return []string{t.cur}, nil
	}
	shown := map[string]bool{}
	for i := range t.Len() {
		shown[t.idAt(i)] = true
	}
	for _, r := range t.rows {
		if id := t.ID(r); t.marks[id] {
			ids = append(ids, id)
			if !shown[id] {
				hidden = append(hidden, id)
			}
		}
	}
	return ids, hidden
}

// Marked is how many rows are marked.
func (t *Table[T]) Marked() int { return len(t.marks) }

// Counts is how many rows are shown, of how many, heads not counted; and how
// many are marked, of those how many hidden by the filter.
func (t *Table[T]) Counts() (shown, all, marked, hidden int) {
	marked = len(t.marks)
	if marked > 0 {
		hidden = marked
		for i := range t.Len() {
			if t.marks[t.idAt(i)] {
				hidden--
			}
		}
	}
	return t.kept, t.count(t.rows), marked, hidden
}

// Click moves the cursor to the row that was drawn last on a line of the canvas, and
// reports whether there is one. A second line of a row is that row's.
func (t *Table[T]) Click(line int) bool {
	if line < 0 || line >= len(t.lines) {
		return false
	}
	i := t.lines[line]
	if i < 0 && line > 0 {
		i = t.lines[line-1]
	}
	if i < 0 || i >= t.Len() {
		return false
	}
	t.Jump(i)
	return true
}
