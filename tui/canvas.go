package tui

import (
	"strings"

	"github.com/tcpctl/tcpctl/themes"
)

// ink is how a cell is drawn: what its letter means, and what is behind it.
// The theme makes colours of it as late as possible, so that a picture can be
// dimmed, or drawn in another theme, without being made again.
type ink struct {
	fg, bg themes.Role // bg is Surface, or a role whose background counts
	mod    modifier
}

type modifier uint8

const (
	bold modifier = 1 << iota
	dim
	reverse
)

func is(role themes.Role) ink { return ink{fg: role, bg: themes.Surface} }

// cell is one column of one line. A wide rune stands in its first column; its
// second is zero.
type cell struct {
	r rune
	k ink
}

// canvas is a rectangle of cells, or a part of a larger one. All drawing is
// clipped, so every line has exactly its width whatever the data is.
type canvas struct {
	w, h   int
	stride int
	cells  []cell
}

func newCanvas(w, h int) *canvas {
	c := &canvas{w: max(w, 0), h: max(h, 0), stride: max(w, 0)}
	c.cells = make([]cell, c.w*c.h)
	c.clear(is(themes.Text))
	return c
}

func (c *canvas) clear(k ink) {
	for y := range c.h {
		row := c.row(y)
		for x := range row {
			row[x] = cell{' ', k}
		}
	}
}

func (c *canvas) row(y int) []cell { return c.cells[y*c.stride : y*c.stride+c.w] }

// sub is a part of the canvas, clipped to it; drawing there draws here.
func (c *canvas) sub(x, y, w, h int) *canvas {
	x, y = min(max(x, 0), c.w), min(max(y, 0), c.h)
	w, h = min(max(w, 0), c.w-x), min(max(h, 0), c.h-y)
	s := &canvas{w: w, h: h, stride: c.stride}
	if w > 0 && h > 0 {
		s.cells = c.cells[y*c.stride+x:]
	}
	return s
}

// text draws a text at x, y and returns the column after it. Nothing unsafe
// passes here, whoever forgot to look; texts from outside are made safe before
// all the same, so that they are measured as they will be drawn.
func (c *canvas) text(x, y int, s string, k ink) int {
	var row []cell
	if y >= 0 && y < c.h {
		row = c.row(y)
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

// put draws one rune. A wide one that does not fit is a space.
func put(row []cell, x int, r rune, k ink) int {
	w := runeWidth(r)
	if x < 0 || x >= len(row) {
		return x + w
	}
	if w == 2 && x+1 >= len(row) {
		r, w = ' ', 1
	}
	row[x] = cell{r, k}
	if w == 2 {
		row[x+1] = cell{0, k}
	}
	return x + w
}

// at is what stands in a column, and whether it takes the next one too. Half
// of a wide rune that was drawn over would shift the whole line: it is a space.
func at(row []cell, x int) (r rune, wide bool) {
	r = row[x].r
	if r == 0 {
		return ' ', false
	}
	if runeWidth(r) == 2 {
		if x+1 < len(row) && row[x+1].r == 0 {
			return r, true
		}
		return ' ', false
	}
	return r, false
}

// right draws a text that ends before column x.
func (c *canvas) right(x, y int, s string, k ink) {
	c.text(x-width(s), y, s, k)
}

// fill draws a rune n times.
func (c *canvas) fill(x, y, n int, r rune, k ink) {
	if y < 0 || y >= c.h {
		return
	}
	row := c.row(y)
	for i := range n {
		put(row, x+i, r, k)
	}
}

// tint changes what is behind a stretch of a line, and adds modifiers.
func (c *canvas) tint(x, y, n int, bg themes.Role, mod modifier) {
	if y < 0 || y >= c.h {
		return
	}
	row := c.row(y)
	for i := max(x, 0); i < min(x+n, len(row)); i++ {
		row[i].k.bg, row[i].k.mod = bg, row[i].k.mod|mod
	}
}

// dim dims everything: what is shown is not what is.
func (c *canvas) dim() {
	for y := range c.h {
		for x := range c.row(y) {
			c.row(y)[x].k.mod |= dim
		}
	}
}

// draw copies a picture on to the canvas at x, y.
func (c *canvas) draw(x, y int, p *canvas) {
	part := c.sub(x, y, p.w, p.h)
	for i := range part.h {
		copy(part.row(i), p.row(i)[:part.w])
	}
}

// plain is the canvas as text: what golden files keep.
func (c *canvas) plain() string {
	var b strings.Builder
	for y := range c.h {
		if y > 0 {
			b.WriteByte('\n')
		}
		row := c.row(y)
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

// styled is the canvas as a terminal takes it.
func (c *canvas) styled(p *palette) string {
	if p.plain {
		return c.plain()
	}
	var b strings.Builder
	b.Grow(c.w*c.h*2 + c.h*16)
	for y := range c.h {
		if y > 0 {
			b.WriteByte('\n')
		}
		now, plain := ink{}, true
		row := c.row(y)
		for x := 0; x < len(row); x++ {
			k := row[x].k
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
