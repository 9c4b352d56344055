package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
)

// queuePane is who waits for one service, in which order, how long and why,
// and who holds what they wait for.
type queuePane struct {
	versioned
	table  table[proxy.WaiterInfo]
	m      *Model
	chosen string // by the reader; "" follows where somebody waits
	now    string // the service that is shown
	about  string // the service that the rows are of
}

func (p *queuePane) name() string { return "Queue" }
func (p *queuePane) grid() grid   { return &p.table }

func (p *queuePane) bind(m *Model) {
	p.m = m
	p.table = table[proxy.WaiterInfo]{
		cols: waiterColumns, now: m.clock,
		id: func(w proxy.WaiterInfo) string { return w.ID },
	}
}

var waiterColumns = []column[proxy.WaiterInfo]{
	{name: "#", prio: 1, width: 4, right: true, fixed: true, num: func(w proxy.WaiterInfo) float64 { return float64(w.Position) },
		cell: func(w proxy.WaiterInfo) (string, themes.Role) { return strconv.Itoa(w.Position), themes.TextDim }},
	{name: "CLIENT", ends: true, prio: 1, width: 18, grow: 24, fixed: true, cell: func(w proxy.WaiterInfo) (string, themes.Role) { return safe(w.Client), themes.Text }},
	{name: "WAITED", prio: 1, width: 6, right: true, num: func(w proxy.WaiterInfo) float64 { return w.WaitedSeconds },
		cell: func(w proxy.WaiterInfo) (string, themes.Role) { return clock(seconds(w.WaitedSeconds)), themes.Text }},
	{name: "STATE", prio: 2, width: 9, cell: func(w proxy.WaiterInfo) (string, themes.Role) {
		switch w.State {
		case proxy.WaiterNext:
			return "next", themes.OK
		case proxy.WaiterVerifying:
			return "verifying", themes.Warn
		}
		return safe(w.State), themes.Text
	}},
	{name: "ID", prio: 3, width: 7, cell: func(w proxy.WaiterInfo) (string, themes.Role) { return safe(w.ID), themes.TextDim }},
	{name: "WHY", prio: 4, width: 10, grow: 20, cell: func(w proxy.WaiterInfo) (string, themes.Role) { return whyText(w.Why), themes.TextDim }},
}

// whyText says in words why somebody waits.
func whyText(why string) string {
	switch why {
	case "slots":
		return "slot taken"
	case "no_backend":
		return "no backend up"
	case "full":
		return "backends full"
	case "limit":
		return "service limit"
	case "retry":
		return "dial failed"
	}
	return safe(why)
}

// service is whose queue is shown: the one that was chosen, else the one that
// is looked at, else one where somebody waits, else one with a lock.
func (p *queuePane) service(m *Model) string {
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

func (p *queuePane) refresh(m *Model) {
	if now := p.service(m); now != p.now {
		p.now = now
		p.table.cur = ""
		p.table.set(nil)
		m.fetches[fetchQueue].next = time.Time{}
	}
	p.touch()
}

// take brings the waiters of a service, unless another one is shown by now.
func (p *queuePane) take(m *Model, service string, waiters []proxy.WaiterInfo) {
	if service == p.now {
		p.about = service
		p.table.set(waiters)
	}
}

func (p *queuePane) turn(m *Model) {
	p.chosen = m.nextService(p.now, false)
	p.refresh(m)
}

func (p *queuePane) badge(m *Model) string { return amount(float64(count(m.world.status).waiting)) }
func (p *queuePane) title(m *Model) string {
	s := m.world.status.Service(p.now)
	if s == nil {
		return safe(p.now)
	}
	text := safe(p.now)
	if s.Lock != nil {
		text += fmt.Sprintf("  %d/%d slots", s.Lock.InUse, s.Lock.Slots)
	}
	return text + "  FIFO"
}

func (p *queuePane) foot(m *Model) string {
	text := rowsFoot(m, &p.table, "waiter")
	then, now, _ := m.world.history(p.now).since(historySpan)
	return text + fmt.Sprintf(" %c %d gave up in 5m", m.theme.Glyphs.Dot, now.gaveUp-then.gaveUp)
}

func (p *queuePane) draw(m *Model, c *canvas, focused bool) {
	s := m.world.status.Service(p.now)
	if s == nil {
		emptyText(c, m, "No service, no queue.")
		return
	}
	y := 0
	if s.Pause != nil {
		x := c.text(1, y, serviceSign(s).text()+" ", is(serviceSign(s).role))
		c.text(x+1, y, cut(pauseText(m, s.Pause), max(c.w-x-2, 0)), is(themes.Text))
		y++
	}
	for _, h := range p.holders(s, c.h) {
		x := c.text(1, y, "HOLDER ", is(themes.TextDim))
		c.text(x, y, cut(h, max(c.w-x-1, 0)), is(themes.Text))
		y++
	}
	foot := 0
	if c.h-y > 4 && c.w >= 40 {
		foot = 1
		p.drawFoot(m, c, s)
	}
	if len(p.table.rows) == 0 {
		if y+1 < c.h {
			text := "nobody waits"
			if s.Queue.Waiting > 0 {
				text = "asking who waits"
			}
			c.text(3, y+1, text, is(themes.TextDim))
		}
		return
	}
	p.table.draw(c.sub(0, y, c.w, c.h-y-foot), focused, c.h-y > 4, m.theme.Glyphs.Ellipsis)
}

// holders is who has a slot, a line each: as many as leave room for those who
// wait.
func (p *queuePane) holders(s *proxy.ServiceInfo, h int) []string {
	if s.Lock == nil {
		return nil
	}
	room := max(h/4, 1)
	var lines []string
	for i, holder := range s.Lock.Holders {
		if len(lines) == room-1 && len(s.Lock.Holders)-i > 1 {
			lines = append(lines, fmt.Sprintf("and %d more", len(s.Lock.Holders)-i))
			break
		}
		lines = append(lines, fmt.Sprintf("%s  %s   %s", safe(holder.Client), safe(holder.ID), heldText(s.Lock, &holder)))
	}
	return lines
}

func heldText(l *proxy.LockInfo, h *proxy.HolderInfo) string {
	text := "held " + clock(seconds(h.HeldSeconds))
	if l.TTLSeconds > 0 {
		text += "/" + clock(seconds(l.TTLSeconds))
	}
	return text
}

func (p *queuePane) drawFoot(m *Model, c *canvas, s *proxy.ServiceInfo) {
	q := &s.Queue
	text := fmt.Sprintf("wait p50 %s  p99 %s   next grant %s", clock(seconds(q.WaitP50Seconds)), clock(seconds(q.WaitP99Seconds)), p.nextGrant(m, s))
	if q.Max > 0 {
		text += fmt.Sprintf("   room %d of %d", max(q.Max-q.Waiting, 0), q.Max)
	}
	c.text(1, c.h-1, cut(text, c.w-2), is(themes.TextDim))
}

// nextGrant guesses when the next in line is let in: from how often that
// happened lately, but not later than the holder's time ends.
func (p *queuePane) nextGrant(m *Model, s *proxy.ServiceInfo) string {
	if s.Pause != nil && s.State != proxy.StateReleasing {
		return "at the resume"
	}
	if s.Queue.Waiting == 0 {
		return "-"
	}
	guess := -1.0
	then, now, dt := m.world.history(s.Name).since(time.Minute)
	if n := now.granted - then.granted; n > 0 && dt > 0 {
		guess = dt / float64(n)
	}
	if l := s.Lock; l != nil && l.TTLSeconds > 0 {
		for _, h := range l.Holders {
			if left := max(l.TTLSeconds-h.HeldSeconds, 0); guess < 0 || left < guess {
				guess = left
			}
		}
	}
	if guess < 0 {
		return "not known"
	}
	if guess < 1 {
		return "within a second"
	}
	return "in ~" + clock(seconds(guess))
}

// strip names the first who wait, and how many more there are.
func (p *queuePane) strip(m *Model, c *canvas) int {
	s := m.world.status.Service(p.now)
	if s == nil {
		return 1
	}
	if s.Queue.Waiting == 0 {
		c.text(2, 0, "nobody waits", is(themes.TextDim))
		return 1
	}
	x := 2
	shown := 0
	for _, w := range p.table.rows {
		text := fmt.Sprintf("#%d  %-20s wait %s", w.Position, middle(safe(w.Client), 20, m.theme.Glyphs.Ellipsis), clock(seconds(w.WaitedSeconds)))
		if x+width(text) > c.w {
			break
		}
		x = c.text(x, 0, text, is(themes.Text)) + 4
		shown++
	}
	q := &s.Queue
	more := ""
	if n := q.Waiting - shown; n > 0 {
		more = fmt.Sprintf("+%d more, ", n)
	}
	more += fmt.Sprintf("wait p50 %s p99 %s, next grant %s", clock(seconds(q.WaitP50Seconds)), clock(seconds(q.WaitP99Seconds)), p.nextGrant(m, s))
	c.text(2, 1, more, is(themes.TextDim))
	return 2
}

// ruleText is what the rule above the strip says: who holds, and the pause.
func (p *queuePane) ruleText(m *Model) string {
	s := m.world.status.Service(p.now)
	if s == nil {
		return ""
	}
	text := safe(s.Name)
	switch {
	case s.Pause != nil:
		text += "  " + strings.ToLower(serviceSign(s).word) + " " + pauseText(m, s.Pause)
	case s.Lock != nil && len(s.Lock.Holders) > 0:
		h := &s.Lock.Holders[0]
		text += "  holder " + safe(h.Client) + " " + safe(h.ID) + "  " + heldText(s.Lock, h)
	}
	return text
}

func (p *queuePane) details() (string, []fact) {
	w, ok := p.table.current()
	if !ok {
		return "", nil
	}
	return "waiter " + safe(w.ID), []fact{
		{"service", safe(p.about)}, {"client", safe(w.Client)}, {"place", strconv.Itoa(w.Position)},
		{"waited", clock(seconds(w.WaitedSeconds))}, {"state", safe(w.State)}, {"why", whyText(w.Why)},
	}
}

func (p *queuePane) keys() []binding {
	return []binding{
		{name: "kick", keys: []string{"K"}, label: "kick", help: "kick: close the client's connection", act: "kick", off: p.nobody, run: func(m *Model) tea.Cmd {
			targets, hidden := chosen(&p.table)
			return m.propose(api.Request{Act: "kick", Targets: targets}, hidden, p.table.justMoved())
		}},
		{name: "pause", keys: []string{"P"}, label: "pause", help: "pause the service, or resume it", act: "pause", off: func(*Model) string {
			if p.now == "" {
				return "there is no service"
			}
			return ""
		}, run: func(m *Model) tea.Cmd { return m.pauseOrResume(p.now) }},
	}
}

func (p *queuePane) nobody(*Model) string {
	if p.table.len() == 0 {
		return "nobody waits"
	}
	return ""
}
