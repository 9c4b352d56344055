package tui

import (
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

func (p *backendsPane) keys() []binding {
	onBackends := func(act string) func(*model) tea.Cmd {
		return func(m *model) tea.Cmd { return p.act(m, act) }
	}
	return []binding{
		{name: "drain", keys: []string{"d"}, label: "drain", help: "drain: no new sessions, live ones end by themselves", act: "drain", off: p.noBackend, run: onBackends("drain")},
		{name: "ready", keys: []string{"u"}, label: "ready", help: "ready: back in service", act: "ready", off: p.noBackend, run: onBackends("ready")},
		{name: "maint", keys: []string{"m"}, label: "maint", help: "maintenance: as drain, and checks stop", act: "maint", off: p.noBackend, run: onBackends("maint")},
		{name: "restart", keys: []string{"R"}, label: "restart", help: "restart: drain, its command, checks, ready", act: "restart", off: p.noBackend, run: onBackends("restart")},
		{name: "weight", keys: []string{"w"}, help: "weight: its share of new sessions", act: "weight", off: p.noBackend, run: p.askWeight},
		{name: "pause", keys: []string{"P"}, label: "pause", help: "pause the service, or resume it", act: "pause", off: p.noService, run: func(m *model) tea.Cmd {
			r, _ := p.table.Current()
			return m.pauseOrResume(r.service.Name)
		}},
		{name: "check", keys: []string{"ctrl+r"}, help: "check the backend now", act: "probe", off: p.noBackend, run: onBackends("probe")},
	}
}

func (p *backendsPane) noService(*model) string {
	if _, ok := p.table.Current(); !ok {
		return "there is no service"
	}
	return ""
}

func (p *backendsPane) noBackend(*model) string {
	r, ok := p.table.Current()
	switch {
	case p.table.Marked() > 0:
		return ""
	case !ok:
		return "there is no backend"
	case r.backend == nil:
		return "the cursor is on a service"
	}
	return ""
}

// act asks for an act on what is marked, or else on the row under the cursor.
func (p *backendsPane) act(m *model, act string) tea.Cmd {
	targets, hidden := p.table.Chosen()
	var backends []string
	for _, t := range targets {
		if strings.Contains(t, "/") {
			backends = append(backends, t)
		}
	}
	return m.propose(api.Request{Act: act, Targets: backends}, hidden, p.table.JustGone(m.clock()))
}

func (p *backendsPane) askWeight(m *model) tea.Cmd {
	r, ok := p.table.Current()
	if !ok || r.backend == nil {
		return nil
	}
	target, moved := r.target, p.table.JustGone(m.clock())
	return m.ask("weight of "+screen.Safe(target)+": ", strconv.Itoa(r.backend.Weight), func(m *model, s string) tea.Cmd {
		return m.propose(api.Request{Act: "weight", Targets: []string{target}, Args: []string{s}}, nil, moved)
	})
}
