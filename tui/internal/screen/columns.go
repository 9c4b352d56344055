package screen

import (
	"slices"

	"github.com/tcpctl/tcpctl/themes"
)

// Column is one fact of the rows of a table: its name, how it is drawn, and what
// it is sorted and compared by.
type Column[T any] struct {
	Name  string
	Prio  int  // where there is no room for all, 1 stays longest
	Width int  // what it needs
	Grow  int  // how much more it takes, when there is room
	Right bool // aligned to the right, as numbers are
	Fixed bool // does not scroll away to the left
	Ends  bool // a name, which is shortened in its middle

	Cell  func(T) (string, themes.Role) // what is drawn, made safe
	Value func(T) float64               // what is sorted and compared; nil: the text
	Order func(T) int                   // what is sorted by, in place of the others; nil: those

	Across bool // sorted by it, the rows of all groups are one list
	Rises  bool // sorted by it, the least is first, though it is a number
}

// Number returns a column of numbers, which text writes.
func Number[T any](name string, prio, width int, value func(T) float64, text func(float64) string) Column[T] {
	return Column[T]{Name: name, Prio: prio, Width: width, Right: true, Value: value,
		Cell: func(row T) (string, themes.Role) { return text(value(row)), themes.Text }}
}

// Slot is where a column is drawn. Column is its index.
type Slot struct{ Column, X, W int }

// gap returns the space before a column. Numbers are right-aligned and mostly bring their own.
func (c *Column[T]) gap(first bool) int {
	switch {
	case first:
		return 0
	case c.Right:
		return 1
	}
	return 2
}

// grow distributes the remaining room among the chosen columns. Names come first, one cell each in
// turn, since they are cut otherwise.
func grow[T any](cols []Column[T], byPrio []int, chosen map[int]int, room int) {
	for grown := true; grown && room > 0; {
		grown = false
		for _, i := range byPrio {
			if now, ok := chosen[i]; ok && cols[i].Ends && now < cols[i].Width+cols[i].Grow && room > 0 {
				chosen[i], room, grown = now+1, room-1, true
			}
		}
	}
	for _, i := range byPrio {
		if _, ok := chosen[i]; ok && !cols[i].Ends {
			more := max(min(cols[i].Grow, room), 0)
			chosen[i] += more
			room -= more
		}
	}
}

// Fit places columns in w. It depends on the width and the columns alone, never
// on what the rows hold: a longer name must not make all columns jump. skip is
// how many columns the operator has scrolled to the right.
func Fit[T any](cols []Column[T], w, skip int) []Slot {
	order := make([]int, 0, len(cols))
	for i := range cols {
		if cols[i].Fixed || skip == 0 {
			order = append(order, i)
			continue
		}
		skip--
	}
	// Choose by importance until one does not fit.
	byPrio := slices.Clone(order)
	slices.SortStableFunc(byPrio, func(a, b int) int { return cols[a].Prio - cols[b].Prio })
	used := 0
	chosen := make(map[int]int, len(cols))
	for _, i := range byPrio {
		need := cols[i].Width + cols[i].gap(len(chosen) == 0)
		if used+need > w {
			if len(chosen) == 0 {
				chosen[i] = w // the first is always shown, however narrow
				used = w
			}
			break
		}
		chosen[i] = cols[i].Width
		used += need
	}
	grow(cols, byPrio, chosen, w-used)
	slots := make([]Slot, 0, len(chosen))
	x := 0
	for _, i := range order {
		if cw, ok := chosen[i]; ok {
			x += cols[i].gap(len(slots) == 0)
			slots = append(slots, Slot{i, x, cw})
			x += cw
		}
	}
	return slots
}
