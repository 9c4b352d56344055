package screen

import (
	"slices"

	"github.com/charmbracelet/bubbles/progress"
	"github.com/muesli/termenv"

	"github.com/tcpctl/tcpctl/themes"
)

// Rect is a place on the screen.
type Rect struct{ X, Y, W, H int }

// Box draws a box with a title in its upper edge and a note in its lower one, and
// returns its inside. The focused one has a heavier line, so that it is not told
// by colour alone.
func Box(c *Canvas, r Rect, glyphs *themes.Glyphs, title, foot string, focused bool) *Canvas {
	g, line, name := glyphs.Box, themes.Border, themes.TextDim
	if focused {
		g, line, name = glyphs.BoxFocus, themes.BorderFocus, themes.Title
	}
	b := c.Sub(r.X, r.Y, r.W, r.H)
	if b.W < 2 || b.H < 2 {
		return b
	}
	right, low := b.W-1, b.H-1
	b.Fill(1, 0, b.W-2, g[4], line)
	b.Fill(1, low, b.W-2, g[4], line)
	for y := 1; y < low; y++ {
		b.Fill(0, y, 1, g[5], line)
		b.Fill(right, y, 1, g[5], line)
	}
	for i, at := range [4][2]int{{0, 0}, {right, 0}, {0, low}, {right, low}} {
		b.Fill(at[0], at[1], 1, g[i], line)
	}
	if title != "" && b.W > 6 {
		b.Text(2, 0, " "+Cut(title, b.W-6)+" ", name)
	}
	if foot != "" && b.W > 6 {
		foot = " " + Cut(foot, b.W-6) + " "
		b.Right(right-1, low, foot, themes.TextDim)
	}
	return b.Sub(1, 1, b.W-2, b.H-2)
}

// Rule draws a line across the canvas with a text in it and another at its end,
// which is cut first. That of the focused pane is heavier.
func Rule(c *Canvas, y int, glyphs *themes.Glyphs, text, end string, focused bool) {
	g, line := glyphs.Box, themes.Border
	if focused {
		g, line = glyphs.BoxFocus, themes.BorderFocus
	}
	c.Fill(1, y, c.W-2, g[4], line)
	text = Clip(text, c.W-8, glyphs.Ellipsis)
	c.Text(3, y, " "+text+" ", themes.Title)
	if room := c.W - Width(text) - 10; end != "" && room >= min(Width(end), 10) {
		c.Right(c.W-3, y, " "+Clip(end, room, glyphs.Ellipsis)+" ", themes.TextDim)
	}
}

// bar is a progress bar without animation, which would keep the screen from being idle.
var bar = progress.New(progress.WithoutPercentage(), progress.WithFillCharacters('#', '-'), progress.WithColorProfile(termenv.ANSI256),
	func(m *progress.Model) {
		m.FullColor, m.EmptyColor = carried(themes.GaugeLow), carried(themes.GaugeEmpty)
	})

// Bar draws [####----], filled by part (0 to 1), and returns the column after it.
func Bar(c *Canvas, x, y, n int, part float64) int {
	b := bar
	b.Width = n
	return c.Component(x, y, "["+b.ViewAs(part)+"]", themes.TextDim)
}

// Segment is a part of a line. Where there is no room for all, the one with the
// highest Prio is left out first; one with 0 never is.
type Segment struct {
	Text string
	Role themes.Role
	Prio int
	Gap  int // columns before it
}

// Segments draws as many segments as fit on line y, in their order.
func Segments(c *Canvas, y int, list []Segment) {
	for {
		total := 1
		last := -1
		for i, s := range list {
			total += s.Gap + Width(s.Text)
			if last < 0 || s.Prio >= list[last].Prio {
				last = i
			}
		}
		if total <= c.W || len(list) < 2 || list[last].Prio == 0 {
			break
		}
		list = slices.Delete(slices.Clone(list), last, last+1)
	}
	c.Fill(0, y, c.W, ' ', themes.Header)
	x := 0
	for _, s := range list {
		x = c.Text(x+s.Gap, y, s.Text, s.Role)
	}
}
