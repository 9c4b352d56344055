package tui

import (
	"fmt"
	"strconv"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// queuePane is who waits for one service, in which order, how long and why,
// and who holds what they wait for.
type queuePane struct {
	versioned
	table  table.Table[proxy.WaiterInfo]
	m      *model
	chosen string // by the reader; "" follows where somebody waits
	now    string // the service that is shown
	about  string // the service that the rows are of
}

func (p *queuePane) name() string { return "Queue" }

func (p *queuePane) grid() grid { return &p.table }

func (p *queuePane) bind(m *model) {
	p.m = m
	p.table = table.Table[proxy.WaiterInfo]{
		Columns: waiterColumns,
		ID:      func(w proxy.WaiterInfo) string { return w.ID },
	}
}

// service is whose queue is shown: the one that was chosen, else the one that
// is looked at, else one where somebody waits, else one with a lock.
func (p *queuePane) service(m *model) string {
	st := m.world.status
	switch {
	case p.chosen != "" && st.Service(p.chosen) != nil:
		return p.chosen
	case m.view != "" && st.Service(m.view) != nil:
		return m.view
	}
	// It stays where it is while somebody waits there, or it would hop.
	if s := st.Service(p.now); s != nil && s.Queue.Waiting > 0 {
		return p.now
	}
	best := ""
	most := -1
	for i := range st.Services {
		s := &st.Services[i]
		n := s.Queue.Waiting * 2
		if s.Lock != nil {
			n++
		}
		if n > most {
			best, most = s.Name, n
		}
	}
	return best
}

func (p *queuePane) refresh(m *model) {
	if now := p.service(m); now != p.now {
		p.now = now
		p.table.Clear()
		m.fetches[fetchQueue].next = time.Time{}
	}
	p.touch()
}

// take brings the waiters of a service, unless another one is shown by now.
// That nobody waits, still, is nothing to draw.
func (p *queuePane) take(m *model, service string, waiters []proxy.WaiterInfo) {
	if service != p.now || service == p.about && len(waiters) == 0 && len(p.table.Rows()) == 0 {
		return
	}
	p.about = service
	p.table.Set(waiters, m.clock())
	m.changed()
}

func (p *queuePane) turn(m *model) {
	p.chosen = m.nextService(p.now, false)
	p.refresh(m)
}

func (p *queuePane) badge(m *model) string {
	return screen.Count(float64(count(m.world.status).waiting))
}

func (p *queuePane) title(m *model) string {
	s := m.world.status.Service(p.now)
	if s == nil {
		return screen.Safe(p.now)
	}
	text := screen.Safe(p.now)
	if s.Lock != nil {
		text += fmt.Sprintf("  %d/%d slots", s.Lock.InUse, s.Lock.Slots)
	}
	return text + "  FIFO"
}

func (p *queuePane) foot(m *model) string {
	text := rowsFoot(m, &p.table, "waiter")
	then, now, _ := m.world.history(p.now).since(historySpan)
	return text + fmt.Sprintf(" %c %d gave up in 5m", m.theme.Glyphs.Dot, now.gaveUp-then.gaveUp)
}

func (p *queuePane) draw(m *model, c *screen.Canvas, focused bool) {
	s := m.world.status.Service(p.now)
	if s == nil {
		emptyText(c, m, "No service, no queue.")
		return
	}
	y := 0
	if s.Pause != nil {
		x := c.Text(1, y, serviceSign(s).text()+" ", serviceSign(s).role)
		c.Text(x+1, y, screen.Cut(pauseText(m, s.Pause), max(c.W-x-2, 0)), themes.Text)
		y++
	}
	for _, h := range p.holders(s, c.H) {
		x := c.Text(1, y, "HOLDER ", themes.TextDim)
		c.Text(x, y, screen.Cut(h, max(c.W-x-1, 0)), themes.Text)
		y++
	}
	foot := 0
	if c.H-y > 4 && c.W >= 40 {
		foot = 1
		p.drawFoot(m, c, s)
	}
	if len(p.table.Rows()) == 0 {
		if y+1 < c.H {
			text := "nobody waits"
			if s.Queue.Waiting > 0 {
				text = "asking who waits"
			}
			c.Text(3, y+1, text, themes.TextDim)
		}
		return
	}
	p.table.Draw(c.Sub(0, y, c.W, c.H-y-foot), table.Look[proxy.WaiterInfo]{Focused: focused, Names: c.H-y > 4, Ellipsis: m.theme.Glyphs.Ellipsis})
}

func (p *queuePane) details() (string, []fact) {
	w, ok := p.table.Current()
	if !ok {
		return "", nil
	}
	return "waiter " + screen.Safe(w.ID), []fact{
		{"service", screen.Safe(p.about)}, {"client", screen.Safe(w.Client)}, {"place", strconv.Itoa(w.Position)},
		{"waited", screen.Clock(screen.Seconds(w.WaitedSeconds))}, {"state", screen.Safe(w.State)}, {"why", whyText(w.Reason)},
	}
}

func (p *queuePane) keys() []binding {
	return []binding{
		{name: "kick", keys: []string{"K"}, label: "kick", help: "kick: close the client's connection", act: "kick", off: p.nobody, run: func(m *model) tea.Cmd {
			targets, hidden := p.table.Chosen()
			return m.propose(api.Request{Act: "kick", Targets: targets}, hidden, p.table.JustGone(m.clock()))
		}},
		{name: "pause", keys: []string{"P"}, label: "pause", help: "pause the service, or resume it", act: "pause", off: func(*model) string {
			if p.now == "" {
				return "there is no service"
			}
			return ""
		}, run: func(m *model) tea.Cmd { return m.pauseOrResume(p.now) }},
	}
}

func (p *queuePane) nobody(*model) string {
	if p.table.Len() == 0 {
		return "nobody waits"
	}
	return ""
}
