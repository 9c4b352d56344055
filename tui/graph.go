package tui

import (
	"math"

	"github.com/tcpctl/tcpctl/themes"
)

// A graph is filled columns, from its foot up or from its head down. A value
// of -1 is not known, and left empty.

// perCell is how many values stand in one column of cells.
func perCell(kind string) int {
	if kind == "braille" {
		return 2
	}
	return 1
}

// graph draws values against a maximum, in dots of braille, eighths of a
// block, or plain letters.
func graph(c *canvas, values []float64, most float64, kind string, down bool, role themes.Role) {
	switch kind {
	case "braille":
		braille(c, values, most, down, role)
	case "block":
		blocks(c, values, most, down, role, []rune(" ▁▂▃▄▅▆▇█"), []rune(" ▔▀▀▀▀▀██"))
	default:
		blocks(c, values, most, down, role, []rune(" .:#"), []rune(" ':#"))
	}
}

// dots are the bits of a braille cell, from its foot up, left and right.
var dots = [2][4]rune{{0x40, 0x04, 0x02, 0x01}, {0x80, 0x20, 0x10, 0x08}}

func braille(c *canvas, values []float64, most float64, down bool, role themes.Role) {
	for x := range c.w {
		var heights [2]int
		for side := range 2 {
			if i := 2*x + side; i < len(values) {
				heights[side] = level(values[i], most, 4*c.h)
			}
		}
		for y := range c.h {
			r := rune(0x2800)
			from := c.h - 1 - y // cells below this one
			if down {
				from = y
			}
			for side, h := range heights {
				for dot := range min(max(h-4*from, 0), 4) {
					bit := dot
					if down {
						bit = 3 - dot
					}
					r |= dots[side][bit]
				}
			}
			if r != 0x2800 {
				c.fill(x, y, 1, r, is(role))
			}
		}
	}
}

// blocks draws with letters that fill a cell by and by: up from its foot, or
// down from its head.
func blocks(c *canvas, values []float64, most float64, down bool, role themes.Role, up, under []rune) {
	steps := up
	if down {
		steps = under
	}
	full := len(steps) - 1
	for x := range min(c.w, len(values)) {
		h := level(values[x], most, full*c.h)
		for y := range c.h {
			from := c.h - 1 - y
			if down {
				from = y
			}
			if n := min(max(h-full*from, 0), full); n > 0 {
				c.fill(x, y, 1, steps[n], is(role))
			}
		}
	}
}

// level scales a value to whole steps; the least traffic is one step, so that
// none and little are told apart.
func level(v, most float64, steps int) int {
	if v <= 0 || most <= 0 {
		return 0
	}
	return min(max(int(math.Round(v/most*float64(steps))), 1), steps)
}

// spark is a graph of one line.
func spark(c *canvas, x, y int, values []float64, glyphs []rune, role themes.Role) int {
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	for i, v := range values {
		c.fill(x+i, y, 1, glyphs[level(v, most, len(glyphs)-1)], is(role))
	}
	return x + len(values)
}

// roundUp is the next of 1, 2, 5 times a power of 1024 and 10: an axis that
// does not change with every value.
func roundUp(v float64) float64 {
	unit := 1.0
	for v/unit >= 1000 {
		unit *= 1024
	}
	for _, step := range []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1024} {
		if v <= step*unit {
			return step * unit
		}
	}
	return v
}
