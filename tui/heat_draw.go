package tui

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// drawHeat draws the strips of the rows that are shown, in their order, and the talkers beside or
// below them.
func (p *backendsPane) drawHeat(f *frame, c *screen.Canvas, focused bool) {
	const side = 34
	left, right := c, (*screen.Canvas)(nil)
	switch {
	case c.W >= 76:
		left, right = c.Sub(0, 0, c.W-side-2, c.H), c.Sub(c.W-side, 0, side, c.H)
		for y := range c.H {
			c.Fill(c.W-side-2, y, 1, f.theme.Glyphs.Box[5], themes.Border)
		}
	case c.H >= 12:
		n := min(len(p.heatRows())+2, c.H-6)
		left, right = c.Sub(0, 0, c.W, n), c.Sub(0, n, c.W, c.H-n)
	}
	p.drawStrips(f, left, focused)
	if right != nil {
		p.drawTalkers(f, right)
	}
}

// heatRows returns the backends of the table, sorted and filtered as there.
func (p *backendsPane) heatRows() (rows []*backendRow) {
	for i := range p.table.Len() {
		if r := p.table.Row(i); r.backend != nil {
			rows = append(rows, r)
		}
	}
	return rows
}

func (p *backendsPane) drawStrips(f *frame, c *screen.Canvas, focused bool) {
	rows := p.heatRows()
	nameW := 6
	for _, r := range rows {
		nameW = max(nameW, screen.Width(screen.Safe(r.target)))
	}
	nameW = min(nameW, max(c.W/3, 8))
	n := max(min(c.W-nameW-12, heatCells), 1)
	p.heat.cells = n
	title := fmt.Sprintf("latency, 10 s a cell, last %s", screen.Clock(heatStep*time.Duration(n)))
	c.Text(2, 0, screen.Clip(title, c.W-3, f.theme.Glyphs.Ellipsis), themes.TextDim)
	if p.heat.err != "" {
		c.Text(2, 1, screen.Clip(p.heat.err, c.W-3, f.theme.Glyphs.Ellipsis), themes.Warn)
		return
	}
	at := 0
	for i, r := range rows {
		if r.target == p.table.CurrentID() {
			at = i
		}
	}
	top := min(max(at-(c.H-2)/2, 0), max(len(rows)-(c.H-1), 0))
	for y := 1; y < c.H && top+y-1 < len(rows); y++ {
		r := rows[top+y-1]
		if r.target == p.table.CurrentID() {
			c.Text(0, y, ">", themes.Prompt)
		}
		c.Text(2, y, screen.Middle(screen.Safe(r.target), nameW, f.theme.Glyphs.Ellipsis), themes.Text)
		for i := range p.heat.series {
			s := &p.heat.series[i]
			if s.Service+"/"+s.Backend != r.target {
				continue
			}
			for x, cell := range heatOf(s, p.heat.end, n) {
				letter, role := cell.sign()
				c.Fill(3+nameW+x, y, 1, letter, role)
			}
		}
		text, role := screen.Latency(r.rtt()), themes.Text
		if r.sign != signUp {
			text, role = r.sign.text(), r.sign.role
		}
		c.Right(c.W-1, y, text, role)
	}
}
