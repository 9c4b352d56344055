package tui

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/themes"
)

// View runs after every message; what has not changed is not drawn again.
func (m *model) View() (s string) {
	if m.w <= 0 || m.h <= 0 || m.crash != nil {
		return ""
	}
	if m.drawn == m.version {
		return m.last
	}
	defer func() {
		if r := recover(); r != nil {
			m.crash = panicked(r) // the next Update ends the console
			s = ""
		}
	}()
	m.lastBig = m.paint()
	m.last, m.drawn = m.lastBig.styled(m.palette), m.version
	return m.last
}

// paint draws the whole screen.
func (m *model) paint() *canvas {
	c := newCanvas(m.w, m.h)
	if shapeOf(m.w, m.h) == shapeTiny {
		m.drawTiny(c)
		if o, ok := m.overlay().(interface{ tiny() string }); ok {
			c.fill(0, c.h-1, c.w, ' ', is(themes.Text))
			c.text(0, c.h-1, cut(o.tiny(), c.w), is(themes.Prompt))
		}
		return c
	}
	body := m.frozen
	if body == nil {
		body = newCanvas(m.w, m.h)
		m.paintBody(body)
		if m.staleFor() > 0 {
			body.dim()
		}
		if m.asking() {
			m.frozen = body // the list stands still behind a question
		}
	}
	c.draw(0, 0, body)
	m.drawHeader(c)
	m.drawMessage(c)
	m.drawKeys(c)
	if o := m.overlay(); o != nil {
		o.draw(m, c)
	}
	return c
}

func (m *model) paintBody(c *canvas) {
	switch shapeOf(m.w, m.h) {
	case shapeGrid:
		m.paintGrid(c)
	case shapeStack:
		m.paintStack(c)
	default:
		m.paintSmall(c)
	}
}

func (m *model) paintGrid(c *canvas) {
	m.drawTabs(c, 1)
	plan := planGrid(c.w, c.h, m.focus, m.zoom, m.planPane().fresh(m))
	for i, r := range plan.panes {
		if r.h > 0 {
			inner := m.frame(c, r, m.paneTitle(i), m.panes[i].foot(m), i == m.focus)
			inner.draw(0, 0, m.paintPane(i, inner.w, inner.h, i == m.focus))
		}
	}
	if r := plan.throughput; r.h > 0 {
		title := "Throughput"
		if m.view != "" {
			title += "  " + safe(m.view)
		}
		inner := m.frame(c, r, title+" (last 5m)", "", false)
		m.drawThroughput(inner)
	}
}

func (m *model) paintStack(c *canvas) {
	m.sparkLine(c, 1)
	m.drawTabs(c, 2)
	wish := func(p, w int) int { return m.panes[p].strip(m, newCanvas(w, 6)) }
	plan := planStack(c.w, c.h, m.focus, m.zoom, wish)
	r := plan.main
	c.draw(r.x, r.y, m.paintPane(m.focus, r.w, r.h, true))
	for _, s := range plan.strips {
		p := m.panes[s.pane]
		text := p.title(m)
		if q, ok := p.(*queuePane); ok {
			text = q.ruleText(m)
		}
		foot := ""
		if s.pane == paneEvents {
			foot = p.foot(m)
		}
		m.rule(c, s.y, strings.TrimSpace(fmt.Sprintf("%d %s  %s", s.pane+1, p.name(), text)), foot)
		p.strip(m, c.sub(s.x, s.y+1, s.w, s.h-1))
	}
}

// paintSmall is one pane; where there is room, a line on what moves above it,
// and on the queue and the newest event below.
func (m *model) paintSmall(c *canvas) {
	y, end := 1, c.h-1
	if c.h >= 8 {
		end-- // the message has a line of its own
		m.sparkLine(c, y)
		y++
	}
	if c.h >= 10 {
		end -= 2
		if m.focus != paneQueue {
			c.text(1, end, clip(m.queueLine(c.w-2), c.w-2, m.theme.Glyphs.Ellipsis), is(themes.Text))
		}
		if m.focus != paneEvents {
			m.eventLine(c, end+1)
		}
	}
	if c.h >= 14 && c.w >= 60 {
		m.drawTabs(c, y)
		y++
	}
	c.draw(0, y, m.paintPane(m.focus, c.w, max(end-y, 0), true))
}

// queueLine is the queue in one line, without its holder where that leaves no
// room for those who wait.
func (m *model) queueLine(w int) string {
	p := m.queuePane()
	s := m.world.status.Service(p.now)
	if s == nil {
		return "queue: no service"
	}
	name, holder, waiting := safe(s.Name)+": ", "", "nobody waits"
	if s.Pause != nil {
		name += strings.ToLower(serviceSign(s).word) + ", "
	} else if s.Lock != nil && len(s.Lock.Holders) > 0 {
		h := s.Lock.Holders[0]
		host := safe(h.Client)
		if i := strings.LastIndexByte(host, ':'); i > 0 {
			host = host[:i]
		}
		holder = host + " " + clock(seconds(h.HeldSeconds)) + ", "
	}
	if s.Queue.Waiting > 0 {
		waiting = fmt.Sprintf("%d wait, max %s", s.Queue.Waiting, clock(seconds(s.Queue.OldestSeconds)))
	}
	if text := name + holder + waiting; width(text) <= w {
		return text
	}
	return name + waiting
}

func (m *model) eventLine(c *canvas, y int) {
	if es := m.world.journal.entries; len(es) > 0 {
		s := eventSign(es[0])
		x := c.text(1, y, m.at(es[0].Time)[:5]+" ", is(themes.TextDim))
		c.text(x, y, clip(string(s.mark)+" "+eventText(es[0]), max(c.w-x-1, 0), m.theme.Glyphs.Ellipsis), is(s.role))
	}
}

// drawTiny never refuses: two lines, one letter if need be.
func (m *model) drawTiny(c *canvas) {
	n := count(m.world.status)
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
	if age := m.staleFor(); age > 0 {
		text = "STALE " + clock(age) + " " + text
	}
	c.text(0, 0, cut(text, c.w), is(worst.role))
	for _, e := range m.world.journal.entries {
		if e.Level == "alarm" {
			c.text(0, 1, cut("! "+e.Text, c.w), is(themes.Error))
			return
		}
	}
	c.text(0, 1, cut("no alarm", c.w), is(themes.TextDim))
}

func (m *model) paneTitle(i int) string {
	text := fmt.Sprintf("%d %s", i+1, m.panes[i].name())
	if t := m.panes[i].title(m); t != "" {
		text += "  " + t
	}
	return text
}

var _ tea.Model = (*model)(nil)
