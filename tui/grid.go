package tui

// grid is a table with any type of rows: the keys that move, mark, sort and filter are the same in
// all panes.
type grid interface {
	Move(by int)
	Jump(to int) // -1 is the last
	PageSize() int
	Sideways(by int)
	Mark()
	MarkShown()
	MarkRange()
	Unmark()
	Counts() (shown, all, marked, hidden int)
	SetFilter(string)
	Filter() string
	Sorts() (names []string, by int, desc bool)
	SetSort(by int, desc bool)
	Falls(by int) bool // sorted by this column, the largest value comes first
	SortBy(name string, reverse bool) bool
	Select(id string) bool
	Window() (from, to int)
	Click(line int) bool
	CurrentID() string
	CurrentJSON() string
	Version() uint64
}
