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

// actLimit is the timeout of an act's request. The act itself may take much longer: a drain answers
// at once, and its row then shows its progress.
const actLimit = 15 * time.Second

// actMsg is the engine's answer to an act.
type actMsg struct {
	p         *proposal
	workspace *workspace
	res       api.Result
	answers   []api.PeerAnswer // of an act on every node
	err       error
}

// do sends a proposal to the engine.
func (m *model) do(p *proposal) tea.Cmd {
	if p.everywhere && m.cfg.Peer == nil {
		m.message.say(refusal("this node is in no mesh"))
		return nil
	}
	req := p.request()
	if !req.DryRun {
		for _, t := range req.Targets {
			m.stats.pending[t] = pending{act: req.Act}
		}
		m.message.show(proxy.LevelInfo, strings.TrimSuffix(p.question(), "?")+": not answered yet")
	}
	m.backends.refresh(&m.frame)
	m.changed()
	at, ctx, source := m.workspace, m.ctx, m.source // not the workspace's context: an act continues after that is closed
	ask := func(ctx context.Context) actMsg {
		res, err := source.Do(ctx, req)
		return actMsg{res: res, err: err}
	}
	if p.everywhere {
		ask = askEach(m.home.source, m.cfg.Peer, p, req)
	}
	return guard(func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, actLimit)
		defer cancel()
		answer := ask(ctx)
		answer.p, answer.workspace = p, at
		return answer
	})
}

// request returns the request to send: a name typed in a dialog corresponds to --force on the
// command line.
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
	a.settle(req, m.clock())
	if a.err == nil && !req.DryRun {
		a.workspace.followActs(&a, req, m.clock())
	}
	m.backends.refresh(&m.frame)
	m.fetches[fetchStatus].next, m.fetches[fetchEvents].next = time.Time{}, time.Time{}
	d, open := m.overlay().(*dialog)
	open = open && d.p == a.p
	if a.err == nil && open && !req.DryRun {
		m.pop()
	}
	switch {
	case a.err != nil && open:
		d.busy, d.err = false, screen.Safe(errorText(a.err))
		m.message.dismiss() // it says that there is no answer
	case a.err != nil:
		what := a.p.act.Name + a.p.on()
		if a.p.undo {
			what = "not undone"
		}
		m.message.say(refusal(what + ": " + errorText(a.err)))
	case a.answers != nil:
		m.showAnswers(a)
	case req.DryRun:
		m.over = append(m.over, factsBox("dry run: "+screen.Safe(a.p.requestLine()), impactFacts(a.res.Impact)))
	default:
		text := strings.Join(a.res.Texts, "; ")
		if a.p.undo {
			text = "undone: " + text
		}
		if !a.p.onAll() { // otherwise its text already says so
			text += a.p.on()
		}
		if a.res.Undo != nil {
			a.workspace.undos = append(a.workspace.undos, undo{req: *a.res.Undo})
			if a.workspace == m.workspace {
				text += m.undoHint()
			}
		}
		m.message.show(proxy.LevelGood, text)
	}
	return m.poll()
}

// settle updates the targets' pending acts: done, so that a later status will show it, or refused.
func (a *actMsg) settle(req api.Request, now time.Time) {
	for _, t := range req.Targets {
		if a.err != nil {
			delete(a.workspace.stats.pending, t)
		} else if asked, ok := a.workspace.stats.pending[t]; ok {
			asked.done, asked.at = true, now
			a.workspace.stats.pending[t] = asked
		}
	}
}

func (w *workspace) undoHint() string { return "   (undo: " + w.keyOf("undo", "") + ")" }

func impactFacts(all []api.Impact) (facts []fact) {
	if len(all) == 0 {
		return []fact{{"", "no change that can be told in advance"}}
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

// undo is what undoes an act. For an act on every node it has a request for each node that did it:
// what was ready on one may have been in maint on another.
type undo struct {
	req  api.Request
	each map[string]*api.Request
}

// undoOf returns what undoes the acts that the nodes have carried out.
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

// undoLast undoes the last act that can be undone.
func (m *model) undoLast() tea.Cmd {
	last := m.undos[len(m.undos)-1]
	m.undos = m.undos[:len(m.undos)-1]
	return m.confirm(newUndo(&m.frame, last))
}
