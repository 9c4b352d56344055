package screen

import (
	"strconv"
	"strings"
)

// diffGap is the longest run of unchanged cells that is written again instead of skipped: a cursor
// move takes about as many bytes.
const diffGap = 5

// Diff writes what changes a terminal that shows before into one that shows c: the
// cells that differ, and how to get to them. With before nil, or of another size, it
// writes all. It depends neither on where the terminal's cursor was nor on its ink.
func (c *Canvas) Diff(before *Canvas, p *Palette) string {
	var b strings.Builder
	if before != nil && (before.W != c.W || before.H != c.H) {
		before = nil
	}
	if before == nil {
		if !p.Plain {
			b.WriteString(reset)
		}
		b.WriteString("\x1b[H\x1b[2J")
	}
	cleared := p.Plain || p.blank(emptyCell.Ink) // an empty cell need not be written on a cleared screen
	now := reset                                 // the terminal's current ink
	for y := range c.H {
		row, old := c.Row(y), []Cell(nil)
		if before != nil {
			old = before.Row(y)
		}
		for x := 0; x < len(row); {
			from, to := nextRun(row, old, x, cleared)
			if from >= len(row) {
				break
			}
			b.WriteString("\x1b[" + strconv.Itoa(y+1) + ";" + strconv.Itoa(from+1) + "H")
			for x = from; x < to; x++ {
				r, wide := at(row, x)
				if ink := p.sgr(row[x].Ink); ink != now && !p.Plain {
					b.WriteString(ink)
					now = ink
				}
				b.WriteRune(r)
				if wide {
					x++
				}
			}
		}
	}
	if now != reset {
		b.WriteString(reset)
	}
	return b.String()
}

// nextRun returns the next part of a line, from x on, that has to be written: cells that differ,
// and short gaps between them. It begins and ends at whole runes.
func nextRun(row, old []Cell, x int, cleared bool) (from, to int) {
	differs := func(i int) bool {
		if old == nil {
			return !cleared || row[i] != emptyCell
		}
		return row[i] != old[i]
	}
	for x < len(row) && !differs(x) {
		x++
	}
	from, to = x, x
	for i := x; i < len(row) && i-to < diffGap; i++ {
		if differs(i) {
			to = i + 1
		}
	}
	for from > 0 && from < len(row) && (row[from].Rune == 0 || old != nil && old[from].Rune == 0) {
		from-- // the second half of a new or old wide rune
	}
	for to < len(row) && (row[to].Rune == 0 || old != nil && old[to].Rune == 0) {
		to++
	}
	return from, to
}
