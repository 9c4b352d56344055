package tui

import (
	"fmt"
	"slices"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// dropNeedless drops the targets that the act would not change. It returns an error if none
// remains, or if one does not exist.
func (p *proposal) dropNeedless(f *frame) error {
	var targets []string
	var why string
	for _, t := range p.req.Targets {
		if p.act.On == api.OnBackend && f.stats.status.Backend(t) == nil || p.act.On == api.OnService && f.stats.status.Service(t) == nil {
			if p.everywhere && f.own.fleet.has(t) {
				targets = append(targets, t) // another node has it
				continue
			}
			return refusal(fmt.Sprintf("there is no %s%s", screen.Safe(t), text.DidYouMean(t, f.stats.targets(p.act))))
		}
		if w := needless(f, p.act, t); w != "" && !p.everywhere {
			why = w
			continue
		}
		targets = append(targets, t)
	}
	if len(targets) == 0 && why != "" {
		return refusal(why)
	}
	p.req.Targets = targets
	return nil
}

// needless says why an act on a target would change nothing: for a backend that already drains,
// with the progress of that drain.
func needless(f *frame, act *api.Act, target string) string {
	b, s := f.stats.status.Backend(target), f.stats.status.Service(target)
	switch act.Name {
	case "drain", "maint":
		if b.Admin != act.Name || b.Removing {
			return ""
		}
		if b.Drain != nil && b.Drain.Remaining > 0 {
			return fmt.Sprintf("%s of %s already running, %d remaining", act.Name, screen.Safe(target), b.Drain.Remaining)
		}
		return fmt.Sprintf("%s is already in %s, with no sessions", screen.Safe(target), act.Name)
	case "ready":
		if b.Admin == proxy.AdminReady && !b.Removing {
			return screen.Safe(target) + " is already ready"
		}
	case "remove":
		if b.Removing {
			return fmt.Sprintf("remove of %s already running, %d remaining", screen.Safe(target), b.Active)
		}
	case "pause":
		if p := s.Pause; p != nil && s.State != proxy.StateReleasing {
			return fmt.Sprintf("%s is already paused by %s since %s", screen.Safe(target), screen.Safe(p.Owner), f.timeOf(p.Since))
		}
	case "resume":
		if s.Pause == nil {
			return screen.Safe(target) + " is not paused"
		}
	}
	return ""
}

// judge computes a proposal's impact, and how it must be confirmed.
func (p *proposal) judge(f *frame) {
	p.impact = p.act.Impact(f.stats.status, &p.req)
	level := p.act.Level
	for _, i := range p.impact {
		level = max(level, i.Level)
	}
	p.together = ""
	if len(p.req.Targets) > 1 && level >= api.LevelYesNo {
		level = max(level, api.LevelDialog)
		if p.together = p.allTogether(f); p.together != "" {
			level = api.LevelTyped
		}
	}
	if p.hidden > 0 && p.act.Name != "probe" {
		level = api.LevelTyped
	}
	p.also = nil
	if p.everywhere {
		level = max(level, api.LevelDialog)
		p.also = f.alsoOn()
	}
	if p.onAll() {
		if level >= api.LevelYesNo {
			level = max(level, api.LevelDialog)
		}
		p.also = f.acrossOn(p.req.Targets)
	}
	switch f.cfg.Confirm {
	case "always":
		if p.act.On != api.OnNothing {
			level = max(level, api.LevelYesNo)
		}
	case "less":
		if level < api.LevelTyped {
			level = max(level-1, api.LevelNone)
		}
	}
	if p.act.Name == "plan" && len(p.req.Args) == 1 && p.req.Args[0] == "pause" {
		level = api.LevelNone // pausing a plan must not wait for a confirmation
	}
	if p.undo {
		level = api.LevelNone // the operator asked for this undo, and it is refused if the target has changed since
	}
	if p.old > 0 && p.act.On != api.OnNothing {
		level = max(level, api.LevelYesNo)
	}
	p.level = level
}

// allTogether warns if each target can be spared but not all at once: the impact of each is
// computed with the others still in service.
func (p *proposal) allTogether(f *frame) string {
	if p.act.On != api.OnBackend || p.act.Level == api.LevelNone {
		return ""
	}
	for i := range f.stats.status.Services {
		s := &f.stats.status.Services[i]
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

// recheck checks the targets again just before the act, and says why it must not be done any more,
// or "".
func (p *proposal) recheck(f *frame) string {
	for i, t := range p.req.Targets {
		switch p.act.On {
		case api.OnBackend, api.OnService:
			var is sign
			b, s := f.stats.status.Backend(t), f.stats.status.Service(t)
			switch {
			case b != nil:
				is = backendSign(b)
			case s != nil:
				is = serviceSign(s)
			case p.stamps[i] == "":
				continue // only other nodes have it
			default:
				return screen.Safe(t) + " is gone"
			}
			if api.Stamp(f.stats.status, p.act, t) != p.stamps[i] {
				return fmt.Sprintf("%s was changed meanwhile: it is now %s", screen.Safe(t), is.word)
			}
		case api.OnSession:
			if known, live := f.stats.find(t); p.lived[i] && known && !live || p.lived[i] && !known {
				return "session " + screen.Safe(t) + " has ended"
			}
		}
	}
	return ""
}
