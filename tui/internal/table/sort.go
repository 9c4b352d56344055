package table

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// Sorts names the columns, and says which the rows are sorted by: its index + 1.
// 0 is the sickest first, and with desc the order in which they came.
func (t *Table[T]) Sorts() (names []string, by int, desc bool) {
	return t.columnNames(), t.sortBy, t.desc
}

// SetSort sorts by a column's index + 1; 0 is as Sorts says.
func (t *Table[T]) SetSort(by int, desc bool) {
	if by < 0 || by > len(t.Columns) {
		by, desc = 0, false
	}
	t.sortBy, t.desc, t.asGiven = by, desc, by == 0 && desc
	if by != 0 {
		t.follow(false)
	}
	t.rearrange()
}

// Falls reports whether a column starts with its largest value, as numbers do.
func (t *Table[T]) Falls(by int) bool {
	return by > 0 && by <= len(t.Columns) && t.Columns[by-1].Value != nil && !t.Columns[by-1].Rises
}

// Across reports whether the rows are sorted over the bounds of their groups.
func (t *Table[T]) Across() bool { return t.sortBy > 0 && t.Columns[t.sortBy-1].Across }

// SortBy sorts by the column of a name, as it starts or the other way round, and
// reports whether there is one.
func (t *Table[T]) SortBy(name string, reverse bool) bool {
	for i, n := range t.columnNames() {
		if n != "" && isNamed(n, strings.ToLower(name)) {
			t.SetSort(i+1, t.Falls(i+1) != reverse)
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

// rearrange arranges the rows at the operator's request: the cursor may move, which does not count
// as the loss of its row.
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
		// A head that matches by name is shown with its whole group, otherwise with those of the
		// group that match.
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
	grouped := t.Group != nil && !t.Across()
	var groups map[string]int
	if grouped {
		groups = t.groups()
	}
	slices.SortStableFunc(t.order, func(a, b int) int {
		x, y := t.rows[a], t.rows[b]
		if t.Last != nil && t.Last(x) != t.Last(y) {
			return before(t.Last(y))
		}
		if grouped {
			if d := groups[t.Group(x)] - groups[t.Group(y)]; d != 0 {
				return d
			}
			if head := t.isHead(x); head != t.isHead(y) {
				return before(head)
			}
		}
		d := t.compare(x, y)
		if t.desc {
			return -d
		}
		return d
	})
}

// groups returns the positions of the groups: those with the sickest rows first, otherwise in the
// order of arrival.
func (t *Table[T]) groups() map[string]int {
	type place struct {
		name  string
		worst int
	}
	var order []place
	at := map[string]int{}
	for _, r := range t.rows {
		name := t.Group(r)
		i, ok := at[name]
		if !ok {
			i = len(order)
			at[name] = i
			order = append(order, place{name: name})
		}
		if t.Rank != nil && !t.asGiven {
			order[i].worst = max(order[i].worst, t.Rank(r))
		}
	}
	sort.SliceStable(order, func(i, j int) bool { return order[i].worst > order[j].worst })
	for i, p := range order {
		at[p.name] = i
	}
	return at
}

// before returns -1 if the first of two rows comes first, otherwise 1.
func before(first bool) int {
	if first {
		return -1
	}
	return 1
}

// compare compares two rows by the current sort order.
func (t *Table[T]) compare(x, y T) int {
	if t.sortBy == 0 {
		return t.Rank(y) - t.Rank(x)
	}
	col := &t.Columns[t.sortBy-1]
	switch {
	case col.Order != nil:
		return col.Order(x) - col.Order(y)
	case col.Value != nil:
		return cmp.Compare(col.Value(x), col.Value(y))
	}
	a, _ := col.Cell(x)
	b, _ := col.Cell(y)
	return cmp.Compare(a, b)
}
