package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/themes"
)

// second is a row's second line: a drain while it lasts, a pause, or a hook
// that clients wait for. With no
// canvas it only says whether there is one.
func (p *backendsPane) second(r *backendRow, c *canvas, x, y int) bool {
	switch {
	case r.backend != nil && r.backend.Drain != nil:
		if c != nil {
			p.drawDrain(r, c, x+9, y)
		}
		return true
	case r.backend == nil && r.service.Pause != nil:
		if c != nil {
			text := string(p.m.theme.Glyphs.Branch) + " " + pauseText(p.m, r.service.Pause)
			c.text(x+9, y, cut(text, max(c.w-x-10, 0)), is(themes.Text))
		}
		return true
	case r.backend == nil && r.service.Hook.Text(p.m.world.now()) != "":
		if c != nil {
			role := themes.Text
			if r.service.Hook.Failed > 0 {
				role = themes.Warn
			}
			text := string(p.m.theme.Glyphs.Branch) + " " + r.service.Hook.Text(p.m.world.now())
			c.text(x+9, y, cut(safe(text), max(c.w-x-10, 0)), is(role))
		}
		return true
	}
	return false
}

// drawDrain: left of started-with, a bar, when it will be over as it goes
// now, and the limit with what happens then.
func (p *backendsPane) drawDrain(r *backendRow, c *canvas, x, y int) {
	d := r.backend.Drain
	x = c.text(x, y, string(p.m.theme.Glyphs.Branch)+" ", is(themes.TextDim))
	if d.Left == 0 {
		x = c.text(x, y, fmt.Sprintf("drained: all %d have left", d.StartedWith), is(themes.OK))
	} else {
		x = c.text(x, y, fmt.Sprintf("%d of %d left ", d.Left, d.StartedWith), is(themes.StateDrain))
		n := min(16, max(c.w-x-50, 8))
		x = bar(c, x, y, n, done(d)) + 1
		x = c.text(x, y, "eta "+p.etaText(r.target), is(themes.Text))
	}
	var rest []string
	if d.Until != nil {
		rest = append(rest, "limit "+limitText(p.m, d))
	}
	if d.By != "" {
		rest = append(rest, "by "+safe(who(d.By))+" "+p.m.at(d.Since)[:5])
	}
	if d.Reason != "" {
		rest = append(rest, safe(d.Reason))
	}
	for _, text := range rest { // as far as whole facts fit
		if x+2+width(text) > c.w {
			break
		}
		x = c.text(x+2, y, text, is(themes.TextDim))
	}
}

// sayDrained says that what was drained here is empty: it is what the operator
// waits for, and the line that said how many were left is not true any more.
func (m *model) sayDrained(asked time.Time) {
	for target, since := range m.drains {
		if !asked.After(since) {
			continue // this status may be from before
		}
		b := m.world.status.Backend(target)
		if b != nil && b.Drain != nil && b.Drain.Left > 0 {
			continue
		}
		delete(m.drains, target)
		if b != nil && b.Active == 0 && (b.Admin == proxy.AdminDrain || b.Admin == proxy.AdminMaint) {
			m.show(proxy.LevelGood, safe(target)+" is drained: no session is left   ("+"u: back in service)")
		}
	}
}

func (p *backendsPane) etaText(target string) string {
	if eta, ok := p.m.world.eta(target); ok {
		return "~" + clock(eta)
	}
	return "-"
}

// limitText is how much of a drain's time is left, and what happens then.
func limitText(m *model, d *proxy.DrainInfo) string {
	s := clock(d.Until.Sub(m.world.now()))
	if d.Then != "" {
		s += " then " + safe(d.Then)
	}
	return s
}

// done is how much of a drain is over, from 0 to 1.
func done(d *proxy.DrainInfo) float64 {
	if d.StartedWith <= 0 {
		return 1
	}
	return min(max(1-float64(d.Left)/float64(d.StartedWith), 0), 1)
}

// bar draws [####----] and returns the column after it.
func bar(c *canvas, x, y, n int, part float64) int {
	full := int(part*float64(n) + 0.5)
	x = c.text(x, y, "[", is(themes.TextDim))
	x = c.text(x, y, strings.Repeat("#", full), is(themes.GaugeLow))
	x = c.text(x, y, strings.Repeat("-", n-full), is(themes.GaugeEmpty))
	return c.text(x, y, "]", is(themes.TextDim))
}

// pauseText says who holds a service, why and until when.
func pauseText(m *model, p *proxy.PauseInfo) string {
	s := ""
	if p.By != "" && p.By != "pause" {
		s = safe(p.By) + " "
	}
	s += "by " + safe(who(p.Owner))
	if p.Reason != "" {
		s += ": " + safe(p.Reason)
	}
	s += fmt.Sprintf("  until %s (%s)  %d held", m.at(p.Until), clock(p.Until.Sub(m.world.now())), p.Held)
	if p.Step != "" {
		s += "  " + safe(p.Step)
	}
	return s
}

// who is an owner without the node, which the header says already.
func who(owner string) string {
	name, _, _ := strings.Cut(owner, "@")
	if name == "" {
		return "somebody"
	}
	return name
}
