package tui

import (
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// narrowColumns are for forty columns: one line a row, with the most important fact in its state.
func narrowColumns(f *frame) []screen.Column[*backendRow] {
	state := backendColumns[0]
	state.Width = 8
	return []screen.Column[*backendRow]{
		state,
		{Name: "NAME", Ends: true, Prio: 1, Width: 7, Fixed: true, Cell: backendColumns[1].Cell},
		{Name: "ACT", Prio: 1, Width: 4, Right: true, Cell: backendColumns[3].Cell},
		{Name: "", Prio: 2, Width: 8, Grow: 20, Cell: func(r *backendRow) (string, themes.Role) { return noteOf(f, r) }},
	}
}

func noteOf(f *frame, r *backendRow) (string, themes.Role) {
	b := r.backend
	switch {
	case b == nil && r.service.Pause != nil:
		return "until " + f.timeOf(r.service.Pause.Until), themes.StateMaint
	case b == nil:
		return r.check()
	case b.Drain != nil && b.Drain.Remaining > 0:
		return "eta " + strings.TrimPrefix(etaText(f, r.target), "~"), themes.StateDrain
	case r.sign == signUp:
		return screen.Latency(b.RTTSeconds), themes.TextDim
	}
	return r.check()
}

func (p *backendsPane) drawNarrow(f *frame, c *screen.Canvas, focused bool) {
	style := table.Look[*backendRow]{Focused: focused, Names: c.H > 8, Ellipsis: f.theme.Glyphs.Ellipsis}
	style.Columns = narrowColumns(f)
	p.table.Draw(c, style)
}

// strip draws the backends that are not up first, then the others.
func (p *backendsPane) strip(f *frame, c *screen.Canvas) int {
	y := 0
	for _, up := range []bool{false, true} {
		for _, r := range p.table.Rows() {
			if r.backend == nil || (r.sign == signUp) != up {
				continue
			}
			if y < c.H {
				x := c.Text(2, y, fmt.Sprintf("%-8s ", r.sign.text()), r.sign.role)
				x = c.Text(x, y, screen.Middle(screen.Safe(r.target), 20, f.theme.Glyphs.Ellipsis), themes.Text)
				note, role := noteOf(f, r)
				c.Text(max(x+2, 34), y, screen.Count(float64(r.active())), themes.Text)
				c.Text(max(x+8, 40), y, note, role)
			}
			y++
		}
	}
	return y
}
