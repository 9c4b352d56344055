package table

import (
	"cmp"
	"slices"
	"strings"
)

// Sorts names the columns, and says which the rows are sorted by: its index + 1,
// 0 for the order in which they came.
func (t *Table[T]) Sorts() (names []string, by int, desc bool) {
	return t.columnNames(), t.sortBy, t.desc
}

// SetSort sorts by a column's index + 1; 0 is the order in which rows came.
func (t *Table[T]) SetSort(by int, desc bool) {
	t.sortBy, t.desc = by, desc
	if by != 0 {
		t.follow(false)
	}
	t.rearrange()
}

// SortBy sorts by the column of a name, and reports whether there is one.
func (t *Table[T]) SortBy(name string, desc bool) bool {
	for i, n := range t.columnNames() {
		if n != "" && isNamed(n, strings.ToLower(name)) {
			t.SetSort(i+1, desc)
			return true
		}
	}
	return false
}

// SetFilter shows the rows that match an expression only; see filter.
func (t *Table[T]) SetFilter(expression string) {
	t.filter = parseFilter(expression)
	t.rearrange()
}

// Filter is the expression that rows have to match, "" for none.
func (t *Table[T]) Filter() string { return t.filter.text }

// rearrange is asked for by the operator, who expects the cursor to move: it
// does not count as a row that has gone.
func (t *Table[T]) rearrange() {
	t.version++
	t.arrange()
}

func (t *Table[T]) columnNames() []string {
	if t.names == nil {
		for i := range t.Columns {
			t.names = append(t.names, t.Columns[i].Name)
		}
	}
	return t.names
}

func (t *Table[T]) applyFilter() {
	t.order = []int{}
	for i := 0; i < len(t.rows); i++ {
		r := t.rows[i]
		if !t.isHead(r) {
			if t.filter.matches(cellsOf[T]{t, r}) {
				t.order = append(t.order, i)
			}
			continue
		}
		// A head that matches by name is shown with all of its group, else with
		// those of its group that match.
		all := t.filter.plain() && t.filter.matches(cellsOf[T]{t, r})
		head := len(t.order)
		t.order = append(t.order, i)
		for i+1 < len(t.rows) && !t.isHead(t.rows[i+1]) {
			i++
			if all || t.filter.matches(cellsOf[T]{t, t.rows[i]}) {
				t.order = append(t.order, i)
			}
		}
		if !all && len(t.order) == head+1 {
			t.order = t.order[:head]
		}
	}
	t.kept = 0
	for _, i := range t.order {
		if !t.isHead(t.rows[i]) {
			t.kept++
		}
	}
}

func (t *Table[T]) applySort() {
	if t.order == nil {
		t.order = make([]int, len(t.rows))
		for i := range t.order {
			t.order[i] = i
		}
	}
	rank := map[string]int{} // of the groups, in the order in which they came
	if t.Group != nil {
		for i, r := range t.rows {
			if _, ok := rank[t.Group(r)]; !ok {
				rank[t.Group(r)] = i
			}
		}
	}
	slices.SortStableFunc(t.order, func(a, b int) int {
		x, y := t.rows[a], t.rows[b]
		if t.Group != nil {
			if d := rank[t.Group(x)] - rank[t.Group(y)]; d != 0 {
				return d
			}
		}
		if head := t.isHead(x); head != t.isHead(y) {
			if head {
				return -1
			}
			return 1
		}
		d := t.compare(x, y)
		if t.desc {
			return -d
		}
		return d
	})
}

// compare compares two rows by the column that they are sorted by.
func (t *Table[T]) compare(x, y T) int {
	col := &t.Columns[t.sortBy-1]
	if col.Value != nil {
		return cmp.Compare(col.Value(x), col.Value(y))
	}
	a, _ := col.Cell(x)
	b, _ := col.Cell(y)
	return cmp.Compare(a, b)
}
