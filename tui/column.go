package tui

import (
	"slices"

	"github.com/tcpctl/tcpctl/themes"
)

// column is one fact of a row: its name, how it is drawn, and what it is
// sorted and compared by.
type column[T any] struct {
	name  string
	prio  int  // 1 stays longest when it gets narrow
	width int  // columns it needs
	grow  int  // at most so many more, when there is room
	right bool // numbers stand on the right
	fixed bool // does not scroll to the left
	ends  bool // a name: both its ends tell it from others, so its middle goes

	cell func(T) (string, themes.Role)
	num  func(T) float64 // nil: sorted by its text
}

// slot is a column's place on the screen.
type slot struct{ col, x, w int }

// gap is what a column keeps free before it. Numbers stand on the right, and
// so have some of their own.
func (c *column[T]) gap(first bool) int {
	switch {
	case first:
		return 0
	case c.right:
		return 1
	}
	return 2
}

// fit places columns in w. It depends on the width and the columns alone,
// never on what the rows hold: a longer name must not make all others jump.
// skip is how far the reader has scrolled to the right.
func fit[T any](cols []column[T], w, skip int) []slot {
	order := make([]int, 0, len(cols))
	for i := range cols {
		if cols[i].fixed || skip == 0 {
			order = append(order, i)
			continue
		}
		skip--
	}
	// The most important come first, and those that do not fit any more stay
	// away, until one does that is less important but smaller.
	byPrio := slices.Clone(order)
	slices.SortStableFunc(byPrio, func(a, b int) int { return cols[a].prio - cols[b].prio })
	used := 0
	chosen := make(map[int]int, len(cols))
	for _, i := range byPrio {
		need := cols[i].width + cols[i].gap(len(chosen) == 0)
		if used+need > w {
			if len(chosen) == 0 {
				chosen[i] = w // the first is shown however narrow it gets
				used = w
			}
			break
		}
		chosen[i] = cols[i].width
		used += need
	}
	// What is left goes to names first, a column to each in turn: they are what
	// is cut otherwise.
	for grown := true; grown && used < w; {
		grown = false
		for _, i := range byPrio {
			if now, ok := chosen[i]; ok && cols[i].ends && now < cols[i].width+cols[i].grow && used < w {
				chosen[i], used, grown = now+1, used+1, true
			}
		}
	}
	for _, i := range byPrio {
		if _, ok := chosen[i]; ok && !cols[i].ends {
			more := min(cols[i].grow, w-used)
			chosen[i] += max(more, 0)
			used += max(more, 0)
		}
	}
	slots := make([]slot, 0, len(chosen))
	x := 0
	for _, i := range order {
		if cw, ok := chosen[i]; ok {
			x += cols[i].gap(len(slots) == 0)
			slots = append(slots, slot{i, x, cw})
			x += cw
		}
	}
	return slots
}
