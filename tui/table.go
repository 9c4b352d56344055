package tui

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// table is rows that are selected by what they are, never by where they
// stand: rows that come, go and change places do not move the selection.
type table[T any] struct {
	cols []screen.Column[T]
	id   func(T) string
	// group keeps rows together when they are sorted; head says which row
	// leads its group. Both may be nil.
	group func(T) string
	head  func(T) bool
	// second draws a row's second line, and reports whether it has one. nil:
	// no row has.
	second func(row T, c *screen.Canvas, x, y int) bool

	rows  []T
	order []int // rows that are shown, in order; nil: all, as they came
	kept  int   // how many rows are shown, leaders not counted

	cur     string // the id under the cursor
	at      int    // its place in what is shown
	top     int    // the first that is drawn
	page    int    // how many were drawn
	scrollX int

	marks    map[string]bool
	lastMark string
	filter   filter
	sortBy   int // 0: as they came; else column+1
	desc     bool
	// follow keeps the cursor on the first row, whatever comes.
	follow bool

	moved   time.Time // when the row under the cursor went away
	named   []string  // the columns' names
	version uint64    // changes with everything that changes the picture
	now     func() time.Time
}

func (t *table[T]) len() int {
	if t.order != nil {
		return len(t.order)
	}
	return len(t.rows)
}

func (t *table[T]) row(i int) T {
	if t.order != nil {
		return t.rows[t.order[i]]
	}
	return t.rows[i]
}

// set brings new rows. The cursor goes with its row, and its row stays on its
// line of the screen.
func (t *table[T]) set(rows []T) {
	t.rows = rows
	t.version++
	if len(t.marks) > 0 {
		alive := map[string]bool{}
		for _, r := range rows {
			if id := t.id(r); t.marks[id] {
				alive[id] = true
			}
		}
		t.marks = alive
	}
	t.arrange()
}

// arrange filters and sorts, and finds the cursor's row again.
func (t *table[T]) arrange() {
	t.order, t.kept = nil, len(t.rows)
	if t.head != nil {
		t.kept = 0
		for _, r := range t.rows {
			if !t.head(r) {
				t.kept++
			}
		}
	}
	if len(t.filter.terms) > 0 {
		t.applyFilter()
	}
	if t.sortBy > 0 {
		t.applySort()
	}
	t.find()
}

func (t *table[T]) applyFilter() {
	t.order, t.kept = []int{}, 0
	for i := 0; i < len(t.rows); i++ {
		r := t.rows[i]
		if t.head == nil || !t.head(r) {
			if t.filter.holds(view[T]{t, r}) {
				t.order = append(t.order, i)
				t.kept++
			}
			continue
		}
		// A leader that is named is shown with all of its group, else with
		// those of its group that hold.
		all := t.filter.plain() && t.filter.holds(view[T]{t, r})
		lead := len(t.order)
		t.order = append(t.order, i)
		for i+1 < len(t.rows) && !t.head(t.rows[i+1]) {
			i++
			if all || t.filter.holds(view[T]{t, t.rows[i]}) {
				t.order = append(t.order, i)
				t.kept++
			}
		}
		if !all && len(t.order) == lead+1 {
			t.order = t.order[:lead]
		}
	}
}

func (t *table[T]) applySort() {
	if t.order == nil {
		t.order = make([]int, len(t.rows))
		for i := range t.order {
			t.order[i] = i
		}
	}
	rank := map[string]int{}
	if t.group != nil {
		for i, r := range t.rows {
			if _, ok := rank[t.group(r)]; !ok {
				rank[t.group(r)] = i
			}
		}
	}
	col := &t.cols[t.sortBy-1]
	slices.SortStableFunc(t.order, func(a, b int) int {
		x, y := t.rows[a], t.rows[b]
		if t.group != nil {
			if d := rank[t.group(x)] - rank[t.group(y)]; d != 0 {
				return d
			}
			if t.head != nil && t.head(x) != t.head(y) {
				if t.head(x) {
					return -1
				}
				return 1
			}
		}
		var d int
		if col.Value != nil {
			d = cmp.Compare(col.Value(x), col.Value(y))
		} else {
			sx, _ := col.Cell(x)
			sy, _ := col.Cell(y)
			d = cmp.Compare(sx, sy)
		}
		if t.desc {
			d = -d
		}
		return d
	})
}

// find puts the cursor back on its row. Where that is gone, it stands on the
// one that took its place, and moved says so for a moment: a key that was
// meant for the old row must not hit the new one.
func (t *table[T]) find() {
	n := t.len()
	line := t.at - t.top
	if t.follow || t.cur == "" {
		t.at, t.top = 0, 0
		if t.follow || n > 0 {
			t.cur = t.idAt(0)
		}
		return
	}
	if t.at < n && t.idAt(t.at) == t.cur {
		return
	}
	for i := range n {
		if t.idAt(i) == t.cur {
			t.at, t.top = i, max(i-line, 0)
			return
		}
	}
	t.at = max(min(t.at, n-1), 0)
	t.cur = t.idAt(t.at)
	t.moved = t.now()
}

func (t *table[T]) idAt(i int) string {
	if i < 0 || i >= t.len() {
		return ""
	}
	return t.id(t.row(i))
}

// current is the row under the cursor.
func (t *table[T]) current() (row T, ok bool) {
	if t.at < 0 || t.at >= t.len() {
		return row, false
	}
	return t.row(t.at), true
}

// view is a row as a filter looks at it.
type view[T any] struct {
	t   *table[T]
	row T
}

func (v view[T]) names() []string {
	if v.t.named == nil {
		for i := range v.t.cols {
			v.t.named = append(v.t.named, v.t.cols[i].Name)
		}
	}
	return v.t.named
}

func (v view[T]) text(col int) string {
	s, _ := v.t.cols[col].Cell(v.row)
	return s
}

func (v view[T]) number(col int) (float64, bool) {
	c := &v.t.cols[col]
	if c.Value == nil {
		n, err := strconv.ParseFloat(v.text(col), 64)
		return n, err == nil
	}
	return c.Value(v.row), true
}
