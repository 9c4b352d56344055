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
		{name: "drain_here", Binding: on("drain here", "d"), help: "in the fleet (v): drain the backend on the node of the cell", act: "drain", off: p.noCell, run: p.onCell("drain")},
		{name: "ready_here", Binding: on("ready here", "u"), help: "in the fleet (v): put the backend back in service on the node of the cell", act: "ready", off: p.noCell, run: p.onCell("ready")},
		{name: "drain_all", Binding: on("drain everywhere", "D"), help: "drain a backend on every node", act: "drain", off: noOthers, run: p.onAll("drain")},
		{name: "ready_all", Binding: on("", "B"), help: "put a backend back in service on every node", act: "ready", off: noOthers, run: p.onAll("ready")},
		{name: "pause_all", Binding: on("pause everywhere", "P"), help: "pause a service on every node", act: "pause", off: noOthers, run: p.onAll("pause")},
		{name: "resume_all", Binding: on("resume", "r"), help: "resume a service on every node", act: "resume", off: noOthers, run: p.onAll("resume")},
	}
}

func (p *peersPane) noNode(*frame) string {
	if p.grid() == nil {
		return noRows
	}
	return ""
}

// noOthers says why there can be no act on every node.
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

// enter opens a node or, if that is not possible, shows its details and why.
func (p *peersPane) enter(f *frame) intent {
	if p.fleet.on {
		if node, target, ok := p.fleet.cell(f); ok {
			return gotoCell(node, target)
		}
		return refuse("this node does not have it, or does not answer")
	}
	r, ok := p.table.Current()
	switch {
	case !ok:
		return nil
	case r.peer == nil && f.away():
		return openNode{}
	case f.past != nil || r.peer == nil || f.unreachable(r.name) != "":
		return open{newDetails(p, p.table.ID(r))}
	case r.name == f.peer:
		return focusPane(paneBackends)
	}
	return openNode{node: r.name}
}

// noCell says why there can be no act on a cell.
func (p *peersPane) noCell(f *frame) string {
	if !p.fleet.on {
		return "v shows the backends of all nodes; D drains on all"
	}
	_, target, ok := p.fleet.cell(f)
	if _, backend := api.SplitTarget(target); backend == "" {
		return "the cursor is on a service"
	}
	if !ok {
		return "this node does not have it, or does not answer"
	}
	return ""
}

func (p *peersPane) onCell(act string) func(*frame) intent {
	return func(f *frame) intent {
		node, target, _ := p.fleet.cell(f)
		return actOnCell(act, node, target)
	}
}

// onAll proposes an act on every node: on the row under the cursor in the fleet, else on a target
// chosen from a list.
func (p *peersPane) onAll(act string) func(*frame) intent {
	return func(f *frame) intent {
		r, ok := p.fleet.Current()
		if !p.fleet.on || !ok {
			return everywhere(act)(f)
		}
		target := r.id
		service, backend := api.SplitTarget(target)
		switch on := api.Lookup(act).On; {
		case on == api.OnService:
			target = service
		case backend == "":
			return refuse("the cursor is on a service: a " + act + " is of one of its backends")
		}
		return propose{req: api.Request{Act: act, Targets: []string{target}}, everywhere: true}
	}
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
