package tui

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/tcpctl/tcpctl/themes"
)

// table is rows that are selected by what they are, never by where they
// stand: rows that come, go and change places do not move the selection.
type table[T any] struct {
	cols []column[T]
	id   func(T) string
	// group keeps rows together when they are sorted; head says which row
	// leads its group. Both may be nil.
	group func(T) string
	head  func(T) bool
	// second draws a row's second line, and reports whether it has one. nil:
	// no row has.
	second func(row T, c *canvas, x, y int) bool

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
		if col.num != nil {
			d = cmp.Compare(col.num(x), col.num(y))
		} else {
			sx, _ := col.cell(x)
			sy, _ := col.cell(y)
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
			v.t.named = append(v.t.named, v.t.cols[i].name)
		}
	}
	return v.t.named
}

func (v view[T]) text(col int) string {
	s, _ := v.t.cols[col].cell(v.row)
	return s
}

func (v view[T]) number(col int) (float64, bool) {
	c := &v.t.cols[col]
	if c.num == nil {
		n, err := strconv.ParseFloat(v.text(col), 64)
		return n, err == nil
	}
	return c.num(v.row), true
}

// draw paints the rows, under their names where there is room for them.
func (t *table[T]) draw(c *canvas, focused, names bool, ellipsis rune) {
	const margin = 2 // the cursor's sign and the mark
	slots := fit(t.cols, c.w-margin-1, t.scrollX)
	y := 0
	if names && c.h > 1 {
		for _, s := range slots {
			name := t.cols[s.col].name
			if t.cols[s.col].right {
				c.right(margin+s.x+s.w, y, cut(name, s.w), is(themes.TextDim))
			} else {
				c.text(margin+s.x, y, cut(name, s.w), is(themes.TextDim))
			}
		}
		y++
	}
	t.reveal(c.h - y)
	first := y
	for i := t.top; i < t.len() && y < c.h; i++ {
		r := t.row(i)
		t.drawRow(c, y, r, slots, margin, ellipsis)
		last := y
		if t.second != nil && y+1 < c.h && t.second(r, c, margin, y+1) {
			last++
		}
		if i == t.at && focused {
			c.fill(0, y, 1, '>', is(themes.Prompt)) // also where there are no colours
			c.tint(0, y, c.w, themes.Cursor, 0)
		}
		y = last + 1
		t.page = i - t.top + 1
	}
	if y == first {
		t.page = 0
	}
}

func (t *table[T]) drawRow(c *canvas, y int, r T, slots []slot, margin int, ellipsis rune) {
	marked := t.marks[t.id(r)]
	if marked {
		c.fill(1, y, 1, '*', is(themes.Marked))
	}
	for _, s := range slots {
		col := &t.cols[s.col]
		text, role := col.cell(r)
		if marked && role == themes.Text {
			role = themes.Marked
		}
		if col.right {
			c.right(margin+s.x+s.w, y, cut(text, s.w), is(role))
		} else {
			if col.ends {
				text = middle(text, s.w, ellipsis)
			}
			c.text(margin+s.x, y, clip(text, s.w, ellipsis), is(role))
		}
	}
}

// reveal moves the window so that the cursor's row is in it, with its second
// line. h is how many lines there are.
func (t *table[T]) reveal(h int) {
	if t.len() == 0 {
		t.top = 0
		return
	}
	t.top = max(min(t.top, t.len()-1), 0)
	if t.at < t.top {
		t.top = t.at
	}
	if h < 1 {
		return
	}
	used := 0
	for i := t.at; i >= t.top; i-- {
		used += t.height(i)
		if used > h && i < t.at {
			t.top = i + 1
			break
		}
	}
	// Lines that stay empty at the end show what is above instead.
	below := 0
	for i := t.top; i < t.len() && below <= h; i++ {
		below += t.height(i)
	}
	for t.top > 0 && below+t.height(t.top-1) <= h {
		t.top--
		below += t.height(t.top)
	}
}

func (t *table[T]) height(i int) int {
	if t.second != nil && t.second(t.row(i), nil, 0, 0) {
		return 2
	}
	return 1
}
