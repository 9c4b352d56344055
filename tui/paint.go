package tui

import (
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// paint draws the whole screen.
func (m *model) paint() *screen.Canvas {
	c := screen.New(m.width, m.height)
	if shapeOf(m.width, m.height) == shapeTiny {
		drawTiny(&m.frame, c)
		if o, ok := m.overlay().(interface{ tiny() string }); ok {
			c.Fill(0, c.H-1, c.W, ' ', themes.Text)
			c.Text(0, c.H-1, screen.Cut(o.tiny(), c.W), themes.Prompt)
		}
		return c
	}
	body := m.frozen
	if body == nil {
		body = screen.New(m.width, m.height)
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

func (w *workspace) paintBody(c *screen.Canvas) {
	switch shapeOf(w.width, w.height) {
	case shapeGrid:
		w.paintGrid(c)
	case shapeStack:
		w.paintStack(c)
	default:
		w.paintSmall(c)
	}
}

func (w *workspace) paintGrid(c *screen.Canvas) {
	w.drawTabs(c, 1)
	plan := planGrid(c.W, c.H, w.focus, w.zoom, w.planIsFresh())
	for i, r := range plan.panes {
		if r.H > 0 {
			inner := screen.Box(c, r, &w.theme.Glyphs, w.boxTitle(i), w.panes[i].foot(&w.frame), i == w.focus)
			inner.Draw(0, 0, w.paintPane(i, inner.W, inner.H, i == w.focus))
		}
	}
	if r := plan.throughput; r.H > 0 {
		title := "Throughput"
		if w.view != "" {
			title += "  " + screen.Safe(w.view)
		}
		inner := screen.Box(c, r, &w.theme.Glyphs, title+" (last 5m)", "", false)
		drawThroughput(&w.frame, inner)
	}
}

func (w *workspace) boxTitle(i int) string {
	text := fmt.Sprintf("%d %s", i+1, w.panes[i].name())
	if t := w.panes[i].title(&w.frame); t != "" {
		text += "  " + t
	}
	return text
}

func (w *workspace) paintStack(c *screen.Canvas) {
	drawSparks(&w.frame, c, 1)
	w.drawTabs(c, 2)
	wish := func(p, width int) int { return w.panes[p].strip(&w.frame, screen.New(width, 6)) }
	plan := planStack(c.W, c.H, w.focus, w.zoom, wish)
	r := plan.main
	c.Draw(r.X, r.Y, w.paintPane(w.focus, r.W, r.H, true))
	for _, s := range plan.strips {
		p := w.panes[s.pane]
		text := p.title(&w.frame)
		if s.pane == paneQueue {
			text = w.queue.ruleText(&w.frame)
		}
		foot := ""
		if s.pane == paneEvents {
			foot = p.foot(&w.frame)
		}
		screen.Rule(c, s.Y, &w.theme.Glyphs, strings.TrimSpace(fmt.Sprintf("%d %s  %s", s.pane+1, p.name(), text)), foot)
		p.strip(&w.frame, c.Sub(s.X, s.Y+1, s.W, s.H-1))
	}
}

// paintSmall is one pane; where there is room, a line on throughput above it, and
// on the queue and the newest event below.
func (w *workspace) paintSmall(c *screen.Canvas) {
	y, end := 1, c.H-1
	if c.H >= 8 {
		end-- // the message has a line of its own
		drawSparks(&w.frame, c, y)
		y++
	}
	if c.H >= 10 {
		end -= 2
		if w.focus != paneQueue {
			c.Text(1, end, screen.Clip(w.queue.line(&w.frame, c.W-2), c.W-2, w.theme.Glyphs.Ellipsis), themes.Text)
		}
		if w.focus != paneEvents {
			w.events.line(&w.frame, c, end+1)
		}
	}
	if c.H >= 14 && c.W >= 60 {
		w.drawTabs(c, y)
		y++
	}
	c.Draw(0, y, w.paintPane(w.focus, c.W, max(end-y, 0), true))
}

// drawTiny never refuses: two lines, of one letter if need be.
func drawTiny(f *frame, c *screen.Canvas) {
	n := totalsOf(f.stats.status)
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
