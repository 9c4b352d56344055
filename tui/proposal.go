package tui

import (
	"fmt"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

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
	// peer is the node that it is for, "" the console's own; everywhere is
	// for all that there are.
	peer       string
	everywhere bool
	nodes      []string                // whose word can be asked for: this one first
	also       []string                // what else is said of the other nodes
	each       map[string]*api.Request // what is asked of which, when it takes back what each has done
}

// propose asks for an act: at once, by a line, or in a dialog, as its level
// and its impact want. moved says that the row under the cursor had just gone.
func (m *model) propose(req api.Request, hidden []string, moved bool) tea.Cmd {
	return m.proposeOn(req, hidden, moved, false)
}

// proposeOn asks for an act here, or on every node.
func (m *model) proposeOn(req api.Request, hidden []string, moved, everywhere bool) tea.Cmd {
	act := api.Lookup(req.Act)
	switch {
	case act == nil:
		m.say(refusal("this engine does not offer "+screen.Safe(req.Act)), "")
		return nil
	case m.cfg.ReadOnly:
		m.say(refusal(act.Name+": this console is read-only"), "")
		return nil
	case moved:
		m.say(refusal("the row under the cursor has just gone: look again, then press the key again"), "")
		return nil
	}
	if err := act.Check(&req); err != nil {
		m.say(err, "")
		return nil
	}
	p := &proposal{req: req, act: act, old: m.staleFor(), peer: m.peer, everywhere: everywhere}
	if act.On == api.OnBackend || act.On == api.OnService {
		p.nodes = m.allNodes()
	}
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
func (m *model) dropNeedless(p *proposal) error {
	var left []string
	var why string
	for _, t := range p.req.Targets {
		if p.act.On == api.OnBackend && m.world.status.Backend(t) == nil || p.act.On == api.OnService && m.world.status.Service(t) == nil {
			return refusal(fmt.Sprintf("there is no %s%s", screen.Safe(t), nearest(t, m.targetsOf(p.act))))
		}
		if w := m.needless(p.act, t); w != "" && !p.everywhere {
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
func (m *model) needless(act *api.Act, target string) string {
	b, s := m.world.status.Backend(target), m.world.status.Service(target)
	switch act.Name {
	case "drain", "maint":
		if b.Admin != act.Name || b.Removing {
			return ""
		}
		if b.Drain != nil && b.Drain.Remaining > 0 {
			return fmt.Sprintf("%s of %s already running, %d left", act.Name, screen.Safe(target), b.Drain.Remaining)
		}
		return fmt.Sprintf("%s is in %s already, and empty", screen.Safe(target), act.Name)
	case "ready":
		if b.Admin == proxy.AdminReady && !b.Removing {
			return screen.Safe(target) + " is ready already"
		}
	case "remove":
		if b.Removing {
			return fmt.Sprintf("remove of %s already running, %d left", screen.Safe(target), b.Active)
		}
	case "pause":
		if p := s.Pause; p != nil && s.State != proxy.StateReleasing {
			return fmt.Sprintf("%s is paused already by %s since %s", screen.Safe(target), screen.Safe(p.Owner), m.at(p.Since))
		}
	case "resume":
		if s.Pause == nil {
			return screen.Safe(target) + " is not paused"
		}
	}
	return ""
}

// judge works out what a proposal would do, and how much it has to be asked.
func (m *model) judge(p *proposal) {
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
	p.also = nil
	if p.everywhere {
		level = max(level, api.LevelDialog)
		p.also = m.alsoOn()
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
	if p.act.Name == "plan" && len(p.req.Args) == 1 && p.req.Args[0] != "abort" {
		level = api.LevelNone // what holds a plan must not wait for an answer
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
func (m *model) together(p *proposal) string {
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
func (m *model) confirm(p *proposal) tea.Cmd {
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
func (m *model) recheck(p *proposal) string {
	for i, t := range p.req.Targets {
		switch p.act.On {
		case api.OnBackend:
			b := m.world.status.Backend(t)
			if b == nil {
				return screen.Safe(t) + " is gone"
			}
			if api.Stamp(m.world.status, p.act, t) != p.stamps[i] {
				return fmt.Sprintf("%s was changed meanwhile: it is %s now", screen.Safe(t), backendSign(b).word)
			}
		case api.OnService:
			s := m.world.status.Service(t)
			if s == nil {
				return screen.Safe(t) + " is gone"
			}
			if api.Stamp(m.world.status, p.act, t) != p.stamps[i] {
				return fmt.Sprintf("%s was changed meanwhile: it is %s now", screen.Safe(t), serviceSign(s).word)
			}
		case api.OnSession:
			if known, live := m.session(t); p.lived[i] && known && !live || p.lived[i] && !known {
				return "session " + screen.Safe(t) + " has ended"
			}
		}
	}
	return ""
}

// session looks for a live session or waiter in what the panes know.
func (m *model) session(id string) (known, live bool) {
	for _, w := range m.queuePane().table.Rows() {
		if w.ID == id {
			return true, true
		}
	}
	return m.sessionsPane().live(id)
}

// pauseOrResume does what there is to do: one key for both.
func (m *model) pauseOrResume(service string) tea.Cmd {
	act := "pause"
	if s := m.world.status.Service(service); s != nil && s.Pause != nil && s.State != proxy.StateReleasing {
		act = "resume"
	}
	return m.propose(api.Request{Act: act, Targets: []string{service}}, nil, false)
}
