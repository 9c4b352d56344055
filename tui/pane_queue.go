package tui

import (
	"fmt"
	"strconv"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// queuePane is who waits for one service, in which order, how long and why, and
// who holds what they wait for.
type queuePane struct {
	versioned
	table   table.Table[proxy.WaiterInfo]
	chosen  string // by the operator; "" follows where clients wait
	now     string // the service that is shown
	waiters uint64 // the version of those that are shown
}

func newQueuePane() *queuePane {
	return &queuePane{table: table.Table[proxy.WaiterInfo]{
		Columns: waiterColumns,
		ID:      func(w proxy.WaiterInfo) string { return w.ID },
	}}
}

func (p *queuePane) name() string { return "Queue" }
func (p *queuePane) grid() grid   { return &p.table }

// service is whose queue is shown: the one that was chosen, else the one that
// is looked at, else one where somebody waits, else one with a lock.
func (p *queuePane) service(f *frame) string {
	st := f.stats.status
	switch {
	case p.chosen != "" && st.Service(p.chosen) != nil:
		return p.chosen
	case f.view != "" && st.Service(f.view) != nil:
		return f.view
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

func (p *queuePane) refresh(f *frame) {
	if now := p.service(f); now != p.now {
		p.now, p.waiters = now, 0
		p.table.Clear()
	}
	if w := &f.stats.waiters; w.service == p.now && w.version != p.waiters {
		p.waiters = w.version
		p.table.Set(w.list, f.clock())
	}
	p.touch()
}

func (p *queuePane) turn(f *frame) intent {
	p.chosen = f.nextService(p.now, false)
	p.refresh(f)
	return nil
}

func (p *queuePane) badge(f *frame) string {
	return screen.Count(float64(count(f.stats.status).waiting))
}

func (p *queuePane) title(f *frame) string {
	s := f.stats.status.Service(p.now)
	if s == nil {
		return screen.Safe(p.now)
	}
	text := screen.Safe(p.now)
	if s.Lock != nil {
		text += fmt.Sprintf("  %d/%d slots", s.Lock.InUse, s.Lock.Slots)
	}
	return text + "  FIFO"
}

func (p *queuePane) foot(f *frame) string {
	text := rowsFoot(f, &p.table, "waiter")
	then, now, _ := f.stats.history(p.now).since(historySpan)
	return text + fmt.Sprintf(" %c %d gave up in 5m", f.theme.Glyphs.Dot, now.gaveUp-then.gaveUp)
}

func (p *queuePane) draw(f *frame, c *screen.Canvas, focused bool) {
	s := f.stats.status.Service(p.now)
	if s == nil {
		drawEmpty(f, c, "No service, no queue.")
		return
	}
	y := 0
	if s.Pause != nil {
		x := c.Text(1, y, serviceSign(s).text()+" ", serviceSign(s).role)
		c.Text(x+1, y, screen.Cut(pauseText(f, s.Pause), max(c.W-x-2, 0)), themes.Text)
		y++
	}
	for _, h := range holderLines(s, c.H) {
		x := c.Text(1, y, "HOLDER ", themes.TextDim)
		c.Text(x, y, screen.Cut(h, max(c.W-x-1, 0)), themes.Text)
		y++
	}
	foot := 0
	if c.H-y > 4 && c.W >= 40 {
		foot = 1
		drawQueueFoot(f, c, s)
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
	p.table.Draw(c.Sub(0, y, c.W, c.H-y-foot), table.Look[proxy.WaiterInfo]{Focused: focused, Names: c.H-y > 4, Ellipsis: f.theme.Glyphs.Ellipsis})
}

func (p *queuePane) details(*frame) detailsBox {
	w, ok := p.table.Current()
	if !ok {
		return detailsBox{}
	}
	return detailsBox{title: "waiter " + screen.Safe(w.ID), facts: []fact{
		{"service", screen.Safe(p.now)}, {"client", screen.Safe(w.Client)}, {"place", strconv.Itoa(w.Position)},
		{"waited", screen.Clock(screen.Seconds(w.WaitedSeconds))}, {"state", screen.Safe(w.State)}, {"why", whyText(w.Reason)},
	}}
}

func (p *queuePane) keys() []binding {
	return []binding{
		{name: "kick", keys: []string{"K"}, label: "kick", help: "kick: close the client's connection", act: "kick", off: p.nobody,
			run: func(f *frame) intent { return wantChosen(f, &p.table, "kick") }},
		{name: "pause", keys: []string{"P"}, label: "pause", help: "pause the service, or resume it", act: "pause", off: p.noService,
			run: func(f *frame) intent { return pauseOrResume(f, p.now) }},
	}
}

func (p *queuePane) nobody(*frame) string {
	if p.table.Len() == 0 {
		return "nobody waits"
	}
	return ""
}

func (p *queuePane) noService(*frame) string {
	if p.now == "" {
		return "there is no service"
	}
	return ""
}
