package tui

import (
	"context"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// actLimit bounds one act's request. The act itself may take much longer: a
// drain answers at once and is then a live row.
const actLimit = 15 * time.Second

// actMsg is the engine's answer to an act.
type actMsg struct {
	p       *proposal
	at      *place
	res     api.Result
	answers []api.PeerAnswer // of an act on every node
	err     error
}

// do has the engine carry out a proposal.
func (m *model) do(p *proposal) tea.Cmd {
	req := p.request()
	if !req.DryRun {
		for _, t := range req.Targets {
			m.world.asked[t] = asked{act: req.Act}
		}
	}
	m.backendsPane().refresh(m)
	m.changed()
	at, ctx := m.place, m.ctx // not the place's: an act is not given up by looking away
	if p.everywhere {
		return m.doEverywhere(p, req)
	}
	return guard(func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, actLimit)
		defer cancel()
		res, err := at.source.Do(ctx, req)
		return actMsg{p: p, at: at, res: res, err: err}
	})
}

// request is the proposal as it is sent: what was typed in a dialog is the
// force that the command line asks for.
func (p *proposal) request() api.Request {
	r := p.req
	if p.level == api.LevelTyped && p.act.Takes("force") {
		r.Force = true
	}
	return r
}

func (m *model) onAct(a actMsg) tea.Cmd {
	m.changed()
	req := a.p.request()
	for _, t := range req.Targets {
		if a.err != nil {
			delete(a.at.world.asked, t)
		} else if mine, ok := a.at.world.asked[t]; ok {
			mine.done, mine.at = true, m.clock()
			if req.Act == "drain" || req.Act == "maint" {
				a.at.drains[t] = mine.at
			}
			a.at.world.asked[t] = mine
		}
	}
	m.backendsPane().refresh(m)
	m.fetches[fetchStatus].next, m.fetches[fetchEvents].next = time.Time{}, time.Time{}
	d, open := m.overlay().(*dialog)
	open = open && d.p == a.p
	switch {
	case a.err != nil && open:
		d.busy, d.err = false, screen.Safe(errorText(a.err))
	case a.err != nil:
		m.say(refusal(a.p.act.Name+a.p.on()+": "+errorText(a.err)), "")
	case a.answers != nil:
		if open {
			m.pop()
		}
		if u := undoOf(a.answers); u.each != nil {
			a.at.undos = append(a.at.undos, u)
		}
		m.showAnswers(a.p, a.answers)
	case req.DryRun:
		m.push(&detailsBox{title: "dry run: " + screen.Safe(a.p.requestLine()), facts: impactFacts(a.res.Impact)})
	default:
		if open {
			m.pop()
		}
		text := strings.Join(a.res.Texts, "; ")
		if a.p.undo {
			text = "undone: " + text
		}
		text += a.p.on()
		if a.res.Undo != nil {
			a.at.undos = append(a.at.undos, undo{req: *a.res.Undo})
		}
		if a.res.Undo != nil && a.at == m.place {
			text += "   (undo: " + m.keysOf("undo") + ")"
		}
		m.show(proxy.LevelGood, text)
	}
	return m.poll()
}

func impactFacts(all []api.Impact) (facts []fact) {
	if len(all) == 0 {
		return []fact{{"", "nothing would change that can be told beforehand"}}
	}
	for _, i := range all {
		facts = append(facts, fact{"target", screen.Safe(i.Target)})
		for _, l := range i.Lines {
			facts = append(facts, fact{"", screen.Safe(l)})
		}
		if i.Warning != "" {
			facts = append(facts, fact{"warning", screen.Safe(i.Warning)})
		}
	}
	return facts
}

// undo takes an act back; one that was done on every node, on those that did
// it, each in its own way: what was drained there may have been in maint here.
type undo struct {
	req  api.Request
	each map[string]*api.Request
}

// undoOf is what takes back what the nodes have answered.
func undoOf(answers []api.PeerAnswer) (u undo) {
	for _, a := range answers {
		if a.Error != nil || a.Result.Undo == nil {
			continue
		}
		if u.each == nil {
			u = undo{*a.Result.Undo, map[string]*api.Request{}}
		}
		u.each[a.Node] = a.Result.Undo
	}
	return u
}

// undoLast takes the last act back that can be.
func (m *model) undoLast() tea.Cmd {
	last := m.undos[len(m.undos)-1]
	m.undos = m.undos[:len(m.undos)-1]
	p := &proposal{req: last.req, act: api.Lookup(last.req.Act), undo: true, old: m.staleFor(), peer: m.peer, each: last.each, everywhere: last.each != nil}
	for _, t := range last.req.Targets {
		p.stamps = append(p.stamps, api.Stamp(m.world.status, p.act, t))
		p.lived = append(p.lived, false)
	}
	m.judge(p)
	return m.confirm(p)
}
