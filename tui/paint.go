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
		m.drawTiny(c)
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
			m.frozen = body // the panes do not change behind a question
		}
	}
	c.Draw(0, 0, body)
	m.drawHeader(c)
	m.message.draw(m.workspace, c, m.overlay() == nil)
	m.drawKeys(c)
	if o := m.overlay(); o != nil {
		o.draw(&m.frame, c)
	}
	return c
}

func (w *workspace) paintBody(c *screen.Canvas) {
	if w.past != nil {
		w.paintPast(c)
		return
	}
	w.paintPanes(c)
}

func (w *workspace) paintPanes(c *screen.Canvas) {
	w.places = [paneCount]screen.Rect{}
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
	w.drawTroubles(c, 1)
	w.drawTabs(c, w.gridHead()-1)
	plan := w.gridPlan()
	for i, r := range plan.panes {
		focused := i == w.focus
		switch {
		case r.H == 1 && !focused:
			screen.Rule(c.Sub(r.X, 0, r.W, c.H), r.Y, &w.theme.Glyphs, w.boxTitle(i), w.panes[i].foot(&w.frame), false)
		case r.H > 0:
			w.places[i] = screen.Rect{X: r.X + 1, Y: r.Y + 1, W: r.W - 2, H: r.H - 2}
			p := w.paintPane(i, r.W-2, r.H-2, focused) // before the foot, which says which rows are visible
			screen.Box(c, r, &w.theme.Glyphs, w.boxTitle(i), w.panes[i].foot(&w.frame), focused).Draw(0, 0, p)
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

// gridHead returns the number of lines above the panes: the header, the troubles, the tabs.
func (w *workspace) gridHead() int { return 2 + w.troubleHeight() }

func (w *workspace) gridPlan() gridPlan {
	return planGrid(w.width, w.height, w.gridHead(), w.focus, w.zoom, w.planIsFresh(), w.needs())
}

// needs returns how many lines each pane would fill.
func (w *workspace) needs() (n needs) {
	for i, p := range w.panes {
		n[i] = w.calm[i].at(p.need(&w.frame), w.clock())
	}
	return n
}

func (w *workspace) boxTitle(i int) string {
	text := fmt.Sprintf("%d %s", i+1, w.panes[i].name())
	if t := w.panes[i].title(&w.frame); t != "" {
		text += "  " + t
	}
	return text
}

func (w *workspace) paintStack(c *screen.Canvas) {
	w.drawTroubles(c, 1)
	y := 1 + w.troubleHeight()
	if w.stackHead() == y+2 {
		drawSparks(&w.frame, c, y)
		y++
	}
	w.drawTabs(c, y)
	wish := func(p, width int) int { return w.panes[p].strip(&w.frame, screen.New(width, 6)) }
	plan := planStack(c.W, c.H, w.stackHead(), w.focus, w.zoom, w.needs(), wish)
	w.drawFocused(c, plan.main)
	for _, s := range plan.strips {
		p := w.panes[s.pane]
		text := p.title(&w.frame)
		if s.pane == paneQueue {
			text = w.queue.ruleText(&w.frame, c.W-8-len("2 Queue  "))
		}
		foot := ""
		if s.pane == paneEvents {
			foot = p.foot(&w.frame)
		}
		screen.Rule(c, s.Y, &w.theme.Glyphs, strings.TrimSpace(fmt.Sprintf("%d %s  %s", s.pane+1, p.name(), text)), foot, false)
		p.strip(&w.frame, c.Sub(s.X, s.Y+1, s.W, s.H-1))
	}
}

// stackHead returns the number of lines above the pane of a medium screen: the header, the
// troubles, throughput if there is room, the tabs.
func (w *workspace) stackHead() int {
	n := 2 + w.troubleHeight()
	if w.height-n >= 20 {
		n++
	}
	return n
}

// drawFocused draws the focused pane, under a line with its title and foot.
func (w *workspace) drawFocused(c *screen.Canvas, r screen.Rect) {
	if r.H < 1 {
		return
	}
	w.places[w.focus] = screen.Rect{X: r.X, Y: r.Y + 1, W: r.W, H: r.H - 1}
	c.Draw(r.X, r.Y+1, w.paintPane(w.focus, r.W, r.H-1, true))
	screen.Rule(c, r.Y, &w.theme.Glyphs, w.boxTitle(w.focus), w.pane().foot(&w.frame), true)
}

// paintSmall draws one pane and, if there is room, a line with the throughput above it, and with
// the queue and the newest event below.
func (w *workspace) paintSmall(c *screen.Canvas) {
	w.drawTroubles(c, 1)
	y, end := 1+w.troubleHeight(), c.H-1
	if c.H >= 8 {
		end-- // the message has a line of its own
	}
	if c.H >= 14 {
		drawSparks(&w.frame, c, y)
		y++
		end -= 2
		if w.focus != paneQueue {
			c.Text(1, end, screen.Clip(w.queue.line(&w.frame, c.W-2), c.W-2, w.theme.Glyphs.Ellipsis), themes.Text)
		}
		if w.focus != paneEvents {
			w.events.line(&w.frame, c, end+1)
		}
	}
	if c.H >= 16 && c.W >= 60 {
		w.drawTabs(c, y)
		y++
	}
	w.drawFocused(c, screen.Rect{Y: y, W: c.W, H: max(end-y, 0)})
}

// drawTiny works at any size: it draws a summary, of one letter if need be, and as many troubles as
// there are lines.
func (w *workspace) drawTiny(c *screen.Canvas) {
	n := totalsOf(w.stats.status)
	role := signUp.role
	if len(w.watch.list) > 0 {
		role = w.watch.list[0].sign().role
	}
	var list []screen.Segment
	if w.past != nil {
		list = append(list, screen.Segment{Text: "REWIND " + w.timeOf(w.past.at), Role: themes.Warn, Prio: 1})
	}
	if old := w.staleFor(); old > 0 {
		list = append(list, screen.Segment{Text: "STALE " + age(old), Role: themes.Stale, Prio: 1})
	}
	list = append(list, screen.Segment{Text: fmt.Sprintf("UP %d/%d", n.up, n.backends), Role: role, Prio: 2, Gap: 1})
	if len(w.watch.list) == 0 {
		list = list[:len(list)-1] // it is among the alarms
	}
	alarms := w.alarms(false)
	if segmentsWidth(alarms)+10 > c.W {
		alarms = w.alarms(true)
	}
	list = append(list, alarms...)
	list[0].Gap = 0
	screen.Segments(c, 0, list)
	lines, _ := w.watch.shown(c.H - 1)
	for i := range lines {
		t := &lines[i]
		c.Text(0, 1+i, screen.Cut(fmt.Sprintf("%c %s %s %s", t.sign().mark, t.name, t.state, t.text), c.W), t.sign().role)
	}
	if len(lines) == 0 {
		c.Text(0, 1, screen.Cut(w.wellText(), c.W), themes.TextDim)
	}
}
