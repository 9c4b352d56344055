// Package screen draws cells on a canvas: text measured in columns, boxes, graphs, and the columns
// of a table. It knows the roles of a theme, but no colours, and nothing about what it draws.
package screen

import (
	"strings"

	"github.com/tcpctl/tcpctl/themes"
)

// Ink is how a cell is drawn: the role of its rune, and that of its background.
// The theme turns them into colours as late as possible, so that a canvas can
// be dimmed, or written in another theme, without being drawn again.
type Ink struct {
	FG, BG themes.Role // bg is Surface, or a role whose background counts
	Mod    Modifier
}

// Modifier is a set of attributes that are added to those of the theme.
type Modifier uint8

const (
	dim Modifier = 1 << iota
	reverse
)

// Cell is one column of one line. A wide rune stands in its first column; the
// rune of its second is 0.
type Cell struct {
	Rune rune
	Ink  Ink
}

// Canvas is a rectangle of cells, or a part of a larger one. All drawing is
// clipped, so that every line has exactly its width whatever the data is.
type Canvas struct {
	W, H   int
	stride int
	cells  []Cell
	top    int // of a part: its first line in the whole canvas
}

// Top is the first line of a part in the canvas that it is a part of.
func (c *Canvas) Top() int { return c.top }

// New makes a canvas of w by h spaces.
func New(w, h int) *Canvas {
	c := &Canvas{W: max(w, 0), H: max(h, 0), stride: max(w, 0)}
	c.cells = make([]Cell, c.W*c.H)
	c.Clear()
	return c
}

var emptyCell = Cell{' ', Ink{FG: themes.Text, BG: themes.Surface}}

// Clear makes every cell a space.
func (c *Canvas) Clear() {
	for y := range c.H {
		row := c.Row(y)
		for x := range row {
			row[x] = emptyCell
		}
	}
}

// Row is the cells of line y, which must be on the canvas.
func (c *Canvas) Row(y int) []Cell { return c.cells[y*c.stride : y*c.stride+c.W] }

// Sub is a part of the canvas, clipped to it. Drawing on it draws on c.
func (c *Canvas) Sub(x, y, w, h int) *Canvas {
	x, y = min(max(x, 0), c.W), min(max(y, 0), c.H)
	w, h = min(max(w, 0), c.W-x), min(max(h, 0), c.H-y)
	s := &Canvas{W: w, H: h, stride: c.stride, top: c.top + y}
	if w > 0 && h > 0 {
		s.cells = c.cells[y*c.stride+x:]
	}
	return s
}

// Text draws s at x, y and returns the column after it. Unsafe runes are
// replaced here too, in case a caller forgot Safe; text from outside still has
// to pass Safe first, so that it is measured as it will be drawn.
func (c *Canvas) Text(x, y int, s string, role themes.Role) int {
	k := Ink{FG: role, BG: themes.Surface}
	var row []Cell
	if y >= 0 && y < c.H {
		row = c.Row(y)
	}
	for _, r := range s {
		if r < ' ' || r > '~' {
			if r = safeRune(r); r < 0 {
				continue
			}
		}
		x = put(row, x, r, k)
	}
	return x
}

// put draws one rune. A wide one that does not fit becomes a space.
func put(row []Cell, x int, r rune, k Ink) int {
	w := runeWidth(r)
	if x < 0 || x >= len(row) {
		return x + w
	}
	if w == 2 && x+1 >= len(row) {
		r, w = ' ', 1
	}
	row[x] = Cell{r, k}
	if w == 2 {
		row[x+1] = Cell{0, k}
	}
	return x + w
}

// at returns the rune in a column, and whether it is two columns wide. The remaining half of a wide
// rune that was partly overwritten is a space: it would shift the whole line.
func at(row []Cell, x int) (r rune, wide bool) {
	r = row[x].Rune
	if r == 0 {
		return ' ', false
	}
	if runeWidth(r) == 2 {
		if x+1 < len(row) && row[x+1].Rune == 0 {
			return r, true
		}
		return ' ', false
	}
	return r, false
}

// Right draws s so that it ends before column x.
func (c *Canvas) Right(x, y int, s string, role themes.Role) {
	c.Text(x-Width(s), y, s, role)
}

// Fill draws a rune n times.
func (c *Canvas) Fill(x, y, n int, r rune, role themes.Role) {
	if y < 0 || y >= c.H {
		return
	}
	row := c.Row(y)
	k := Ink{FG: role, BG: themes.Surface}
	for i := range n {
		put(row, x+i, r, k)
	}
}

// stretch returns n cells of a line from x on, clipped to the canvas.
func (c *Canvas) stretch(x, y, n int) []Cell {
	if y < 0 || y >= c.H {
		return nil
	}
	row := c.Row(y)
	from := min(max(x, 0), len(row))
	return row[from:max(min(x+n, len(row)), from)]
}

// Tint changes the background of a stretch of a line.
func (c *Canvas) Tint(x, y, n int, bg themes.Role) {
	cells := c.stretch(x, y, n)
	for i := range cells {
		cells[i].Ink.BG = bg
	}
}

// Reverse swaps foreground and background of a stretch of a line.
func (c *Canvas) Reverse(x, y, n int) {
	cells := c.stretch(x, y, n)
	for i := range cells {
		cells[i].Ink.Mod |= reverse
	}
}

// Dim dims every cell: what is shown is out of date.
func (c *Canvas) Dim() {
	for y := range c.H {
		for x := range c.Row(y) {
			c.Row(y)[x].Ink.Mod |= dim
		}
	}
}

// Draw copies p to x, y.
func (c *Canvas) Draw(x, y int, p *Canvas) {
	part := c.Sub(x, y, p.W, p.H)
	for i := range part.H {
		copy(part.Row(i), p.Row(i)[:part.W])
	}
}

// Plain is the canvas as text, without colours.
func (c *Canvas) Plain() string {
	var b strings.Builder
	for y := range c.H {
		if y > 0 {
			b.WriteByte('\n')
		}
		row := c.Row(y)
		for x := 0; x < len(row); x++ {
			r, wide := at(row, x)
			b.WriteRune(r)
			if wide {
				x++
			}
		}
	}
	return b.String()
}

// Styled is the canvas with the escape sequences of a palette.
func (c *Canvas) Styled(p *Palette) string {
	if p.Plain {
		return c.Plain()
	}
	var b strings.Builder
	b.Grow(c.W*c.H*2 + c.H*16)
	for y := range c.H {
		if y > 0 {
			b.WriteByte('\n')
		}
		now, plain := Ink{}, true
		row := c.Row(y)
		for x := 0; x < len(row); x++ {
			k := row[x].Ink
			r, wide := at(row, x)
			if wide {
				x++
			}
			if (plain || k != now) && !(plain && r == ' ' && p.blank(k)) {
				b.WriteString(p.sgr(k))
				now, plain = k, false
			}
			b.WriteRune(r)
		}
		if !plain {
			b.WriteString("\x1b[0m")
		}
	}
	return b.String()
}
