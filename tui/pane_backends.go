package tui

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// backendsPane shows the backends, grouped by service.
type backendsPane struct {
	versioned
	table table.Table[*backendRow]
	heat  heat
}

func newBackendsPane() *backendsPane {
	return &backendsPane{heat: heat{by: heatBy[0], group: heatGroup[0]}, table: table.Table[*backendRow]{
		Columns: backendColumns,
		ID:      func(r *backendRow) string { return r.target },
		Group:   func(r *backendRow) string { return r.service.Name },
		Head:    func(r *backendRow) bool { return r.backend == nil },
		Tall:    (*backendRow).isTall,
		Rank:    (*backendRow).sickness,
	}}
}

func (p *backendsPane) name() string { return "Backends" }
func (p *backendsPane) grid() grid   { return &p.table }

func (p *backendsPane) refresh(f *frame) {
	var rows []*backendRow
	for i := range f.stats.status.Services {
		s := &f.stats.status.Services[i]
		if f.view != "" && s.Name != f.view {
			continue
		}
		current := !s.Removing || f.stats.status.Service(s.Name) == s
		if !isBare(f, s) {
			rows = append(rows, &backendRow{target: s.Name, service: s, sign: serviceSign(s), flow: f.stats.flowOf(s.Name, current),
				pending: f.stats.pending[s.Name].act, second: secondText(f, s)})
		}
		for j := range s.Backends {
			b := &s.Backends[j]
			target := s.Name + "/" + b.Name
			rows = append(rows, &backendRow{target: target, service: s, backend: b, sign: backendSign(b),
				flow: f.stats.flowOf(target, current && (!b.Removing || f.stats.status.Backend(target) == b)), since: f.stats.now().Sub(b.Since), pending: f.stats.pending[target].act, alone: p.table.Across})
		}
	}
	p.table.Set(rows, f.clock())
	p.touch()
}

// secondText returns the second line of a service's row: the state of its hook, or else of the
// worst of its sources of backends. "": nothing to say.
func secondText(f *frame, s *proxy.ServiceInfo) (line string) {
	if line = s.Hook.Text(f.stats.now()); line != "" {
		return line
	}
	for i := range s.Discovery {
		if text := s.Discovery[i].Text(f.stats.now()); line == "" || strings.HasPrefix(text, warnSign) && !strings.HasPrefix(line, warnSign) {
			line = text
		}
	}
	return line
}

// warnSign begins a text about something that does not work.
const warnSign = "! "

// isBare reports whether to leave out the row of a service: it is the only one on a small screen,
// and adds nothing to its backends' rows.
func isBare(f *frame, s *proxy.ServiceInfo) bool {
	alone := f.view != "" || len(f.stats.status.Services) == 1
	return alone && shapeOf(f.width, f.height) <= shapeSmall && s.State == proxy.StateOpen && s.Pause == nil &&
		!strings.HasPrefix(secondText(f, s), warnSign)
}

func (p *backendsPane) turn(f *frame) intent {
	r, ok := p.table.Current()
	if f.view != "" || !ok {
		return setView("")
	}
	return setView(r.service.Name)
}

func (p *backendsPane) badge(f *frame) string {
	n := 0
	for i := range f.stats.status.Services {
		n += len(f.stats.status.Services[i].Backends)
	}
	if s := f.stats.status.Service(f.view); s != nil {
		return fmt.Sprintf("%d of %d", len(s.Backends), n)
	}
	return strconv.Itoa(n)
}

func (p *backendsPane) title(f *frame) string {
	if f.view == "" {
		return ""
	}
	return screen.Safe(f.view)
}

func (p *backendsPane) foot(f *frame) string { return rowsFoot(f, &p.table, "backend") }

func (p *backendsPane) draw(f *frame, c *screen.Canvas, focused bool) {
	if len(p.table.Rows()) == 0 {
		drawEmpty(f, c, "No backend yet.", "Services and their backends come from the configuration;", ":add SERVICE HOST:PORT adds one now.")
		return
	}
	if p.heat.on {
		p.drawHeat(f, c, focused)
		return
	}
	if c.W < 60 {
		p.drawNarrow(f, c, focused)
		return
	}
	style := table.Look[*backendRow]{Focused: focused, Names: true, Ellipsis: f.theme.Glyphs.Ellipsis}
	style.Second = func(r *backendRow, c *screen.Canvas, x, y int) { drawSecond(f, r, c, x, y) }
	p.drawChecks(c, p.table.Draw(c, style)+1, style.Ellipsis)
}

// drawChecks draws, from line y on, the last checks of the backend under the cursor and of those
// that are down.
func (p *backendsPane) drawChecks(c *screen.Canvas, y int, ellipsis rune) {
	line := func(r *backendRow) {
		b := r.backend
		if b == nil || b.Check == nil || b.Check.Last == "" || y >= c.H {
			return
		}
		x := c.Text(2, y, fmt.Sprintf("%-8s", screen.Middle(screen.Safe(b.Name), 12, ellipsis)), themes.Text)
		x = c.Text(x+1, y, "last checks ", themes.TextDim)
		last := b.Check.Last
		last = last[max(len(last)-30, 0):]
		for _, r := range last {
			role := themes.OK
			if r != '+' {
				r, role = '!', themes.Error
			}
			c.Fill(x, y, 1, r, role)
			x++
		}
		more := []string{fmt.Sprintf("downs %d", b.Transitions), fmt.Sprintf("weight %d", b.Weight)}
		if b.MaxSessions > 0 {
			more = append(more, fmt.Sprintf("max %d", b.MaxSessions))
		}
		for _, text := range more {
			if x+3+screen.Width(text) < c.W {
				x = c.Text(x+3, y, text, themes.TextDim)
			}
		}
		y++
	}
	cur, ok := p.table.Current()
	if ok {
		line(cur)
	}
	for i := range p.table.Len() {
		if r := p.table.Row(i); r != cur && r.sign == signDown {
			line(r)
		}
	}
}

// moved returns the row that the cursor was moved to; "": it never was.
func (p *backendsPane) moved() string {
	if !p.table.Touched() {
		return ""
	}
	return p.table.CurrentID()
}

// need counts the rows with their second lines, the heading and two lines of checks.
func (p *backendsPane) need(*frame) int {
	n := len(p.table.Rows())
	if n == 0 {
		return 4
	}
	for _, r := range p.table.Rows() {
		if r.isTall() {
			n++
		}
	}
	return n + 1
}

func (p *backendsPane) details(f *frame, id string) details {
	service, backend := api.SplitTarget(id)
	s := f.stats.status.Service(service)
	if s == nil {
		return details{}
	}
	r := &backendRow{target: id, service: s, sign: serviceSign(s), flow: f.stats.flows[id]}
	if backend == "" {
		facts := []fact{
			{"state", r.sign.text() + " " + reasonText(s.Reason)}, {"listens", screen.Safe(strings.Join(s.Listen, " "))}, {"balance", screen.Safe(s.Balance)},
			{"sessions", fmt.Sprintf("%d live, %d since the start, %s/s new", s.Sessions.Active, s.Sessions.Total, screen.Rate(r.flow.fresh))},
			{"", fmt.Sprintf("%d failed, %d cut, %d rejected", s.Sessions.Failed, s.Sessions.Cut, s.Sessions.Rejected)},
			{"bytes", fmt.Sprintf("in %s (%s/s), out %s (%s/s)", screen.Bytes(float64(s.BytesIn)), screen.Bytes(r.flow.in), screen.Bytes(float64(s.BytesOut)), screen.Bytes(r.flow.out))},
			{"queue", fmt.Sprintf("%d waiting, the oldest %s; %d granted, %d abandoned, %d timed out, %d kicked", s.Queue.Waiting,
				screen.Clock(screen.Seconds(s.Queue.OldestSeconds)), s.Queue.Granted, s.Queue.Abandoned, s.Queue.TimedOut, s.Queue.Kicked)},
			{"waited", "p50 " + screen.Clock(screen.Seconds(s.Queue.WaitP50Seconds)) + "  p99 " + screen.Clock(screen.Seconds(s.Queue.WaitP99Seconds))},
		}
		if len(s.SNI) > 0 {
			facts = append(facts, fact{"sni", screen.Safe(strings.Join(s.SNI, " "))})
		}
		if s.Pause != nil {
			facts = append(facts, fact{"pause", pauseText(f, s.Pause)})
		}
		if s.Hook != nil && s.Hook.Text(f.stats.now()) != "" {
			facts = append(facts, fact{"hook", screen.Safe(s.Hook.Text(f.stats.now()))})
		}
		for i := range s.Discovery {
			facts = append(facts, fact{"backends", screen.Safe(s.Discovery[i].Text(f.stats.now()))})
		}
		if c := f.stats.status.Certificate(s.Name); c != nil {
			facts = append(facts, fact{"certificate", screen.Safe(c.File) + ", valid until " + f.dated(c.NotAfter)})
		}
		return details{title: "service " + screen.Safe(s.Name), facts: facts, about: about{service: s.Name}}
	}
	if r.backend = f.stats.status.Backend(id); r.backend == nil {
		return details{}
	}
	r.sign, r.since = backendSign(r.backend), f.ago(r.backend.Since)
	return details{title: "backend " + screen.Safe(id), facts: backendFacts(f, r), about: about{service: service, backend: backend}}
}

func backendFacts(f *frame, r *backendRow) []fact {
	b := r.backend
	takes := "takes new sessions"
	if !b.Eligible {
		takes = "takes no new sessions: " + screen.Safe(b.Reason)
	}
	facts := []fact{
		{"state", r.sign.text() + " for " + screen.Clock(r.since) + ", " + takes},
		{"address", screen.Safe(b.Addr)},
		{"sessions", fmt.Sprintf("%d live, peak %d, %d since the start, %s/s new", b.Active, b.Peak, b.Total, screen.Rate(r.flow.fresh))},
		{"bytes", fmt.Sprintf("in %s (%s/s), out %s (%s/s)", screen.Bytes(float64(b.BytesIn)), screen.Bytes(r.flow.in), screen.Bytes(float64(b.BytesOut)), screen.Bytes(r.flow.out))},
		{"dials", fmt.Sprintf("%d failed", b.Failed)},
		{"weight", fmt.Sprintf("%d, priority %d", b.Weight, b.Priority)},
		{"went down", text.Plural(int(b.Transitions), "time")},
	}
	if d := f.stats.status.Cluster.Drain(r.target); d != nil {
		label := "on all nodes"
		for i := range d.Nodes {
			facts = append(facts, fact{label, screen.Safe(d.Nodes[i].Node + ": " + d.Part(&d.Nodes[i]))})
			label = ""
		}
	}
	if b.TLS != "" {
		facts = append(facts, fact{"tls", screen.Safe(b.TLS)})
	}
	if b.MaxSessions > 0 {
		facts = append(facts, fact{"limit", text.Plural(b.MaxSessions, "session")})
	}
	if c := b.Check; c != nil {
		facts = append(facts, fact{"check", fmt.Sprintf("%s at %s, %d in a row (threshold %d), connect %s", screen.Safe(c.Detail), f.timeOf(c.At), c.Consecutive, c.Threshold, screen.Latency(b.RTTSeconds))},
			fact{"", screen.Safe(c.Last)})
		if c.By != "" {
			facts = append(facts, fact{"checked by", screen.Safe(c.By) + ", for all nodes of the cluster"})
		}
	}
	if e := b.Ejected; e != nil {
		facts = append(facts, fact{"ejected", screen.Safe(e.Text(f.stats.now())) + " (ready ends it)"})
	}
	if d := b.Drain; d != nil {
		text := fmt.Sprintf("%d of %d remaining, by %s at %s", d.Remaining, d.StartedWith, screen.Safe(d.By), f.timeOf(d.Since))
		if d.Until != nil {
			text += ", limit " + limitText(f, d)
		}
		facts = append(facts, fact{"drain", text})
		if d.Reason != "" {
			facts = append(facts, fact{"reason", screen.Safe(d.Reason)})
		}
	}
	return facts
}
