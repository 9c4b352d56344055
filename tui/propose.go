package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// actLimit bounds one act's request. The act itself may take much longer: a
// drain answers at once and is then a live row.
const actLimit = 15 * time.Second

// proposal is an act with its targets, fixed when the key was pressed: what
// the cursor does afterwards, and what moves under it, is none of its business.
type proposal struct {
	req    api.Request
	act    *api.Act
	stamps []string // what each target was
	lived  []bool   // of sessions: it was known to live
	hidden int      // marks that the filter hides
	level  api.Level
	impact []api.Impact
	old    time.Duration // how old what the operator saw was
	// together is why all the targets at once are worse than each.
	together string
	undo     bool
}

// undo is an act that takes the last one back, and its name.
type undo struct {
	req  api.Request
	text string
}

// chosen is what is marked, in order of the rows, or else the row under the
// cursor. hidden are those of the marks that the filter hides.
func chosen[T any](t *table[T]) (ids, hidden []string) {
	if len(t.marks) == 0 {
		if t.cur == "" {
			return nil, nil
		}
		return []string{t.cur}, nil
	}
	shown := map[string]bool{}
	for i := range t.len() {
		shown[t.idAt(i)] = true
	}
	for _, r := range t.rows {
		if id := t.id(r); t.marks[id] {
			ids = append(ids, id)
			if !shown[id] {
				hidden = append(hidden, id)
			}
		}
	}
	return ids, hidden
}

// propose asks for an act: at once, by a line, or in a dialog, as its level
// and its impact want. moved says that the row under the cursor had just gone.
func (m *Model) propose(req api.Request, hidden []string, moved bool) tea.Cmd {
	act := api.Lookup(req.Act)
	filtered := req.Service != "" || req.Backend != "" || req.Client != ""
	switch {
	case act == nil:
		m.say(refusal("this engine does not offer "+safe(req.Act)), "")
		return nil
	case m.cfg.ReadOnly:
		m.say(refusal(act.Name+": this console is read-only"), "")
		return nil
	case moved:
		m.say(refusal("the row under the cursor has just gone: look again, then press the key again"), "")
		return nil
	case act.On != api.OnNothing && len(req.Targets) == 0 && !filtered:
		m.say(refusal("usage: "+act.Use()), "")
		return nil
	}
	p := &proposal{req: req, act: act, old: m.staleFor()}
	if err := m.dropNeedless(p); err != nil {
		m.say(err, "")
		return nil
	}
	for _, t := range p.req.Targets {
		p.stamps = append(p.stamps, api.Stamp(m.world.status, act, t))
		_, live := m.session(t)
		p.lived = append(p.lived, live)
		if slices.Contains(hidden, t) {
			p.hidden++
		}
	}
	m.judge(p)
	return m.confirm(p)
}

// dropNeedless takes out targets that are what the act would make of them; it
// is an error when there is no other, or when one does not exist.
func (m *Model) dropNeedless(p *proposal) error {
	var left []string
	var why string
	for _, t := range p.req.Targets {
		if p.act.On == api.OnBackend && m.world.status.Backend(t) == nil || p.act.On == api.OnService && m.world.status.Service(t) == nil {
			return refusal(fmt.Sprintf("there is no %s%s", safe(t), nearest(t, m.targetsOf(p.act))))
		}
		if w := m.needless(p.act, t); w != "" {
			why = w
			continue
		}
		left = append(left, t)
	}
	if len(left) == 0 && why != "" {
		return refusal(why)
	}
	p.req.Targets = left
	return nil
}

// needless says why an act on a target would change nothing: a second drain
// of what drains is a mistake, and what the first one does is the answer.
func (m *Model) needless(act *api.Act, target string) string {
	b, s := m.world.status.Backend(target), m.world.status.Service(target)
	switch act.Name {
	case "drain", "maint":
		if b.Admin != act.Name || b.Removing {
			return ""
		}
		if b.Drain != nil && b.Drain.Left > 0 {
			return fmt.Sprintf("%s of %s already running, %d left", act.Name, safe(target), b.Drain.Left)
		}
		return fmt.Sprintf("%s is in %s already, and empty", safe(target), act.Name)
	case "ready":
		if b.Admin == proxy.AdminReady && !b.Removing {
			return safe(target) + " is ready already"
		}
	case "remove":
		if b.Removing {
			return fmt.Sprintf("remove of %s already running, %d left", safe(target), b.Active)
		}
	case "pause":
		if p := s.Pause; p != nil && s.State != proxy.StateReleasing {
			return fmt.Sprintf("%s is paused already by %s since %s", safe(target), safe(p.Owner), m.at(p.Since))
		}
	case "resume":
		if s.Pause == nil {
			return safe(target) + " is not paused"
		}
	}
	return ""
}

// judge works out what a proposal would do, and how much it has to be asked.
func (m *Model) judge(p *proposal) {
	p.impact = p.act.Impact(m.world.status, &p.req)
	level := p.act.Level
	for _, i := range p.impact {
		level = max(level, i.Level)
	}
	p.together = ""
	if len(p.req.Targets) > 1 && level >= api.LevelYesNo {
		level = max(level, api.LevelDialog)
		if p.together = m.together(p); p.together != "" {
			level = api.LevelTyped
		}
	}
	if p.hidden > 0 && p.act.Name != "probe" {
		level = api.LevelTyped
	}
	switch m.cfg.Confirm {
	case "always":
		if p.act.On != api.OnNothing {
			level = max(level, api.LevelYesNo)
		}
	case "less":
		if level < api.LevelTyped {
			level = max(level-1, api.LevelNone)
		}
	}
	if p.undo {
		level = api.LevelNone // it was asked for by name, and is refused when somebody came between
	}
	if p.old > 0 && p.act.On != api.OnNothing {
		level = max(level, api.LevelYesNo)
	}
	p.level = level
}

// together warns of several targets that could each be spared, but not all:
// the impact of each of them sees the others still there.
func (m *Model) together(p *proposal) string {
	if p.act.On != api.OnBackend || p.act.Level == api.LevelNone {
		return ""
	}
	for i := range m.world.status.Services {
		s := &m.world.status.Services[i]
		before, after := 0, 0
		for _, b := range s.Backends {
			if b.Eligible {
				before++
				if !slices.Contains(p.req.Targets, s.Name+"/"+b.Name) {
					after++
				}
			}
		}
		if before > 0 && after == 0 {
			return fmt.Sprintf("no backend of %s would take new clients (%d of %d now)", s.Name, before, len(s.Backends))
		}
	}
	return ""
}

// confirm asks as the level wants.
func (m *Model) confirm(p *proposal) tea.Cmd {
	switch p.level {
	case api.LevelNone:
		return m.do(p)
	case api.LevelYesNo:
		m.push(&yesNo{p})
	default:
		m.push(newDialog(p))
	}
	return nil
}

// recheck looks at the targets again, just before the act: why it must not be
// done any more, or "".
func (m *Model) recheck(p *proposal) string {
	for i, t := range p.req.Targets {
		switch p.act.On {
		case api.OnBackend:
			b := m.world.status.Backend(t)
			if b == nil {
				return safe(t) + " is gone"
			}
			if api.Stamp(m.world.status, p.act, t) != p.stamps[i] {
				return fmt.Sprintf("%s was changed meanwhile: it is %s now", safe(t), backendSign(b).word)
			}
		case api.OnService:
			s := m.world.status.Service(t)
			if s == nil {
				return safe(t) + " is gone"
			}
			if api.Stamp(m.world.status, p.act, t) != p.stamps[i] {
				return fmt.Sprintf("%s was changed meanwhile: it is %s now", safe(t), serviceSign(s).word)
			}
		case api.OnSession:
			if known, live := m.session(t); p.lived[i] && known && !live || p.lived[i] && !known {
				return "session " + safe(t) + " has ended"
			}
		}
	}
	return ""
}

// session looks for a live session or waiter in what the panes know.
func (m *Model) session(id string) (known, live bool) {
	for _, w := range m.queuePane().table.rows {
		if w.ID == id {
			return true, true
		}
	}
	return m.sessionsPane().live(id)
}

// actMsg is the engine's answer to an act.
type actMsg struct {
	p   *proposal
	res api.Result
	err error
}

// do has the engine carry out a proposal.
func (m *Model) do(p *proposal) tea.Cmd {
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

func (m *Model) onAct(a actMsg) tea.Cmd {
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
			m.undos = append(m.undos, undo{*a.res.Undo, req.Act + " " + strings.Join(req.Targets, " ")})
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
func (m *Model) undoLast() tea.Cmd {
	u := m.undos[len(m.undos)-1]
	m.undos = m.undos[:len(m.undos)-1]
	p := &proposal{req: u.req, act: api.Lookup(u.req.Act), undo: true, old: m.staleFor()}
	for _, t := range u.req.Targets {
		p.stamps = append(p.stamps, api.Stamp(m.world.status, p.act, t))
		p.lived = append(p.lived, false)
	}
	m.judge(p)
	return m.confirm(p)
}

// pauseOrResume does what there is to do: one key for both.
func (m *Model) pauseOrResume(service string) tea.Cmd {
	act := "pause"
	if s := m.world.status.Service(service); s != nil && s.Pause != nil && s.State != proxy.StateReleasing {
		act = "resume"
	}
	return m.propose(api.Request{Act: act, Targets: []string{service}}, nil, false)
}
