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

// backendsPane is the backends, grouped by their service.
type backendsPane struct {
	versioned
	table table[*backendRow]
	m     *Model
}

// backendRow is a service, which leads its group, or one of its backends.
type backendRow struct {
	target  string // service, or service/backend
	service *proxy.ServiceInfo
	backend *proxy.BackendInfo // nil: the row is the service's
	sign    sign
	flow    flow
	since   time.Duration
	asked   string
}

func (r *backendRow) noun() any {
	if r.backend != nil {
		return r.backend
	}
	return r.service
}

func (p *backendsPane) name() string { return "Backends" }
func (p *backendsPane) grid() grid   { return &p.table }

func (p *backendsPane) bind(m *Model) {
	p.m = m
	p.table = table[*backendRow]{
		cols: backendColumns, now: m.clock,
		id:    func(r *backendRow) string { return r.target },
		group: func(r *backendRow) string { return r.service.Name },
		head:  func(r *backendRow) bool { return r.backend == nil },
		second: func(r *backendRow, c *canvas, x, y int) bool {
			return p.second(r, c, x, y)
		},
	}
}

// backendColumns are drawn for services too: where a fact makes no sense for
// one of them, it is empty.
var backendColumns = []column[*backendRow]{
	{name: "STATE", prio: 1, width: 9, fixed: true, cell: func(r *backendRow) (string, themes.Role) {
		if r.asked != "" {
			return string(r.sign.mark) + " asked", themes.Info
		}
		return r.sign.text(), r.sign.role
	}},
	{name: "NAME", ends: true, prio: 1, width: 8, grow: 12, fixed: true, cell: func(r *backendRow) (string, themes.Role) {
		if r.backend == nil {
			return safe(r.service.Name), themes.Title
		}
		return safe(r.backend.Name), themes.Text
	}},
	{name: "ADDRESS", ends: true, prio: 3, width: 15, grow: 7, cell: func(r *backendRow) (string, themes.Role) {
		if r.backend == nil {
			return safe(strings.Join(r.service.Listen, " ")), themes.TextDim
		}
		return safe(r.backend.Addr), themes.Text
	}},
	{name: "ACT", prio: 1, width: 4, right: true, num: func(r *backendRow) float64 { return float64(r.active()) },
		cell: func(r *backendRow) (string, themes.Role) { return amount(float64(r.active())), themes.Text }},
	{name: "NEW/s", prio: 2, width: 5, right: true, num: func(r *backendRow) float64 { return r.flow.fresh },
		cell: func(r *backendRow) (string, themes.Role) { return perSecond(r.flow.fresh), themes.Text }},
	{name: "IN/s", prio: 5, width: 4, right: true, num: func(r *backendRow) float64 { return r.flow.in },
		cell: func(r *backendRow) (string, themes.Role) { return size(r.flow.in), themes.Text }},
	{name: "OUT/s", prio: 5, width: 5, right: true, num: func(r *backendRow) float64 { return r.flow.out },
		cell: func(r *backendRow) (string, themes.Role) { return size(r.flow.out), themes.Text }},
	{name: "CHECK", prio: 2, width: 11, grow: 17, cell: func(r *backendRow) (string, themes.Role) { return r.check() }},
	{name: "LAT", prio: 4, width: 5, right: true, num: func(r *backendRow) float64 { return r.rtt() },
		cell: func(r *backendRow) (string, themes.Role) {
			if r.backend == nil {
				return "", themes.Text
			}
			return latency(r.rtt()), themes.Text
		}},
	{name: "SINCE", prio: 3, width: 6, right: true, num: func(r *backendRow) float64 { return r.since.Seconds() },
		cell: func(r *backendRow) (string, themes.Role) {
			if r.backend == nil || r.backend.Since.IsZero() {
				return "", themes.Text
			}
			return clock(r.since), themes.Text
		}},
	{name: "WGHT", prio: 6, width: 4, right: true, num: func(r *backendRow) float64 { return r.number(func(b *proxy.BackendInfo) int { return b.Weight }) },
		cell: func(r *backendRow) (string, themes.Role) {
			return r.count(func(b *proxy.BackendInfo) int { return b.Weight })
		}},
	{name: "FLAPS", prio: 6, width: 5, right: true, num: func(r *backendRow) float64 { return r.number(func(b *proxy.BackendInfo) int { return int(b.Flaps) }) },
		cell: func(r *backendRow) (string, themes.Role) {
			return r.count(func(b *proxy.BackendInfo) int { return int(b.Flaps) })
		}},
	{name: "PEAK", prio: 7, width: 5, right: true, num: func(r *backendRow) float64 { return r.number(func(b *proxy.BackendInfo) int { return b.Peak }) },
		cell: func(r *backendRow) (string, themes.Role) {
			return r.count(func(b *proxy.BackendInfo) int { return b.Peak })
		}},
}

func (r *backendRow) active() int {
	if r.backend == nil {
		return r.service.Sessions.Active
	}
	return r.backend.Active
}

func (r *backendRow) rtt() float64 {
	if r.backend == nil {
		return 0
	}
	return r.backend.RTTSeconds
}

func (r *backendRow) number(of func(*proxy.BackendInfo) int) float64 {
	if r.backend == nil {
		return 0
	}
	return float64(of(r.backend))
}

func (r *backendRow) count(of func(*proxy.BackendInfo) int) (string, themes.Role) {
	if r.backend == nil {
		return "", themes.Text
	}
	return amount(float64(of(r.backend))), themes.Text
}

// check is what the last check said; of a service, what its queue does.
func (r *backendRow) check() (string, themes.Role) {
	if r.backend == nil {
		switch n := r.service.Queue.Waiting; {
		case n > 0:
			return "queue " + amount(float64(n)), themes.Warn
		case r.service.Lock != nil:
			return fmt.Sprintf("%d/%d slots", r.service.Lock.InUse, r.service.Lock.Slots), themes.TextDim
		}
		return "", themes.Text
	}
	c := r.backend.Check
	switch {
	case r.backend.Admin == proxy.AdminMaint:
		return "paused", themes.TextDim
	case c == nil:
		return "-", themes.TextDim
	case !c.OK:
		return fmt.Sprintf("%s %d/%d", safe(c.Detail), c.Streak, c.Need), themes.Error
	}
	return safe(c.Detail), themes.Text
}

func (p *backendsPane) refresh(m *Model) {
	w := m.world
	var rows []*backendRow
	for i := range w.status.Services {
		s := &w.status.Services[i]
		if m.view != "" && s.Name != m.view {
			continue
		}
		if !p.bare(m, s) {
			rows = append(rows, &backendRow{target: s.Name, service: s, sign: serviceSign(s), flow: w.flows[s.Name], asked: w.asked[s.Name].act})
		}
		for j := range s.Backends {
			b := &s.Backends[j]
			target := s.Name + "/" + b.Name
			rows = append(rows, &backendRow{target: target, service: s, backend: b, sign: backendSign(b),
				flow: w.flows[target], since: w.now().Sub(b.Since), asked: w.asked[target].act})
		}
	}
	if p.table.cur == "" && len(rows) > 1 && rows[1].backend != nil && rows[0].backend == nil {
		p.table.cur, p.table.at = rows[1].target, 1 // a backend, not its service
	}
	p.table.set(rows)
	p.touch()
}

// bare leaves out the row of a service that has the small screen to itself
// and says nothing that its backends do not.
func (p *backendsPane) bare(m *Model, s *proxy.ServiceInfo) bool {
	alone := m.view != "" || len(m.world.status.Services) == 1
	return alone && shapeOf(m.w, m.h) <= shapeSmall && s.State == proxy.StateOpen && s.Pause == nil
}

// turn goes to the next service, and after the last to all.
func (p *backendsPane) turn(m *Model) { m.setView(m.nextService(m.view, true)) }

func (p *backendsPane) badge(m *Model) string {
	n := 0
	for i := range m.world.status.Services {
		n += len(m.world.status.Services[i].Backends)
	}
	return strconv.Itoa(n)
}

func (p *backendsPane) title(m *Model) string {
	if m.view == "" {
		return ""
	}
	return safe(m.view)
}

func (p *backendsPane) foot(m *Model) string { return rowsFoot(m, &p.table, "backend") }

func (p *backendsPane) draw(m *Model, c *canvas, focused bool) {
	if len(p.table.rows) == 0 {
		emptyText(c, m, "No backend yet.", "Services and their backends come from the configuration;", ":add SERVICE HOST:PORT adds one now.")
		return
	}
	if c.w < 60 {
		p.drawNarrow(m, c, focused)
		return
	}
	p.table.draw(c, focused, true, m.theme.Glyphs.Ellipsis)
	p.drawChecks(m, c)
}

// drawChecks uses the lines that the rows leave free for the last checks of
// the row under the cursor and of those that are down.
func (p *backendsPane) drawChecks(m *Model, c *canvas) {
	used := 1
	for i := p.table.top; i < p.table.len(); i++ {
		used += p.table.height(i)
	}
	y := used + 1
	line := func(r *backendRow) {
		b := r.backend
		if b == nil || b.Check == nil || b.Check.Last == "" || y >= c.h {
			return
		}
		x := c.text(2, y, fmt.Sprintf("%-8s", cut(safe(b.Name), 12)), is(themes.Text))
		x = c.text(x+1, y, "last checks ", is(themes.TextDim))
		last := b.Check.Last
		last = last[max(len(last)-30, 0):]
		for _, r := range last {
			role := themes.OK
			if r != '+' {
				r, role = '!', themes.Error
			}
			c.fill(x, y, 1, r, is(role))
			x++
		}
		more := []string{fmt.Sprintf("flaps %d", b.Flaps), fmt.Sprintf("weight %d", b.Weight)}
		if b.MaxSessions > 0 {
			more = append(more, fmt.Sprintf("max %d", b.MaxSessions))
		}
		for _, text := range more {
			if x+3+width(text) < c.w {
				x = c.text(x+3, y, text, is(themes.TextDim))
			}
		}
		y++
	}
	cur, ok := p.table.current()
	if ok {
		line(cur)
	}
	for i := range p.table.len() {
		if r := p.table.row(i); r != cur && r.sign == signDown {
			line(r)
		}
	}
}

// narrowColumns say the same in forty columns: one line a row, with the fact
// that matters most in its state.
func (p *backendsPane) narrowColumns() []column[*backendRow] {
	state := backendColumns[0]
	state.width = 8
	return []column[*backendRow]{
		state,
		{name: "NAME", ends: true, prio: 1, width: 7, fixed: true, cell: backendColumns[1].cell},
		{name: "ACT", prio: 1, width: 4, right: true, cell: backendColumns[3].cell},
		{name: "", prio: 2, width: 8, grow: 20, cell: p.noteOf},
	}
}

func (p *backendsPane) noteOf(r *backendRow) (string, themes.Role) {
	b := r.backend
	switch {
	case b == nil && r.service.Pause != nil:
		return "until " + p.m.at(r.service.Pause.Until), themes.StateMaint
	case b == nil:
		return r.check()
	case b.Drain != nil && b.Drain.Left > 0:
		return "left eta " + strings.TrimPrefix(p.etaText(r.target), "~"), themes.StateDrain
	case r.sign == signUp:
		return latency(b.RTTSeconds), themes.TextDim
	}
	return r.check()
}

func (p *backendsPane) drawNarrow(m *Model, c *canvas, focused bool) {
	t := &p.table
	cols, second, skip := t.cols, t.second, t.scrollX
	defer func() { t.cols, t.second, t.scrollX = cols, second, skip }()
	t.cols, t.second, t.scrollX = p.narrowColumns(), nil, 0
	t.draw(c, focused, c.h > 8, m.theme.Glyphs.Ellipsis)
}

// strip shows the rows that are not simply up, and then the others.
func (p *backendsPane) strip(m *Model, c *canvas) int {
	y := 0
	for _, up := range []bool{false, true} {
		for _, r := range p.table.rows {
			if r.backend == nil || (r.sign == signUp) != up {
				continue
			}
			if y < c.h {
				x := c.text(2, y, fmt.Sprintf("%-8s ", r.sign.text()), is(r.sign.role))
				x = c.text(x, y, middle(safe(r.target), 20, m.theme.Glyphs.Ellipsis), is(themes.Text))
				note, role := p.noteOf(r)
				c.text(max(x+2, 34), y, amount(float64(r.active())), is(themes.Text))
				c.text(max(x+8, 40), y, note, is(role))
			}
			y++
		}
	}
	return y
}

func (p *backendsPane) details() (string, []fact) {
	r, ok := p.table.current()
	if !ok {
		return "", nil
	}
	s := r.service
	if r.backend == nil {
		facts := []fact{
			{"state", r.sign.text() + " " + safe(s.Why)}, {"listens", safe(strings.Join(s.Listen, " "))}, {"balance", safe(s.Balance)},
			{"sessions", fmt.Sprintf("%d live, %d since the start, %s/s new", s.Sessions.Active, s.Sessions.Total, perSecond(r.flow.fresh))},
			{"", fmt.Sprintf("%d failed, %d cut, %d rejected", s.Sessions.Failed, s.Sessions.Cut, s.Sessions.Rejected)},
			{"bytes", fmt.Sprintf("in %s (%s/s), out %s (%s/s)", size(float64(s.BytesIn)), size(r.flow.in), size(float64(s.BytesOut)), size(r.flow.out))},
			{"queue", fmt.Sprintf("%d wait, the oldest %s; %d granted, %d left, %d timed out, %d kicked", s.Queue.Waiting,
				clock(seconds(s.Queue.OldestSeconds)), s.Queue.Granted, s.Queue.Left, s.Queue.TimedOut, s.Queue.Kicked)},
			{"waited", "p50 " + clock(seconds(s.Queue.WaitP50Seconds)) + "  p99 " + clock(seconds(s.Queue.WaitP99Seconds))},
		}
		if s.Pause != nil {
			facts = append(facts, fact{"pause", pauseText(p.m, s.Pause)})
		}
		return "service " + safe(s.Name), facts
	}
	return "backend " + safe(r.target), p.backendFacts(r)
}

func (p *backendsPane) backendFacts(r *backendRow) []fact {
	b := r.backend
	takes := "takes new sessions"
	if !b.Eligible {
		takes = "takes no new sessions: " + safe(b.Why)
	}
	facts := []fact{
		{"state", r.sign.text() + " for " + clock(r.since) + ", " + takes},
		{"address", safe(b.Addr)},
		{"sessions", fmt.Sprintf("%d live, peak %d, %d since the start, %s/s new", b.Active, b.Peak, b.Total, perSecond(r.flow.fresh))},
		{"bytes", fmt.Sprintf("in %s (%s/s), out %s (%s/s)", size(float64(b.BytesIn)), size(r.flow.in), size(float64(b.BytesOut)), size(r.flow.out))},
		{"dials", fmt.Sprintf("%d failed", b.Failed)},
		{"weight", fmt.Sprintf("%d, priority %d", b.Weight, b.Priority)},
		{"flaps", fmt.Sprintf("%d times down", b.Flaps)},
	}
	if b.MaxSessions > 0 {
		facts = append(facts, fact{"limit", many(b.MaxSessions, "session")})
	}
	if c := b.Check; c != nil {
		facts = append(facts, fact{"check", fmt.Sprintf("%s at %s, %d alike of %d, connect %s", safe(c.Detail), p.m.at(c.At), c.Streak, c.Need, latency(b.RTTSeconds))},
			fact{"", safe(c.Last)})
	}
	if d := b.Drain; d != nil {
		text := fmt.Sprintf("%d of %d left, by %s at %s", d.Left, d.StartedWith, safe(d.By), p.m.at(d.Since))
		if d.Until != nil {
			text += ", limit " + limitText(p.m, d)
		}
		facts = append(facts, fact{"drain", text})
		if d.Reason != "" {
			facts = append(facts, fact{"reason", safe(d.Reason)})
		}
	}
	return facts
}

func (p *backendsPane) keys() []binding {
	onBackends := func(act string) func(*Model) tea.Cmd {
		return func(m *Model) tea.Cmd { return p.act(m, act) }
	}
	return []binding{
		{name: "drain", keys: []string{"d"}, label: "drain", help: "drain: no new sessions, live ones end by themselves", act: "drain", off: p.noBackend, run: onBackends("drain")},
		{name: "ready", keys: []string{"u"}, label: "ready", help: "ready: back in service", act: "ready", off: p.noBackend, run: onBackends("ready")},
		{name: "maint", keys: []string{"m"}, label: "maint", help: "maintenance: as drain, and checks stop", act: "maint", off: p.noBackend, run: onBackends("maint")},
		{name: "restart", keys: []string{"R"}, label: "restart", help: "restart: drain, its command, checks, ready", act: "restart", off: p.noBackend, run: onBackends("restart")},
		{name: "weight", keys: []string{"w"}, help: "weight: its share of new sessions", act: "weight", off: p.noBackend, run: p.askWeight},
		{name: "pause", keys: []string{"P"}, label: "pause", help: "pause the service, or resume it", act: "pause", off: p.noService, run: func(m *Model) tea.Cmd {
			r, _ := p.table.current()
			return m.pauseOrResume(r.service.Name)
		}},
		{name: "check", keys: []string{"ctrl+r"}, help: "check the backend now", act: "probe", off: p.noBackend, run: onBackends("probe")},
	}
}

func (p *backendsPane) noService(*Model) string {
	if _, ok := p.table.current(); !ok {
		return "there is no service"
	}
	return ""
}

func (p *backendsPane) noBackend(*Model) string {
	r, ok := p.table.current()
	switch {
	case len(p.table.marks) > 0:
		return ""
	case !ok:
		return "there is no backend"
	case r.backend == nil:
		return "the cursor is on a service"
	}
	return ""
}

// act asks for an act on what is marked, or else on the row under the cursor.
func (p *backendsPane) act(m *Model, act string) tea.Cmd {
	targets, hidden := chosen(&p.table)
	var backends []string
	for _, t := range targets {
		if strings.Contains(t, "/") {
			backends = append(backends, t)
		}
	}
	return m.propose(api.Request{Act: act, Targets: backends}, hidden, p.table.justMoved())
}

func (p *backendsPane) askWeight(m *Model) tea.Cmd {
	r, ok := p.table.current()
	if !ok || r.backend == nil {
		return nil
	}
	target, moved := r.target, p.table.justMoved()
	return m.ask("weight of "+safe(target)+": ", strconv.Itoa(r.backend.Weight), func(m *Model, s string) tea.Cmd {
		return m.propose(api.Request{Act: "weight", Targets: []string{target}, Args: []string{s}}, nil, moved)
	})
}
