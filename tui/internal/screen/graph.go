package screen

import (
	"math"
	"slices"

	"github.com/tcpctl/tcpctl/themes"
)

// PerCell is how many values a column of cells shows.
func PerCell(kind string) int {
	if kind == "braille" {
		return 2
	}
	return 1
}

// Graph draws values as filled columns against a maximum, from the lower edge
// up, or from the upper edge down: kind is "braille", "block", or else ASCII. A
// value of -1 is unknown and stays empty.
func Graph(c *Canvas, values []float64, most float64, kind string, down bool, role themes.Role) {
	switch kind {
	case "braille":
		braille(c, values, most, down, role)
	case "block":
		blocks(c, values, most, down, role, []rune(" ▁▂▃▄▅▆▇█"), []rune(" ▔▀▀▀▀▀██"))
	default:
		blocks(c, values, most, down, role, []rune(" .:#"), []rune(" ':#"))
	}
}

// dots are the bits of a braille cell, left and right, each from the bottom up.
var dots = [2][4]rune{{0x40, 0x04, 0x02, 0x01}, {0x80, 0x20, 0x10, 0x08}}

func braille(c *Canvas, values []float64, most float64, down bool, role themes.Role) {
	for x := range c.W {
		var heights [2]int
		for side := range 2 {
			if i := 2*x + side; i < len(values) {
				heights[side] = level(values[i], most, 4*c.H)
			}
		}
		for y := range c.H {
			r := rune(0x2800)
			from := c.H - 1 - y // cells below this one
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
				c.Fill(x, y, 1, r, role)
			}
		}
	}
}

// blocks draws bars with runes that fill a cell in steps: up from its lower edge, or under from its
// upper edge.
func blocks(c *Canvas, values []float64, most float64, down bool, role themes.Role, up, under []rune) {
	steps := up
	if down {
		steps = under
	}
	full := len(steps) - 1
	for x := range min(c.W, len(values)) {
		h := level(values[x], most, full*c.H)
		for y := range c.H {
			from := c.H - 1 - y
			if down {
				from = y
			}
			if n := min(max(h-full*from, 0), full); n > 0 {
				c.Fill(x, y, 1, steps[n], role)
			}
		}
	}
}

// level scales a value to whole steps. Any traffic is at least one step, so that a little differs
// from none.
func level(v, most float64, steps int) int {
	if v <= 0 || most <= 0 {
		return 0
	}
	return min(max(int(math.Round(v/most*float64(steps))), 1), steps)
}

// SparkText is a graph of one line as text.
func SparkText(values []float64, glyphs []rune) string {
	most := slices.Max(append([]float64{0}, values...))
	text := make([]rune, len(values))
	for i, v := range values {
		text[i] = glyphs[level(v, most, len(glyphs)-1)]
	}
	return string(text)
}

// Spark draws a graph of one line and returns the column after it.
func Spark(c *Canvas, x, y int, values []float64, glyphs []rune, role themes.Role) int {
	return c.Text(x, y, SparkText(values, glyphs), role)
}

// RoundUp is the next of 1, 2, 5 times a power of 1024 and 10, for an axis that
// does not change with every value.
func RoundUp(v float64) float64 {
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
