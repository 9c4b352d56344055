package tui

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// queuePane is the waiters of one service, in their order, with how long and why
// they wait, and the sessions that hold the slots.
type queuePane struct {
	versioned
	table   table.Table[proxy.WaiterInfo]
	chosen  string        // by the operator, until the cursor of Backends moves from where it was then
	was     string        // the row that it was on
	cursor  func() string // the row that the cursor of Backends was moved to; "": it was not
	service string        // the service that is shown
	waiters uint64        // the version of those that are shown
}

func newQueuePane() *queuePane {
	return &queuePane{table: table.Table[proxy.WaiterInfo]{
		Columns: waiterColumns,
		ID:      func(w proxy.WaiterInfo) string { return w.ID },
	}, cursor: func() string { return "" }}
}

func (p *queuePane) name() string { return "Queue" }
func (p *queuePane) grid() grid   { return &p.table }

// pick is the service whose queue is shown: the one that was chosen, until the
// cursor of Backends moves; else the one under that cursor; else that of the view, the
// one that is paused, the one with most waiters, one with a lock.
func (p *queuePane) pick(f *frame) string {
	st := f.stats.status
	cursor := p.cursor()
	if cursor != p.was {
		p.chosen = ""
	}
	under, _ := api.SplitTarget(cursor)
	for _, name := range []string{p.chosen, under, f.view} {
		if name != "" && st.Service(name) != nil {
			return name
		}
	}
	best, most := "", -1
	for i := range st.Services {
		s := &st.Services[i]
		n := s.Queue.Waiting * 4
		if s.Lock != nil {
			n++
		}
		if s.Pause != nil {
			n += 1 << 30
		}
		if s.Name == p.service && s.Queue.Waiting > 0 {
			n += n / 2 // two of about the same length must not change places all the time
		}
		if n > most {
			best, most = s.Name, n
		}
	}
	return best
}

// choose shows the queue of a service until the cursor of Backends moves.
func (p *queuePane) choose(service string) { p.chosen, p.was = service, p.cursor() }

func (p *queuePane) refresh(f *frame) {
	if now := p.pick(f); now != p.service {
		p.service, p.waiters = now, 0
		p.table.Clear()
	}
	if f.past != nil && f.past.moment != nil && p.waiters == 0 {
		f.stats.waiters.take(p.service, f.past.moment.Waiters[p.service])
	}
	if w := &f.stats.waiters; w.service == p.service && w.version != p.waiters {
		p.waiters = w.version
		p.table.Set(w.list, f.clock())
	}
	p.touch()
}

func (p *queuePane) turn(f *frame) intent {
	p.choose(f.nextService(p.service))
	p.refresh(f)
	return focusPane(paneQueue) // which asks for its waiters
}

func (p *queuePane) badge(f *frame) string {
	return screen.Count(float64(totalsOf(f.stats.status).waiting))
}

func (p *queuePane) title(f *frame) string {
	s := f.stats.status.Service(p.service)
	if s == nil {
		return screen.Safe(p.service)
	}
	text := screen.Safe(p.service)
	if s.Lock != nil {
		text += fmt.Sprintf("  %d/%d slots", s.Lock.InUse, s.Lock.Slots)
	}
	return text + "  FIFO"
}

func (p *queuePane) foot(f *frame) string {
	if s := f.stats.status.Service(p.service); s != nil && f.past != nil {
		return waitedText(s.Queue.Waiting, len(p.table.Rows()))
	}
	text := rowsFoot(f, &p.table, "waiter")
	then, now, _ := f.stats.history(p.service).since(historySpan)
	return text + fmt.Sprintf(" %c %d unserved in 5m", f.theme.Glyphs.Dot, now.unserved-then.unserved)
}

func (p *queuePane) draw(f *frame, c *screen.Canvas, focused bool) {
	s := f.stats.status.Service(p.service)
	if s == nil {
		drawEmpty(f, c, "There is no service.")
		return
	}
	y := 0
	if s.Pause != nil {
		x := c.Text(1, y, serviceSign(s).text()+" ", serviceSign(s).role)
		c.Text(x+1, y, screen.Clip(pauseText(f, s.Pause), max(c.W-x-2, 0), f.theme.Glyphs.Ellipsis), themes.Text)
		y++
	}
	for _, h := range holderLines(s, c.H) {
		x := c.Text(1, y, "HOLDER ", themes.TextDim)
		c.Text(x, y, screen.Cut(h, max(c.W-x-1, 0)), themes.Text)
		y++
	}
	foot := 0
	if c.H-y > 4 && c.W >= 40 && f.past == nil {
		foot = 1
		drawQueueFoot(f, c, s)
	}
	if len(p.table.Rows()) == 0 {
		if y+1 < c.H {
			text := "no clients waiting"
			if s.Queue.Waiting > 0 {
				text = "asking for the waiters"
				if f.past != nil {
					text = notRecorded
				}
			}
			c.Text(3, y+1, text, themes.TextDim)
		}
		return
	}
	p.table.Draw(c.Sub(0, y, c.W, c.H-y-foot), table.Look[proxy.WaiterInfo]{Focused: focused, Names: c.H-y > 4, Ellipsis: f.theme.Glyphs.Ellipsis})
}

// need is the pause, the holders, the waiters and the foot; nothing where there are
// neither waiters nor a pause.
func (p *queuePane) need(f *frame) int {
	s := f.stats.status.Service(p.service)
	if s == nil || s.Queue.Waiting == 0 && s.Pause == nil {
		return 0
	}
	return s.Queue.Waiting + len(holderLines(s, 20)) + 3
}

func (p *queuePane) details(f *frame, id string) details {
	i := slices.IndexFunc(f.stats.waiters.list, func(w proxy.WaiterInfo) bool { return w.ID == id })
	if i < 0 {
		return details{}
	}
	w := f.stats.waiters.list[i]
	return details{title: "waiter " + screen.Safe(w.ID), about: about{session: w.ID}, facts: []fact{
		{"service", screen.Safe(f.stats.waiters.service)}, {"client", screen.Safe(w.Client)}, {"position", strconv.Itoa(w.Position)},
		{"waited", screen.Clock(screen.Seconds(w.WaitedSeconds))}, {"state", screen.Safe(w.State)}, {"reason", reasonText(w.Reason)},
	}}
}

func (p *queuePane) keys() []binding {
	return []binding{
		{name: "kick", Binding: on("kick", "K"), help: "kick: close the client's connection", act: "kick", off: p.noWaiters,
			run: func(f *frame) intent { return proposeChosen(f, &p.table, "kick") }},
		{name: "pause", Binding: on("pause", "P"), help: "pause the service, or resume it", act: "pause", off: p.noService,
			run: func(f *frame) intent { return pauseOrResume(f, p.service) }},
	}
}

func (p *queuePane) noWaiters(*frame) string {
	if p.table.Len() == 0 {
		return "no clients waiting"
	}
	return ""
}

func (p *queuePane) noService(*frame) string {
	if p.service == "" {
		return "there is no service"
	}
	return ""
}
