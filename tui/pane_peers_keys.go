package tui

import (
	"fmt"
	"slices"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

func (p *peersPane) keys() []binding {
	return []binding{
		{name: "visit", keys: []string{"enter"}, label: "look inside", help: "look into the node: its backends, queue and events; esc comes back", off: noRows, run: p.enter},
		{name: "drain_all", keys: []string{"d"}, label: "drain everywhere", help: "drain a backend on every node", act: "drain", off: noOthers, run: p.everywhere("drain")},
		{name: "ready_all", keys: []string{"u"}, help: "ready: a backend back in service on every node", act: "ready", off: noOthers, run: p.everywhere("ready")},
		{name: "pause_all", keys: []string{"P"}, label: "pause everywhere", help: "pause a service on every node", act: "pause", off: noOthers, run: p.everywhere("pause")},
		{name: "resume_all", keys: []string{"r"}, label: "resume", help: "resume a service on every node", act: "resume", off: noOthers, run: p.everywhere("resume")},
	}
}

// noOthers says why nothing can be done on every node.
func noOthers(m *model) string {
	switch {
	case m.mesh() == nil || m.cfg.Peer == nil:
		return "this node is in no mesh"
	case !m.mesh().Secret:
		return noSecret
	case len(m.allNodes()) < 2:
		return "there are no other nodes"
	}
	return ""
}

// enter looks into a node; of one that cannot be looked into it shows what is
// known, and why.
func (p *peersPane) enter(m *model) tea.Cmd {
	r, ok := p.table.Current()
	switch {
	case !ok:
		return nil
	case r.peer == nil && m.away():
		return m.goHome()
	case r.peer == nil || m.unreachable(r.name) != "":
		return showDetails(m)
	case r.name == m.peer:
		return m.focusOn(paneBackends)
	}
	return m.visit(r.name, nil)
}

// everywhere asks what an act on every node is to be done to.
func (p *peersPane) everywhere(act string) func(*model) tea.Cmd {
	return func(m *model) tea.Cmd {
		targets := slices.Sorted(slices.Values(m.targetsOf(api.Lookup(act))))
		if len(targets) == 0 {
			m.say(refusal("there is nothing to "+act), "")
			return nil
		}
		q := &picker{title: fmt.Sprintf("%s on all %d nodes", act, len(m.allNodes()))}
		for _, t := range targets {
			q.items = append(q.items, screen.Safe(t))
		}
		q.choose = func(m *model, i int) tea.Cmd {
			return m.proposeOn(api.Request{Act: act, Targets: targets[i : i+1]}, nil, false, true)
		}
		m.push(q)
		return nil
	}
}
