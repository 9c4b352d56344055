package tui

import (
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/themes"
)

// narrowColumns say the same in forty columns: one line a row, with the fact
// that matters most in its state.
func (p *backendsPane) narrowColumns() []column[*backendRow] {
	state := backendColumns[0]
	state.width = 8
	return []column[*backendRow]{
		state,
		{name: "NAME", ends: true, prio: 1, width: 7, fixed: true, cell: backendColumns[1].cell},
		{name: "ACT", prio: 1, width: 4, right: true, cell: backendColumns[3].cell},
		{name: "", prio: 2, width: 8, grow: 20, cell: p.noteOf},
	}
}

func (p *backendsPane) noteOf(r *backendRow) (string, themes.Role) {
	b := r.backend
	switch {
	case b == nil && r.service.Pause != nil:
		return "until " + p.m.at(r.service.Pause.Until), themes.StateMaint
	case b == nil:
		return r.check()
	case b.Drain != nil && b.Drain.Left > 0:
		return "left eta " + strings.TrimPrefix(p.etaText(r.target), "~"), themes.StateDrain
	case r.sign == signUp:
		return latency(b.RTTSeconds), themes.TextDim
	}
	return r.check()
}

func (p *backendsPane) drawNarrow(m *model, c *canvas, focused bool) {
	t := &p.table
	cols, second, skip := t.cols, t.second, t.scrollX
	defer func() { t.cols, t.second, t.scrollX = cols, second, skip }()
	t.cols, t.second, t.scrollX = p.narrowColumns(), nil, 0
	t.draw(c, focused, c.h > 8, m.theme.Glyphs.Ellipsis)
}

// strip shows the rows that are not simply up, and then the others.
func (p *backendsPane) strip(m *model, c *canvas) int {
	y := 0
	for _, up := range []bool{false, true} {
		for _, r := range p.table.rows {
			if r.backend == nil || (r.sign == signUp) != up {
				continue
			}
			if y < c.h {
				x := c.text(2, y, fmt.Sprintf("%-8s ", r.sign.text()), is(r.sign.role))
				x = c.text(x, y, middle(safe(r.target), 20, m.theme.Glyphs.Ellipsis), is(themes.Text))
				note, role := p.noteOf(r)
				c.text(max(x+2, 34), y, amount(float64(r.active())), is(themes.Text))
				c.text(max(x+8, 40), y, note, is(role))
			}
			y++
		}
	}
	return y
}
