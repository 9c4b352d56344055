package tui

import "github.com/tcpctl/tcpctl/themes"

// frame draws a box with its title above and a note below, and returns what
// is inside. The one that has the keys is drawn with a heavier line: not by
// colour alone.
func (m *model) frame(c *canvas, r rect, title, foot string, focused bool) *canvas {
	g, line, name := m.theme.Glyphs.Box, is(themes.Border), is(themes.TextDim)
	if focused {
		g, line, name = m.theme.Glyphs.BoxFocus, is(themes.BorderFocus), is(themes.Title)
	}
	b := c.sub(r.x, r.y, r.w, r.h)
	if b.w < 2 || b.h < 2 {
		return b
	}
	right, low := b.w-1, b.h-1
	b.fill(1, 0, b.w-2, g[4], line)
	b.fill(1, low, b.w-2, g[4], line)
	for y := 1; y < low; y++ {
		b.fill(0, y, 1, g[5], line)
		b.fill(right, y, 1, g[5], line)
	}
	for i, at := range [4][2]int{{0, 0}, {right, 0}, {0, low}, {right, low}} {
		b.fill(at[0], at[1], 1, g[i], line)
	}
	if title != "" && b.w > 6 {
		b.text(2, 0, " "+cut(title, b.w-6)+" ", name)
	}
	if foot != "" && b.w > 6 {
		foot = " " + cut(foot, b.w-6) + " "
		b.right(right-1, low, foot, is(themes.TextDim))
	}
	return b.sub(1, 1, b.w-2, b.h-2)
}

// rule is a line across, with a text in it and another at its end.
func (m *model) rule(c *canvas, y int, text, end string) {
	line := m.theme.Glyphs.Box[4]
	c.fill(1, y, c.w-2, line, is(themes.Border))
	room := c.w - 8
	text = cut(text, room)
	c.text(3, y, " "+text+" ", is(themes.Title))
	if end != "" && width(text)+width(end)+8 < c.w {
		c.right(c.w-4, y, " "+end+" ", is(themes.TextDim))
	}
}

// emptyText says why a pane is empty, and what to do about it.
func emptyText(c *canvas, m *model, texts ...string) {
	y := 0
	if c.h > 5 {
		y = 1
	}
	if !m.world.known() {
		texts = []string{"Asking the engine."}
	}
	for i, text := range texts {
		role := themes.TextDim
		if i == 0 {
			role = themes.Text
		}
		for _, line := range wrap(text, c.w-4) {
			c.text(2, y, line, is(role))
			y++
		}
	}
}
