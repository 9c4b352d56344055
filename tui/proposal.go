package tui

import (
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// proposal is an act with its targets, fixed when the key was pressed: later moves of the cursor or
// of rows change nothing.
type proposal struct {
	req    api.Request
	act    *api.Act
	stamps []string // the state of each target then
	lived  []bool   // of sessions: whether it was known to be live
	named  []string // of sessions: the client, its backend, age and rate
	hidden int      // how many targets the filter hides
	level  api.Level
	impact []api.Impact
	old    time.Duration // the age of what the operator saw
	// together says why all targets at once are worse than each alone.
	together string
	undo     bool
	// whole is what is typed to confirm an act without targets: the node's name, or the service of
	// the plan.
	whole string
	// peer is the node that the act is for, "" for the console's own; everywhere means every node.
	peer       string
	everywhere bool
	nodes      []string                // the nodes for the dialog's "on", the shown one first
	also       []string                // lines about the other nodes
	each       map[string]*api.Request // of an undo on every node: the request for each
	// across means that the act is sent to one node and takes effect on all, unless the request has
	// Here set.
	across bool
}

// newProposal fixes an act and its targets. It returns an error if the act cannot be done at all.
func newProposal(f *frame, w propose) (*proposal, error) {
	act := api.Lookup(w.req.Act)
	switch {
	case act == nil:
		return nil, refusal("this engine does not offer " + screen.Safe(w.req.Act))
	case f.past != nil:
		return nil, refusal(act.Name + ": " + f.cannotAct())
	case f.cfg.ReadOnly:
		return nil, refusal(act.Name + ": this console is read-only")
	case w.gone:
		return nil, refusal("the row under the cursor has just gone: look again, then press the key again")
	}
	if err := act.Check(&w.req); err != nil {
		return nil, err
	}
	p := &proposal{req: w.req, act: act, old: f.staleFor(), peer: f.peer, everywhere: w.everywhere, whole: f.nodeName()}
	if plan := f.stats.status.Plan; act.Name == "plan" && plan != nil {
		p.whole = plan.Service
	}
	if act.On == api.OnBackend || act.On == api.OnService {
		p.nodes = f.allNodes()
	}
	if p.across = p.isAcross(f); p.across {
		p.everywhere = false // one node is enough
	}
	if err := p.dropNeedless(f); err != nil {
		return nil, err
	}
	for _, t := range p.req.Targets {
		p.stamps = append(p.stamps, api.Stamp(f.stats.status, act, t))
		_, live := f.stats.find(t)
		p.lived = append(p.lived, live)
		if act.On == api.OnSession {
			p.named = append(p.named, f.sessionText(t))
		}
		if slices.Contains(w.hidden, t) {
			p.hidden++
		}
	}
	p.judge(f)
	return p, nil
}

// isAcross reports whether all targets are of services of scope cluster.
func (p *proposal) isAcross(f *frame) bool {
	return len(p.req.Targets) > 0 && !slices.ContainsFunc(p.req.Targets, func(t string) bool { return !p.act.Across(f.stats.status, t) })
}

// onAll reports whether the act is sent to one node and takes effect on all.
func (p *proposal) onAll() bool { return p.across && !p.req.Here }

// newUndo makes the proposal that undoes an act.
func newUndo(f *frame, u undo) *proposal {
	p := &proposal{req: u.req, act: api.Lookup(u.req.Act), undo: true, old: f.staleFor(), peer: f.peer, each: u.each, everywhere: u.each != nil}
	for _, t := range u.req.Targets {
		p.stamps = append(p.stamps, api.Stamp(f.stats.status, p.act, t))
		p.lived = append(p.lived, false)
	}
	p.judge(f)
	return p
}

// proposeChosen proposes an act on the marked rows, or else on the row under the cursor.
func proposeChosen[T any](f *frame, t *table.Table[T], act string) intent {
	ids, hidden := t.Chosen()
	targets := chosenTargets(f, api.Lookup(act), ids)
	return propose{req: api.Request{Act: act, Targets: targets}, hidden: hidden, gone: t.JustGone(f.clock())}
}

// chosenTargets returns the targets of an act for the chosen rows: for an act on services, a
// backend's row stands for its service.
func chosenTargets(f *frame, act *api.Act, ids []string) (targets []string) {
	for _, id := range ids {
		service, backend := api.SplitTarget(id)
		known := f.stats.status.Service(service) != nil
		switch {
		case act.On == api.OnService && known:
			targets = append(targets, service)
		case act.On == api.OnBackend && backend != "", act.On == api.OnSession && !known && !strings.Contains(id, foreignMark):
			targets = append(targets, id)
		}
	}
	return slices.Compact(targets)
}

// confirm asks for the confirmation that the proposal's level requires.
func (m *model) confirm(p *proposal) tea.Cmd {
	switch p.level {
	case api.LevelNone:
		return m.do(p)
	case api.LevelYesNo:
		return m.carryOut(open{&yesNo{p}})
	}
	return m.carryOut(open{newDialog(&m.frame, p)})
}
