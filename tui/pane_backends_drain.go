package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// second is a row's second line: a drain while it lasts, a pause, or a hook
// that clients wait for. With no
// canvas it only says whether there is one.
func (p *backendsPane) second(r *backendRow, c *screen.Canvas, x, y int) bool {
	switch {
	case r.backend != nil && r.backend.Drain != nil:
		if c != nil {
			p.drawDrain(r, c, x+9, y)
		}
		return true
	case r.backend == nil && r.service.Pause != nil:
		if c != nil {
			text := string(p.m.theme.Glyphs.Branch) + " " + pauseText(p.m, r.service.Pause)
			c.Text(x+9, y, screen.Cut(text, max(c.W-x-10, 0)), themes.Text)
		}
		return true
	case r.backend == nil && r.service.Hook.Text(p.m.world.now()) != "":
		if c != nil {
			role := themes.Text
			if r.service.Hook.Failed > 0 {
				role = themes.Warn
			}
			text := string(p.m.theme.Glyphs.Branch) + " " + r.service.Hook.Text(p.m.world.now())
			c.Text(x+9, y, screen.Cut(screen.Safe(text), max(c.W-x-10, 0)), role)
		}
		return true
	}
	return false
}

// drawDrain: left of started-with, a bar, when it will be over as it goes
// now, and the limit with what happens then.
func (p *backendsPane) drawDrain(r *backendRow, c *screen.Canvas, x, y int) {
	d := r.backend.Drain
	x = c.Text(x, y, string(p.m.theme.Glyphs.Branch)+" ", themes.TextDim)
	if d.Remaining == 0 {
		x = c.Text(x, y, fmt.Sprintf("drained: all %d have left", d.StartedWith), themes.OK)
	} else {
		x = c.Text(x, y, fmt.Sprintf("%d of %d left ", d.Remaining, d.StartedWith), themes.StateDrain)
		n := min(16, max(c.W-x-50, 8))
		x = screen.Bar(c, x, y, n, done(d)) + 1
		x = c.Text(x, y, "eta "+p.etaText(r.target), themes.Text)
	}
	var rest []string
	if d.Until != nil {
		rest = append(rest, "limit "+limitText(p.m, d))
	}
	if d.By != "" {
		rest = append(rest, "by "+screen.Safe(who(d.By))+" "+p.m.at(d.Since)[:5])
	}
	if d.Reason != "" {
		rest = append(rest, screen.Safe(d.Reason))
	}
	for _, text := range rest { // as far as whole facts fit
		if x+2+screen.Width(text) > c.W {
			break
		}
		x = c.Text(x+2, y, text, themes.TextDim)
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
		if b != nil && b.Drain != nil && b.Drain.Remaining > 0 {
			continue
		}
		delete(m.drains, target)
		if b != nil && b.Active == 0 && (b.Admin == proxy.AdminDrain || b.Admin == proxy.AdminMaint) {
			m.show(proxy.LevelGood, screen.Safe(target)+" is drained: no session is left   ("+"u: back in service)")
		}
	}
}

func (p *backendsPane) etaText(target string) string {
	if eta, ok := p.m.world.eta(target); ok {
		return "~" + screen.Clock(eta)
	}
	return "-"
}

// limitText is how much of a drain's time is left, and what happens then.
func limitText(m *model, d *proxy.DrainInfo) string {
	s := screen.Clock(d.Until.Sub(m.world.now()))
	if d.Then != "" {
		s += " then " + screen.Safe(d.Then)
	}
	return s
}

// done is how much of a drain is over, from 0 to 1.
func done(d *proxy.DrainInfo) float64 {
	if d.StartedWith <= 0 {
		return 1
	}
	return min(max(1-float64(d.Remaining)/float64(d.StartedWith), 0), 1)
}

// pauseText says who holds a service, why and until when.
func pauseText(m *model, p *proxy.PauseInfo) string {
	s := ""
	if p.By != "" && p.By != "pause" {
		s = screen.Safe(p.By) + " "
	}
	s += "by " + screen.Safe(who(p.Owner))
	if p.Reason != "" {
		s += ": " + screen.Safe(p.Reason)
	}
	s += fmt.Sprintf("  until %s (%s)  %d held", m.at(p.Until), screen.Clock(p.Until.Sub(m.world.now())), p.Held)
	if p.Step != "" {
		s += "  " + screen.Safe(p.Step)
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
