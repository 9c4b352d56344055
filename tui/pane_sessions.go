package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// sessionsPane shows the live sessions and, for a while, the ended ones: which side ended them, in
// which phase and why.
type sessionsPane struct {
	versioned
	table table.Table[*session]
	show  int // which tab
}

var sessionTabs = []string{"all", "live", "ended"}

func newSessionsPane() *sessionsPane {
	return &sessionsPane{table: table.Table[*session]{Columns: sessionColumns, ID: func(r *session) string { return r.ID }, Last: func(r *session) bool { return r.Ended != nil }}}
}

func (p *sessionsPane) name() string { return "Sessions" }
func (p *sessionsPane) grid() grid   { return &p.table }

var sessionColumns = []screen.Column[*session]{
	{Name: "CLIENT", Ends: true, Prio: 1, Width: 18, Grow: 8, Fixed: true, Cell: func(r *session) (string, themes.Role) { return screen.Safe(r.Client), r.role() }},
	{Name: "SERVICE", Ends: true, Prio: 3, Width: 9, Grow: 3, Cell: func(r *session) (string, themes.Role) { return screen.Safe(r.Service), r.role() }},
	{Name: "BACKEND", Ends: true, Prio: 2, Width: 8, Grow: 4, Cell: func(r *session) (string, themes.Role) {
		if r.Backend == "" {
			return "(" + screen.Safe(r.Phase) + ")", themes.Warn
		}
		return screen.Safe(r.Backend), r.role()
	}},
	{Name: "VIA", Prio: 4, Width: 3, Cell: func(r *session) (string, themes.Role) { return screen.Safe(r.Via), r.role() }},
	{Name: "PROTOCOL", Prio: 6, Width: 8, Grow: 4, Cell: func(r *session) (string, themes.Role) { return screen.Safe(r.subprotocol()), r.role() }},
	{Name: "AGE", Prio: 1, Width: 6, Right: true, Value: func(r *session) float64 { return r.AgeSeconds },
		Cell: func(r *session) (string, themes.Role) { return screen.Clock(screen.Seconds(r.AgeSeconds)), r.role() }},
	{Name: "IN/s", Prio: 2, Width: 4, Right: true, Value: func(r *session) float64 { return r.in },
		Cell: func(r *session) (string, themes.Role) { return screen.Bytes(r.in), r.role() }},
	{Name: "OUT/s", Prio: 2, Width: 5, Right: true, Value: func(r *session) float64 { return r.out },
		Cell: func(r *session) (string, themes.Role) { return screen.Bytes(r.out), r.role() }},
	{Name: "IN", Prio: 5, Width: 4, Right: true, Value: func(r *session) float64 { return float64(r.BytesIn) },
		Cell: func(r *session) (string, themes.Role) { return screen.Bytes(float64(r.BytesIn)), r.role() }},
	{Name: "OUT", Prio: 5, Width: 4, Right: true, Value: func(r *session) float64 { return float64(r.BytesOut) },
		Cell: func(r *session) (string, themes.Role) { return screen.Bytes(float64(r.BytesOut)), r.role() }},
	{Name: "IDLE", Prio: 4, Width: 6, Right: true, Value: func(r *session) float64 { return r.IdleSeconds },
		Cell: func(r *session) (string, themes.Role) {
			if r.Ended != nil {
				return "", themes.Text
			}
			return screen.Clock(screen.Seconds(r.IdleSeconds)), r.role()
		}},
	{Name: "PING", Prio: 6, Width: 5, Right: true, Value: func(r *session) float64 { return r.PingSeconds },
		Cell: func(r *session) (string, themes.Role) {
			if r.PingSeconds == 0 {
				return "", themes.Text
			}
			return screen.Latency(r.PingSeconds), r.role()
		}},
	{Name: "ENDED", Prio: 3, Width: 12, Grow: 30, Cell: func(r *session) (string, themes.Role) { return r.ended() }},
	{Name: "ID", Prio: 7, Width: 7, Cell: func(r *session) (string, themes.Role) { return screen.Safe(r.ID), themes.TextDim }},
}

func (r *session) role() themes.Role {
	if r.Ended != nil {
		return themes.TextDim
	}
	return themes.Text
}

// subprotocol returns the negotiated WebSocket subprotocol.
func (r *session) subprotocol() string {
	if r.Ended != nil {
		return r.Ended.Subprotocol
	}
	return r.Subprotocol
}

// ended says which side ended a session, in which phase and why. A Close code comes first, so that
// a narrow column still shows it.
func (r *session) ended() (string, themes.Role) {
	e := r.Ended
	if e == nil {
		if r.Bypass {
			return "live, bypass", themes.Info
		}
		return "", themes.Text
	}
	code := ""
	if e.CloseCode != 0 {
		code = strconv.Itoa(e.CloseCode) + " "
	}
	role := themes.TextDim
	if !e.Served || e.By == proxy.ByOperator {
		role = themes.Warn
		if r.Backend != "" { // otherwise that column shows the phase
			return code + screen.Safe(e.By) + " in " + screen.Safe(e.Phase) + ": " + screen.Safe(e.Cause()), role
		}
	}
	return code + screen.Safe(e.By) + ": " + screen.Safe(e.Cause()), role
}

func (p *sessionsPane) refresh(f *frame) {
	rows := f.stats.sessions.list
	if p.show > 0 || f.view != "" {
		rows = nil
		for _, r := range f.stats.sessions.list {
			ended := r.Ended != nil
			if (p.show == 0 || ended == (p.show == 2)) && (f.view == "" || r.Service == f.view) {
				rows = append(rows, r)
			}
		}
	}
	p.table.Set(rows, f.clock())
	p.touch()
}

func (p *sessionsPane) turn(f *frame) intent {
	p.show = (p.show + 1) % len(sessionTabs)
	p.refresh(f)
	return nil
}

func (p *sessionsPane) badge(f *frame) string {
	return screen.Count(float64(totalsOf(f.stats.status).active))
}

func (p *sessionsPane) title(f *frame) string {
	return strings.TrimSpace(screen.Safe(f.view) + " " + sessionTabs[p.show])
}

// foot says how many of the rows wait: the tab counts only those that are live.
func (p *sessionsPane) foot(f *frame) string {
	text, waiting := rowsFoot(f, &p.table, "session"), 0
	for i := range p.table.Len() {
		if r := p.table.Row(i); r.Ended == nil && r.Phase == proxy.PhaseQueue {
			waiting++
		}
	}
	if waiting > 0 {
		text += fmt.Sprintf(" %c %d waiting", f.theme.Glyphs.Dot, waiting)
	}
	return text
}

func (p *sessionsPane) draw(f *frame, c *screen.Canvas, focused bool) {
	if len(p.table.Rows()) == 0 {
		drawEmpty(f, c, "No session.", "Ended sessions stay here for a while, with who ended them and why.")
		return
	}
	p.table.Draw(c, table.Look[*session]{Focused: focused, Names: c.H > 4, Ellipsis: f.theme.Glyphs.Ellipsis})
}

func (p *sessionsPane) strip(f *frame, c *screen.Canvas) int {
	n := totalsOf(f.stats.status)
	c.Text(2, 0, fmt.Sprintf("%s live, %s/s new", text.Plural(n.active, "session"), screen.Rate(f.stats.flows[""].fresh)), themes.Text)
	return 1
}

func (p *sessionsPane) need(*frame) int {
	if n := len(p.table.Rows()); n > 0 {
		return n + 1
	}
	return 0
}

func (p *sessionsPane) details(f *frame, id string) details {
	i := slices.IndexFunc(f.stats.sessions.list, func(r *session) bool { return r.ID == id })
	if i < 0 {
		return details{}
	}
	r := f.stats.sessions.list[i]
	facts := []fact{
		{"client", screen.Safe(r.Client) + " via " + r.viaText()}, {"service", screen.Safe(r.Service)}, {"backend", screen.Safe(r.Backend)},
		{"phase", screen.Safe(r.Phase)}, {"relay", screen.Safe(r.Runner)},
		{"age", screen.Clock(screen.Seconds(r.AgeSeconds)) + ", idle " + screen.Clock(screen.Seconds(r.IdleSeconds))},
		{"bytes", fmt.Sprintf("in %s (%s/s), out %s (%s/s)", screen.Bytes(float64(r.BytesIn)), screen.Bytes(r.in), screen.Bytes(float64(r.BytesOut)), screen.Bytes(r.out))},
	}
	if r.PingSeconds > 0 {
		facts = append(facts, fact{"ping", screen.Latency(r.PingSeconds) + ", the last round trip"})
	}
	if e := r.Ended; e != nil {
		if e.CloseCode != 0 {
			facts = append(facts, fact{"closed", closeText(e.CloseCode)})
		}
		facts = append(facts, fact{"ended", fmt.Sprintf("by %s in %s: %s", screen.Safe(e.By), screen.Safe(e.Phase), screen.Safe(e.Cause()))},
			fact{"waited", fmt.Sprintf("%s, connect %s, %d dials", screen.Clock(screen.Seconds(e.WaitedSeconds)), screen.Latency(e.ConnectSeconds), e.Dials)})
	}
	return details{title: "session " + screen.Safe(r.ID), facts: facts, about: about{session: r.ID}}
}

// viaText returns how a client is connected: "tls", "ws, binary".
func (r *session) viaText() string {
	if sub := r.subprotocol(); sub != "" {
		return screen.Safe(r.Via) + ", " + screen.Safe(sub)
	}
	return screen.Safe(r.Via)
}

// closeText returns a WebSocket Close code with its meaning (RFC 6455 and its registry). Codes from
// 3000 on belong to applications.
func closeText(code int) string {
	what := map[int]string{1000: "normal closure", 1001: "going away", 1002: "protocol error", 1003: "unsupported data", 1005: "no code received",
		1006: "no Close frame", 1007: "invalid data", 1008: "policy violation", 1009: "message too big", 1011: "internal error", 1012: "service restart", 1013: "try again later"}
	if text := what[code]; text != "" {
		return fmt.Sprintf("%d, %s", code, text)
	}
	return strconv.Itoa(code)
}

func (p *sessionsPane) keys() []binding {
	return []binding{{name: "kick", Binding: on("kick", "K"), help: "kick: close the client's connection", act: "kick", off: p.noSession,
		run: func(f *frame) intent { return proposeChosen(f, &p.table, "kick") }}}
}

func (p *sessionsPane) noSession(*frame) string {
	if r, ok := p.table.Current(); !ok || r.Ended != nil && p.table.Marked() == 0 {
		return "no live session under the cursor"
	}
	return ""
}
