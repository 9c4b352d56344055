package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// sessionsPane is the live sessions, and for a while those that ended: by
// whom, in which phase and why.
type sessionsPane struct {
	versioned
	table table.Table[*sessionRow]
	all   []*sessionRow
	show  int // which tab: all, live, ended

	before map[string]bytesAt // for the rates
}

var sessionTabs = []string{"all", "live", "ended"}

type sessionRow struct {
	proxy.SessionInfo
	in, out float64 // bytes a second
}

// bytesAt is a session's counters at one moment, and the rates until then.
type bytesAt struct {
	at            time.Time
	in, out       int64
	inSec, outSec float64
}

func (p *sessionsPane) name() string { return "Sessions" }
func (p *sessionsPane) grid() grid   { return &p.table }

func (p *sessionsPane) bind(m *model) {
	p.before = map[string]bytesAt{}
	p.table = table.Table[*sessionRow]{Columns: sessionColumns, ID: func(r *sessionRow) string { return r.ID }}
}

var sessionColumns = []screen.Column[*sessionRow]{
	{Name: "CLIENT", Ends: true, Prio: 1, Width: 18, Grow: 8, Fixed: true, Cell: func(r *sessionRow) (string, themes.Role) { return screen.Safe(r.Client), r.role() }},
	{Name: "SERVICE", Ends: true, Prio: 3, Width: 9, Grow: 3, Cell: func(r *sessionRow) (string, themes.Role) { return screen.Safe(r.Service), r.role() }},
	{Name: "BACKEND", Ends: true, Prio: 2, Width: 8, Grow: 4, Cell: func(r *sessionRow) (string, themes.Role) {
		if r.Backend == "" {
			return "(" + screen.Safe(r.Phase) + ")", themes.Warn
		}
		return screen.Safe(r.Backend), r.role()
	}},
	{Name: "VIA", Prio: 4, Width: 3, Cell: func(r *sessionRow) (string, themes.Role) { return screen.Safe(r.Via), r.role() }},
	{Name: "PROTOCOL", Prio: 6, Width: 8, Grow: 4, Cell: func(r *sessionRow) (string, themes.Role) { return screen.Safe(r.subprotocol()), r.role() }},
	{Name: "AGE", Prio: 1, Width: 6, Right: true, Value: func(r *sessionRow) float64 { return r.AgeSeconds },
		Cell: func(r *sessionRow) (string, themes.Role) { return screen.Clock(screen.Seconds(r.AgeSeconds)), r.role() }},
	{Name: "IN/s", Prio: 2, Width: 4, Right: true, Value: func(r *sessionRow) float64 { return r.in },
		Cell: func(r *sessionRow) (string, themes.Role) { return screen.Bytes(r.in), r.role() }},
	{Name: "OUT/s", Prio: 2, Width: 5, Right: true, Value: func(r *sessionRow) float64 { return r.out },
		Cell: func(r *sessionRow) (string, themes.Role) { return screen.Bytes(r.out), r.role() }},
	{Name: "IN", Prio: 5, Width: 4, Right: true, Value: func(r *sessionRow) float64 { return float64(r.BytesIn) },
		Cell: func(r *sessionRow) (string, themes.Role) { return screen.Bytes(float64(r.BytesIn)), r.role() }},
	{Name: "OUT", Prio: 5, Width: 4, Right: true, Value: func(r *sessionRow) float64 { return float64(r.BytesOut) },
		Cell: func(r *sessionRow) (string, themes.Role) { return screen.Bytes(float64(r.BytesOut)), r.role() }},
	{Name: "IDLE", Prio: 4, Width: 5, Right: true, Value: func(r *sessionRow) float64 { return r.IdleSeconds },
		Cell: func(r *sessionRow) (string, themes.Role) {
			if r.Ended != nil {
				return "", themes.Text
			}
			return screen.Clock(screen.Seconds(r.IdleSeconds)), r.role()
		}},
	{Name: "PING", Prio: 6, Width: 5, Right: true, Value: func(r *sessionRow) float64 { return r.PingSeconds },
		Cell: func(r *sessionRow) (string, themes.Role) {
			if r.PingSeconds == 0 {
				return "", themes.Text
			}
			return screen.Latency(r.PingSeconds), r.role()
		}},
	{Name: "ENDED", Prio: 3, Width: 12, Grow: 30, Cell: func(r *sessionRow) (string, themes.Role) { return r.ended() }},
	{Name: "ID", Prio: 7, Width: 7, Cell: func(r *sessionRow) (string, themes.Role) { return screen.Safe(r.ID), themes.TextDim }},
}

func (r *sessionRow) role() themes.Role {
	if r.Ended != nil {
		return themes.TextDim
	}
	return themes.Text
}

// subprotocol is what a WebSocket client and we have agreed on.
func (r *sessionRow) subprotocol() string {
	if r.Ended != nil {
		return r.Ended.Subprotocol
	}
	return r.Subprotocol
}

// ended says who ended a session, in which phase and why. A Close code comes
// first: it is what is left where the column is narrow.
func (r *sessionRow) ended() (string, themes.Role) {
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
		if r.Backend != "" { // else the phase stands in its place
			return code + screen.Safe(e.By) + " in " + screen.Safe(e.Phase) + ": " + screen.Safe(e.Cause()), role
		}
	}
	return code + screen.Safe(e.By) + ": " + screen.Safe(e.Cause()), role
}

// take brings the list; rates are subtractions of the one before.
func (p *sessionsPane) take(m *model, list []proxy.SessionInfo, at time.Time) {
	if len(list)+len(p.all) == 0 {
		return
	}
	rows := make([]*sessionRow, len(list))
	now := make(map[string]bytesAt, len(list))
	for i := range list {
		r := &sessionRow{SessionInfo: list[i]}
		rows[i] = r
		if r.Ended != nil {
			continue
		}
		was, known := p.before[r.ID]
		switch dt := at.Sub(was.at).Seconds(); {
		case !known:
			was = bytesAt{at: at, in: r.BytesIn, out: r.BytesOut}
		case dt >= rateSpan.Seconds()*0.9:
			was = bytesAt{at, r.BytesIn, r.BytesOut, max(float64(r.BytesIn-was.in), 0) / dt, max(float64(r.BytesOut-was.out), 0) / dt}
		}
		r.in, r.out = was.inSec, was.outSec
		now[r.ID] = was
	}
	slices.SortStableFunc(rows, inOrderOfAge)
	p.all, p.before = rows, now
	p.refresh(m)
	m.changed()
}

// inOrderOfAge puts the live before the ended, and the oldest of them first:
// those that come are added below, and move nobody. Of the ended the newest is
// first.
func inOrderOfAge(a, b *sessionRow) int {
	switch {
	case a.Ended == nil && b.Ended == nil:
		return cmp.Or(cmp.Compare(b.AgeSeconds, a.AgeSeconds), cmp.Compare(a.ID, b.ID))
	case a.Ended == nil:
		return -1
	case b.Ended == nil:
		return 1
	}
	return cmp.Or(b.Ended.Ended.Compare(a.Ended.Ended), cmp.Compare(a.ID, b.ID))
}

func (p *sessionsPane) refresh(m *model) {
	rows := p.all
	if p.show > 0 || m.view != "" {
		rows = nil
		for _, r := range p.all {
			ended := r.Ended != nil
			if (p.show == 0 || ended == (p.show == 2)) && (m.view == "" || r.Service == m.view) {
				rows = append(rows, r)
			}
		}
	}
	p.table.Set(rows, m.clock())
	p.touch()
}

// live reports whether a session is known to live.
func (p *sessionsPane) live(id string) (known, live bool) {
	for _, r := range p.all {
		if r.ID == id {
			return true, r.Ended == nil
		}
	}
	return false, false
}

func (p *sessionsPane) turn(m *model) {
	p.show = (p.show + 1) % len(sessionTabs)
	p.refresh(m)
}

func (p *sessionsPane) badge(m *model) string {
	return screen.Count(float64(count(m.world.status).active))
}

func (p *sessionsPane) title(m *model) string {
	return strings.TrimSpace(screen.Safe(m.view) + " " + sessionTabs[p.show])
}

func (p *sessionsPane) foot(m *model) string { return rowsFoot(m, &p.table, "session") }

func (p *sessionsPane) draw(m *model, c *screen.Canvas, focused bool) {
	if len(p.table.Rows()) == 0 {
		emptyText(c, m, "No session.", "Those that end stay here for a while, with who ended them and why.")
		return
	}
	p.table.Draw(c, table.Look[*sessionRow]{Focused: focused, Names: c.H > 4, Ellipsis: m.theme.Glyphs.Ellipsis})
}

func (p *sessionsPane) strip(m *model, c *screen.Canvas) int {
	n := count(m.world.status)
	c.Text(2, 0, fmt.Sprintf("%s live, %s/s new", screen.Plural(n.active, "session"), screen.Rate(m.world.flows[""].fresh)), themes.Text)
	return 1
}

func (p *sessionsPane) details() (string, []fact) {
	r, ok := p.table.Current()
	if !ok {
		return "", nil
	}
	facts := []fact{
		{"client", screen.Safe(r.Client) + " via " + r.viaText()}, {"service", screen.Safe(r.Service)}, {"backend", screen.Safe(r.Backend)},
		{"phase", screen.Safe(r.Phase)}, {"relay", screen.Safe(r.Runner)},
		{"age", screen.Clock(screen.Seconds(r.AgeSeconds)) + ", idle " + screen.Clock(screen.Seconds(r.IdleSeconds))},
		{"bytes", fmt.Sprintf("in %s (%s/s), out %s (%s/s)", screen.Bytes(float64(r.BytesIn)), screen.Bytes(r.in), screen.Bytes(float64(r.BytesOut)), screen.Bytes(r.out))},
	}
	if r.PingSeconds > 0 {
		facts = append(facts, fact{"ping", screen.Latency(r.PingSeconds) + " there and back, the last time"})
	}
	if e := r.Ended; e != nil {
		if e.CloseCode != 0 {
			facts = append(facts, fact{"closed", closeText(e.CloseCode)})
		}
		facts = append(facts, fact{"ended", fmt.Sprintf("by %s in %s: %s", screen.Safe(e.By), screen.Safe(e.Phase), screen.Safe(e.Cause()))},
			fact{"waited", fmt.Sprintf("%s, connect %s, %d dials", screen.Clock(screen.Seconds(e.WaitedSeconds)), screen.Latency(e.ConnectSeconds), e.Dials)})
	}
	return "session " + screen.Safe(r.ID), facts
}

// viaText is how a client speaks: "tls", "ws, binary".
func (r *sessionRow) viaText() string {
	if sub := r.subprotocol(); sub != "" {
		return screen.Safe(r.Via) + ", " + screen.Safe(sub)
	}
	return screen.Safe(r.Via)
}

// closeText says what a WebSocket Close code means. Those from 3000 on are the
// programs' own.
func closeText(code int) string {
	what := map[int]string{1000: "normal", 1001: "going away", 1002: "protocol error", 1003: "data it cannot take", 1005: "no code",
		1006: "without a Close frame", 1007: "not UTF-8", 1008: "policy", 1009: "too big", 1011: "trouble behind it", 1012: "restart", 1013: "try again later"}
	if text := what[code]; text != "" {
		return fmt.Sprintf("%d, %s", code, text)
	}
	return strconv.Itoa(code)
}

func (p *sessionsPane) keys() []binding {
	return []binding{{name: "kick", keys: []string{"K"}, label: "kick", help: "kick: close the client's connection", act: "kick",
		off: func(*model) string {
			if r, ok := p.table.Current(); !ok || r.Ended != nil && p.table.Marked() == 0 {
				return "no live session under the cursor"
			}
			return ""
		},
		run: func(m *model) tea.Cmd {
			targets, hidden := p.table.Chosen()
			return m.propose(api.Request{Act: "kick", Targets: targets}, hidden, p.table.JustGone(m.clock()))
		}}}
}
