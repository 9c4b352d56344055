package tui

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
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
	m.last, m.drawn = m.lastBig.Styled(m.palette), m.version
	return m.last
}

// paint draws the whole screen.
func (m *model) paint() *screen.Canvas {
	c := screen.New(m.w, m.h)
	if shapeOf(m.w, m.h) == shapeTiny {
		m.drawTiny(c)
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
	m.drawHeader(c)
	m.drawMessage(c)
	m.drawKeys(c)
	if o := m.overlay(); o != nil {
		o.draw(m, c)
	}
	return c
}

func (m *model) paintBody(c *screen.Canvas) {
	switch shapeOf(m.w, m.h) {
	case shapeGrid:
		m.paintGrid(c)
	case shapeStack:
		m.paintStack(c)
	default:
		m.paintSmall(c)
	}
}

func (m *model) paintGrid(c *screen.Canvas) {
	m.drawTabs(c, 1)
	plan := planGrid(c.W, c.H, m.focus, m.zoom, m.planPane().fresh(m))
	for i, r := range plan.panes {
		if r.H > 0 {
			inner := screen.Box(c, r, &m.theme.Glyphs, m.paneTitle(i), m.panes[i].foot(m), i == m.focus)
			inner.Draw(0, 0, m.paintPane(i, inner.W, inner.H, i == m.focus))
		}
	}
	if r := plan.throughput; r.H > 0 {
		title := "Throughput"
		if m.view != "" {
			title += "  " + screen.Safe(m.view)
		}
		inner := screen.Box(c, r, &m.theme.Glyphs, title+" (last 5m)", "", false)
		m.drawThroughput(inner)
	}
}

func (m *model) paintStack(c *screen.Canvas) {
	m.sparkLine(c, 1)
	m.drawTabs(c, 2)
	wish := func(p, w int) int { return m.panes[p].strip(m, screen.New(w, 6)) }
	plan := planStack(c.W, c.H, m.focus, m.zoom, wish)
	r := plan.main
	c.Draw(r.X, r.Y, m.paintPane(m.focus, r.W, r.H, true))
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
		screen.Rule(c, s.Y, &m.theme.Glyphs, strings.TrimSpace(fmt.Sprintf("%d %s  %s", s.pane+1, p.name(), text)), foot)
		p.strip(m, c.Sub(s.X, s.Y+1, s.W, s.H-1))
	}
}

// paintSmall is one pane; where there is room, a line on what moves above it,
// and on the queue and the newest event below.
func (m *model) paintSmall(c *screen.Canvas) {
	y, end := 1, c.H-1
	if c.H >= 8 {
		end-- // the message has a line of its own
		m.sparkLine(c, y)
		y++
	}
	if c.H >= 10 {
		end -= 2
		if m.focus != paneQueue {
			c.Text(1, end, screen.Clip(m.queueLine(c.W-2), c.W-2, m.theme.Glyphs.Ellipsis), themes.Text)
		}
		if m.focus != paneEvents {
			m.eventLine(c, end+1)
		}
	}
	if c.H >= 14 && c.W >= 60 {
		m.drawTabs(c, y)
		y++
	}
	c.Draw(0, y, m.paintPane(m.focus, c.W, max(end-y, 0), true))
}

// queueLine is the queue in one line, without its holder where that leaves no
// room for those who wait.
func (m *model) queueLine(w int) string {
	p := m.queuePane()
	s := m.world.status.Service(p.now)
	if s == nil {
		return "queue: no service"
	}
	name, holder, waiting := screen.Safe(s.Name)+": ", "", "nobody waits"
	if s.Pause != nil {
		name += strings.ToLower(serviceSign(s).word) + ", "
	} else if s.Lock != nil && len(s.Lock.Holders) > 0 {
		h := s.Lock.Holders[0]
		host := screen.Safe(h.Client)
		if i := strings.LastIndexByte(host, ':'); i > 0 {
			host = host[:i]
		}
		holder = host + " " + screen.Clock(screen.Seconds(h.HeldSeconds)) + ", "
	}
	if s.Queue.Waiting > 0 {
		waiting = fmt.Sprintf("%d wait, max %s", s.Queue.Waiting, screen.Clock(screen.Seconds(s.Queue.OldestSeconds)))
	}
	if text := name + holder + waiting; screen.Width(text) <= w {
		return text
	}
	return name + waiting
}

func (m *model) eventLine(c *screen.Canvas, y int) {
	if es := m.world.journal.entries; len(es) > 0 {
		s := eventSign(es[0])
		x := c.Text(1, y, m.at(es[0].Time)[:5]+" ", themes.TextDim)
		c.Text(x, y, screen.Clip(string(s.mark)+" "+eventText(es[0]), max(c.W-x-1, 0), m.theme.Glyphs.Ellipsis), s.role)
	}
}

// drawTiny never refuses: two lines, one letter if need be.
func (m *model) drawTiny(c *screen.Canvas) {
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
		text = "STALE " + screen.Clock(age) + " " + text
	}
	c.Text(0, 0, screen.Cut(text, c.W), worst.role)
	for _, e := range m.world.journal.entries {
		if e.Level == "alarm" {
			c.Text(0, 1, screen.Cut("! "+e.Text, c.W), themes.Error)
			return
		}
	}
	c.Text(0, 1, screen.Cut("no alarm", c.W), themes.TextDim)
}

func (m *model) paneTitle(i int) string {
	text := fmt.Sprintf("%d %s", i+1, m.panes[i].name())
	if t := m.panes[i].title(m); t != "" {
		text += "  " + t
	}
	return text
}

var _ tea.Model = (*model)(nil)
