package tui

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// drawHeat draws the strips of the rows that are shown, in their order, and the talkers beside or
// below them.
func (p *backendsPane) drawHeat(f *frame, c *screen.Canvas, focused bool) {
	const side = 36
	left, right := c, (*screen.Canvas)(nil)
	switch {
	case c.W >= 76:
		left, right = c.Sub(0, 0, c.W-side-2, c.H), c.Sub(c.W-side, 0, side, c.H)
		for y := range c.H {
			c.Fill(c.W-side-2, y, 1, f.theme.Glyphs.Box[5], themes.Border)
		}
	case c.H >= 12:
		n := min(p.table.Len()+2, c.H-6)
		left, right = c.Sub(0, 0, c.W, n), c.Sub(0, n, c.W, c.H-n)
	}
	p.drawStrips(f, left, focused)
	if right != nil {
		p.drawTalkers(f, right)
	}
}

// drawStrips draws the rows of the table with a strip in place of most columns, so that cursor, marks,
// scrolling and clicks are the table's. A service has a row, too: the cursor may be on it.
func (p *backendsPane) drawStrips(f *frame, c *screen.Canvas, focused bool) {
	nameW := 6
	for i := range p.table.Len() {
		nameW = max(nameW, screen.Width(screen.Safe(p.table.Row(i).target)))
	}
	nameW = min(nameW, max(c.W/3, 8))
	n := max(min(c.W-nameW-heatState-5, heatCells), 1)
	p.heat.cells = n
	last := screen.Clock(heatStep * time.Duration(n))
	title := screen.FirstFit(c.W-3, fmt.Sprintf("latency, 10 s a cell, last %s; 0: under 1ms, 9: over 500ms", last), fmt.Sprintf("latency, 10 s a cell, last %s", last))
	role := themes.TextDim
	if p.heat.err != "" {
		title, role = p.heat.err, themes.Warn
	}
	c.Text(2, 0, screen.Clip(title, c.W-3, f.theme.Glyphs.Ellipsis), role)
	look := table.Look[*backendRow]{Focused: focused, Ellipsis: f.theme.Glyphs.Ellipsis, Columns: heatColumns(nameW, n)}
	look.After = func(r *backendRow, c *screen.Canvas, y int, at func(column int) int) {
		if r.backend == nil { // services have no strip
			c.Text(at(1), y, screen.Cut(r.sign.text(), n), r.sign.role)
			return
		}
		p.drawStrip(c, at(1), y, r.target, n)
	}
	p.table.Draw(c.Sub(0, 1, c.W, c.H-1), look)
}

// heatState is the width of the last column: a state or a latency.
const heatState = 8

// heatColumns returns the columns of the strips: name, n cells of the strip, and latency or state.
func heatColumns(nameW, n int) []screen.Column[*backendRow] {
	return []screen.Column[*backendRow]{
		{Prio: 1, Width: nameW, Ends: true, Cell: func(r *backendRow) (string, themes.Role) {
			if r.backend == nil {
				return screen.Safe(r.target), themes.Title
			}
			return screen.Safe(r.target), themes.Text
		}},
		{Prio: 2, Width: n, Right: true, Cell: func(*backendRow) (string, themes.Role) { return "", themes.Text }},
		{Prio: 3, Width: heatState, Right: true, Cell: func(r *backendRow) (string, themes.Role) {
			switch {
			case r.backend == nil:
				return "", themes.Text
			case r.sign != signUp:
				return r.sign.text(), r.sign.role
			}
			return screen.Latency(r.rtt()), themes.Text
		}},
	}
}

// drawStrip draws the strip of a backend, n cells.
func (p *backendsPane) drawStrip(c *screen.Canvas, x, y int, target string, n int) {
	for i := range p.heat.series {
		s := &p.heat.series[i]
		if s.Service+"/"+s.Backend != target {
			continue
		}
		for i, cell := range heatOf(s, p.heat.end, n) {
			letter, role := cell.sign()
			c.Fill(x+i, y, 1, letter, role)
		}
	}
}
