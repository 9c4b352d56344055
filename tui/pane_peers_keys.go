package tui

import (
	"fmt"
	"slices"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

func (p *peersPane) keys() []binding {
	return []binding{
		{name: "open_node", Binding: on("open", "enter"), help: "open the node: its backends, queue and events; esc returns", off: p.noNode, run: p.enter},
		{name: "drain_all", Binding: on("drain everywhere", "d"), help: "drain a backend on every node", act: "drain", off: noOthers, run: everywhere("drain")},
		{name: "ready_all", Binding: on("", "u"), help: "put a backend back in service on every node", act: "ready", off: noOthers, run: everywhere("ready")},
		{name: "pause_all", Binding: on("pause everywhere", "P"), help: "pause a service on every node", act: "pause", off: noOthers, run: everywhere("pause")},
		{name: "resume_all", Binding: on("resume", "r"), help: "resume a service on every node", act: "resume", off: noOthers, run: everywhere("resume")},
	}
}

func (p *peersPane) noNode(*frame) string {
	if p.grid() == nil {
		return noRows
	}
	return ""
}

// noOthers says why nothing can be done on every node.
func noOthers(f *frame) string {
	switch {
	case f.mesh() == nil || f.cfg.Peer == nil:
		return "this node is in no mesh"
	case !f.mesh().Secret:
		return noSecret
	case len(f.allNodes()) < 2:
		return "there are no other nodes"
	}
	return ""
}

// enter opens a node. Of one that cannot be opened it shows the details, with why.
func (p *peersPane) enter(f *frame) intent {
	r, ok := p.table.Current()
	switch {
	case !ok:
		return nil
	case r.peer == nil && f.away():
		return openNode{}
	case r.peer == nil || f.unreachable(r.name) != "":
		return open{&detailsBox{pane: p, id: p.table.ID(r)}}
	case r.name == f.peer:
		return focusPane(paneBackends)
	}
	return openNode{node: r.name}
}

// everywhere asks for the target of an act on every node.
func everywhere(act string) func(*frame) intent {
	return func(f *frame) intent {
		targets := slices.Sorted(slices.Values(f.stats.targets(api.Lookup(act))))
		if len(targets) == 0 {
			return refuse("there is nothing to " + act)
		}
		q := &picker{title: fmt.Sprintf("%s on all %d nodes", act, len(f.allNodes()))}
		for _, t := range targets {
			q.items = append(q.items, screen.Safe(t))
		}
		q.choose = func(i int) intent {
			return propose{req: api.Request{Act: act, Targets: targets[i : i+1]}, everywhere: true}
		}
		return open{q}
	}
}
