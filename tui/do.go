package tui

import (
	"context"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// actLimit bounds one act's request. The act itself may take much longer: a
// drain answers at once and is then a live row.
const actLimit = 15 * time.Second

// actMsg is the engine's answer to an act.
type actMsg struct {
	p   *proposal
	res api.Result
	err error
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
	source, ctx := m.cfg.Source, m.ctx
	return guard(func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, actLimit)
		defer cancel()
		res, err := source.Do(ctx, req)
		return actMsg{p, res, err}
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
			delete(m.world.asked, t)
		} else if mine, ok := m.world.asked[t]; ok {
			mine.done, mine.at = true, m.clock()
			m.world.asked[t] = mine
		}
	}
	m.backendsPane().refresh(m)
	m.fetches[fetchStatus].next, m.fetches[fetchEvents].next = time.Time{}, time.Time{}
	d, open := m.overlay().(*dialog)
	open = open && d.p == a.p
	switch {
	case a.err != nil && open:
		d.busy, d.err = false, safe(errorText(a.err))
	case a.err != nil:
		m.say(refusal(a.p.act.Name+": "+errorText(a.err)), "")
	case req.DryRun:
		m.push(&detailsBox{title: "dry run: " + safe(req.CommandLine()), facts: impactFacts(a.res.Impact)})
	default:
		if open {
			m.pop()
		}
		text := strings.Join(a.res.Texts, "; ")
		if a.p.undo {
			text = "undone: " + text
		}
		if a.res.Undo != nil {
			m.undos = append(m.undos, *a.res.Undo)
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
		facts = append(facts, fact{"target", safe(i.Target)})
		for _, l := range i.Lines {
			facts = append(facts, fact{"", safe(l)})
		}
		if i.Warning != "" {
			facts = append(facts, fact{"warning", safe(i.Warning)})
		}
	}
	return facts
}

// undoLast takes the last act back that can be.
func (m *model) undoLast() tea.Cmd {
	req := m.undos[len(m.undos)-1]
	m.undos = m.undos[:len(m.undos)-1]
	p := &proposal{req: req, act: api.Lookup(req.Act), undo: true, old: m.staleFor()}
	for _, t := range req.Targets {
		p.stamps = append(p.stamps, api.Stamp(m.world.status, p.act, t))
		p.lived = append(p.lived, false)
	}
	m.judge(p)
	return m.confirm(p)
}
