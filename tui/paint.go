package tui

import (
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// paint draws the whole screen.
func (m *model) paint() *screen.Canvas {
	c := screen.New(m.w, m.h)
	if shapeOf(m.w, m.h) == shapeTiny {
		drawTiny(&m.frame, c)
		if o, ok := m.overlay().(interface{ tiny() string }); ok {
			c.Fill(0, c.H-1, c.W, ' ', themes.Text)
			c.Text(0, c.H-1, screen.Cut(o.tiny(), c.W), themes.Prompt)
		}
		return c
	}
	body := m.frozen
	if body == nil {
		body = screen.New(m.w, m.h)
		m.paintBody(body)
		if m.staleFor() > 0 {
			body.Dim()
		}
		if m.asking() {
			m.frozen = body // the list stands still behind a question
		}
	}
	c.Draw(0, 0, body)
	drawHeader(&m.frame, c)
	m.drawMessage(c)
	m.drawKeys(c)
	if o := m.overlay(); o != nil {
		o.draw(&m.frame, c)
	}
	return c
}

func (at *place) paintBody(c *screen.Canvas) {
	switch shapeOf(at.w, at.h) {
	case shapeGrid:
		at.paintGrid(c)
	case shapeStack:
		at.paintStack(c)
	default:
		at.paintSmall(c)
	}
}

func (at *place) paintGrid(c *screen.Canvas) {
	at.drawTabs(c, 1)
	plan := planGrid(c.W, c.H, at.focus, at.zoom, at.planIsFresh())
	for i, r := range plan.panes {
		if r.H > 0 {
			inner := screen.Box(c, r, &at.theme.Glyphs, at.boxTitle(i), at.panes[i].foot(&at.frame), i == at.focus)
			inner.Draw(0, 0, at.paintPane(i, inner.W, inner.H, i == at.focus))
		}
	}
	if r := plan.throughput; r.H > 0 {
		title := "Throughput"
		if at.view != "" {
			title += "  " + screen.Safe(at.view)
		}
		inner := screen.Box(c, r, &at.theme.Glyphs, title+" (last 5m)", "", false)
		drawThroughput(&at.frame, inner)
	}
}

func (at *place) boxTitle(i int) string {
	text := fmt.Sprintf("%d %s", i+1, at.panes[i].name())
	if t := at.panes[i].title(&at.frame); t != "" {
		text += "  " + t
	}
	return text
}

func (at *place) paintStack(c *screen.Canvas) {
	drawSparks(&at.frame, c, 1)
	at.drawTabs(c, 2)
	wish := func(p, w int) int { return at.panes[p].strip(&at.frame, screen.New(w, 6)) }
	plan := planStack(c.W, c.H, at.focus, at.zoom, wish)
	r := plan.main
	c.Draw(r.X, r.Y, at.paintPane(at.focus, r.W, r.H, true))
	for _, s := range plan.strips {
		p := at.panes[s.pane]
		text := p.title(&at.frame)
		if s.pane == paneQueue {
			text = at.queue.ruleText(&at.frame)
		}
		foot := ""
		if s.pane == paneEvents {
			foot = p.foot(&at.frame)
		}
		screen.Rule(c, s.Y, &at.theme.Glyphs, strings.TrimSpace(fmt.Sprintf("%d %s  %s", s.pane+1, p.name(), text)), foot)
		p.strip(&at.frame, c.Sub(s.X, s.Y+1, s.W, s.H-1))
	}
}

// paintSmall is one pane; where there is room, a line on throughput above it, and
// on the queue and the newest event below.
func (at *place) paintSmall(c *screen.Canvas) {
	y, end := 1, c.H-1
	if c.H >= 8 {
		end-- // the message has a line of its own
		drawSparks(&at.frame, c, y)
		y++
	}
	if c.H >= 10 {
		end -= 2
		if at.focus != paneQueue {
			c.Text(1, end, screen.Clip(at.queue.line(&at.frame, c.W-2), c.W-2, at.theme.Glyphs.Ellipsis), themes.Text)
		}
		if at.focus != paneEvents {
			at.events.line(&at.frame, c, end+1)
		}
	}
	if c.H >= 14 && c.W >= 60 {
		at.drawTabs(c, y)
		y++
	}
	c.Draw(0, y, at.paintPane(at.focus, c.W, max(end-y, 0), true))
}

// drawTiny never refuses: two lines, of one letter if need be.
func drawTiny(f *frame, c *screen.Canvas) {
	n := count(f.stats.status)
	worst := signUp
	switch {
	case n.down > 0:
		worst = signDown
	case n.drain+n.checking > 0:
		worst = signDrain
	case n.maint+n.paused > 0:
		worst = signMaint
	}
	text := fmt.Sprintf("%c UP %d/%d Q %d", worst.mark, n.up, n.backends, n.waiting)
	for _, x := range []struct {
		n    int
		word string
	}{{n.down, "DOWN"}, {n.drain, "DRAIN"}, {n.maint, "MAINT"}, {n.paused, "PAUSED"}} {
		if x.n > 0 {
			text += fmt.Sprintf(" %s %d", x.word, x.n)
		}
	}
	if age := f.staleFor(); age > 0 {
		text = "STALE " + screen.Clock(age) + " " + text
	}
	c.Text(0, 0, screen.Cut(text, c.W), worst.role)
	for _, e := range f.stats.journal.entries {
		if e.Level == "alarm" {
			c.Text(0, 1, screen.Cut("! "+e.Text, c.W), themes.Error)
			return
		}
	}
	c.Text(0, 1, screen.Cut("no alarm", c.W), themes.TextDim)
}
