package tui

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// drawSecond draws the second line of a tall row.
func drawSecond(f *frame, r *backendRow, c *screen.Canvas, x, y int) {
	branch := string(f.theme.Glyphs.Branch) + " "
	switch {
	case r.backend != nil:
		drawDrain(f, r, c, x+9, y)
	case r.service.Pause != nil:
		c.Text(x+9, y, screen.Clip(branch+pauseText(f, r.service.Pause), max(c.W-x-10, 0), f.theme.Glyphs.Ellipsis), themes.Text)
	default:
		role := themes.Text
		if strings.HasPrefix(r.second, warnSign) {
			role = themes.Warn
		}
		c.Text(x+9, y, screen.Cut(screen.Safe(branch+r.second), max(c.W-x-10, 0)), role)
	}
}

// drawDrain draws how many sessions remain, a bar, the estimated end, and the limit with what
// happens then.
func drawDrain(f *frame, r *backendRow, c *screen.Canvas, x, y int) {
	d := r.backend.Drain
	x = c.Text(x, y, string(f.theme.Glyphs.Branch)+" ", themes.TextDim)
	if d.Remaining == 0 {
		x = c.Text(x, y, fmt.Sprintf("drained: all %d ended", d.StartedWith), themes.OK)
	} else {
		x = c.Text(x, y, fmt.Sprintf("%d/%d remaining ", d.Remaining, d.StartedWith), themes.StateDrain)
		n := min(16, max(c.W-x-50, 8))
		x = screen.Bar(c, x, y, n, done(d)) + 1
		x = c.Text(x, y, "eta "+etaText(f, r.target), themes.Text)
	}
	var rest []string
	if d.Until != nil {
		rest = append(rest, "limit "+limitText(f, d))
	}
	if d.By != "" {
		rest = append(rest, "by "+screen.Safe(operatorName(d.By))+" "+f.timeOf(d.Since)[:5])
	}
	if d.Reason != "" {
		rest = append(rest, screen.Safe(d.Reason))
	}
	for _, text := range rest { // as many whole facts as fit
		if x+2+screen.Width(text) > c.W {
			break
		}
		x = c.Text(x+2, y, text, themes.TextDim)
	}
}

func etaText(f *frame, target string) string {
	if eta, ok := f.stats.eta(target); ok {
		return "~" + screen.Clock(eta)
	}
	return "-"
}

// limitText says how long until a drain's limit, and what happens then.
func limitText(f *frame, d *proxy.DrainInfo) string {
	s := screen.Clock(d.Until.Sub(f.stats.now()))
	if d.Then != "" {
		s += " then " + screen.Safe(d.Then)
	}
	return s
}

// done returns the progress of a drain, from 0 to 1.
func done(d *proxy.DrainInfo) float64 {
	if d.StartedWith <= 0 {
		return 1
	}
	return min(max(1-float64(d.Remaining)/float64(d.StartedWith), 0), 1)
}

// pauseText says who paused a service, why and until when.
func pauseText(f *frame, p *proxy.PauseInfo) string {
	s := ""
	if p.By != "" && p.By != "pause" {
		s = screen.Safe(p.By) + " "
	}
	s += "by " + screen.Safe(operatorName(p.Owner))
	if p.Reason != "" {
		s += ": " + screen.Safe(p.Reason)
	}
	s += fmt.Sprintf("  until %s (%s)  %d held", f.timeOf(p.Until), screen.Clock(p.Until.Sub(f.stats.now())), p.Held)
	if p.Step != "" {
		s += "  " + screen.Safe(p.Step)
	}
	return s
}

// operatorName returns an owner without its node, which is in the header.
func operatorName(owner string) string {
	name, _, _ := strings.Cut(owner, "@")
	return cmp.Or(name, "unknown")
}
