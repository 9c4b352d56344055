package api

import (
	"fmt"
	"slices"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// impactOfTaking says what it costs to take a backend out of service.
func impactOfTaking(how string) func(*Status, string, *Request) Impact {
	return func(s *Status, target string, r *Request) Impact {
		service, name := SplitTarget(target)
		svc, b := s.Service(service), s.Backend(target)
		if svc == nil || b == nil {
			return Impact{Warning: "there is no backend " + target}
		}
		// All targets of one request go together: each alone could be spared.
		i := impactOn(svc, func(o proxy.BackendInfo) bool {
			return o.Eligible && o.Name != name && !slices.Contains(r.Targets, service+"/"+o.Name)
		})
		i.Lines = append(i.Lines, sessionsLine(b.Active, how, r))
		if r.Then == proxy.ThenCut {
			i.Cut = b.Active
		}
		if b.Admin == proxy.AdminReady && i.Eligible[0] > 0 && i.Eligible[1] == 0 {
			i.Warning = "no backend would take new clients"
			i.Lines = append(i.Lines, queueLine(svc))
		}
		return i.warned()
	}
}

// impactOfWeight says what 0 costs; another weight takes nothing away.
func impactOfWeight(s *Status, target string, r *Request) Impact {
	if n, err := weightOf(r.Args); err != nil || n > 0 {
		return Impact{}
	}
	return impactOfTaking("weight")(s, target, r)
}

// impactOfPause says what a pause would hold.
func impactOfPause(s *Status, target string, r *Request) Impact {
	svc := s.Service(target)
	if svc == nil {
		return Impact{Warning: "there is no service " + target}
	}
	i := impactOn(svc, func(o proxy.BackendInfo) bool { return o.Eligible })
	i.Lines = append(i.Lines,
		sessionsLine(svc.Sessions.Active, "pause", r),
		fmt.Sprintf("new clients wait in the queue, %s", queueRoom(svc)))
	if r.Then == proxy.ThenCut {
		i.Cut = svc.Sessions.Active
	}
	return i.warned()
}

func impactOfClose(s *Status, target string, r *Request) Impact {
	svc := s.Service(target)
	if svc == nil {
		return Impact{Warning: "there is no service " + target}
	}
	i := impactOn(svc, func(o proxy.BackendInfo) bool { return o.Eligible })
	i.Lines = append(i.Lines,
		"new clients are refused",
		fmt.Sprintf("%s and %s continue", text.Plural(svc.Sessions.Active, "session"), text.Plural(svc.Queue.Waiting, "waiting client")))
	return i
}

func impactOfStop(s *Status, _ string, r *Request) Impact {
	active, waiting := s.clients()
	return Impact{Cut: active, Lines: []string{fmt.Sprintf("%s and %s may end within the grace, then they are reset",
		text.Plural(active, "session"), text.Plural(waiting, "waiting client"))}}
}

func impactOfUpgrade(s *Status, _ string, r *Request) Impact {
	active, waiting := s.clients()
	return Impact{Lines: []string{fmt.Sprintf("%s and %s stay with this process until they end; new clients go to the new one",
		text.Plural(active, "session"), text.Plural(waiting, "waiting client"))}}
}

// clients counts live sessions and waiting clients of all services.
func (s *Status) clients() (active, waiting int) {
	for _, svc := range s.Services {
		active += svc.Sessions.Active
		waiting += svc.Queue.Waiting
	}
	return active, waiting
}

func impactOfKick(s *Status, target string, r *Request) Impact {
	return Impact{Lines: []string{"its client sees a reset"}, Cut: 1}
}

// impactOn begins an impact with what all of them have: the eligible backends
// before and after.
func impactOn(svc *proxy.ServiceInfo, after func(proxy.BackendInfo) bool) Impact {
	i := Impact{Backends: len(svc.Backends)}
	for _, b := range svc.Backends {
		if b.Eligible {
			i.Eligible[0]++
		}
		if after(b) {
			i.Eligible[1]++
		}
	}
	return i
}

// warned adds the line on the backends, and raises the confirmation where
// the act would leave none, or cut live sessions.
func (i Impact) warned() Impact {
	if i.Eligible[0] != i.Eligible[1] {
		i.Lines = append(i.Lines, fmt.Sprintf("eligible backends %d/%d -> %d/%d",
			i.Eligible[0], i.Backends, i.Eligible[1], i.Backends))
	}
	if i.Cut > 0 {
		if i.Warning != "" {
			i.Warning += ", and "
		}
		i.Warning += fmt.Sprintf("%s would be cut at the limit", text.Plural(i.Cut, "live session"))
	}
	if i.Warning != "" {
		i.Level = LevelTyped
	}
	return i
}

func sessionsLine(active int, how string, r *Request) string {
	sessions := text.Plural(active, "live session")
	limit := ""
	if r.Limit > 0 {
		limit = " within " + text.Duration(r.Limit)
	}
	switch {
	case active == 0:
		return "no live session"
	case how == "maint" || how == "weight":
		if active == 1 {
			return sessions + " stays until it ends by itself"
		}
		return sessions + " stay until they end by themselves"
	case r.Then == proxy.ThenCut:
		return sessions + " may end" + limit + ", the remaining are cut"
	case active == 1:
		return sessions + " ends by itself" + limit
	default:
		return sessions + " end by themselves" + limit
	}
}

func queueLine(svc *proxy.ServiceInfo) string {
	return "new clients wait in the queue, " + queueRoom(svc)
}

func queueRoom(svc *proxy.ServiceInfo) string {
	if svc.Queue.Max == 0 {
		return fmt.Sprintf("which has %d and no limit", svc.Queue.Waiting)
	}
	return fmt.Sprintf("which has %d and takes %d", svc.Queue.Waiting, svc.Queue.Max)
}

// impactOfPlan warns of an abort that would open a service too early.
func impactOfPlan(s *Status, _ string, r *Request) (i Impact) {
	named := func(id string) bool { return len(r.Args) < 2 || r.Args[1] == id }
	if p := s.Plan; p != nil && len(r.Args) > 0 && r.Args[0] == "abort" && named(p.ID) && commandRuns(p) {
		i.Warning, i.Level = fmt.Sprintf("it is the %s of %s: %s", p.Kind, p.Owner, halfDone), LevelTyped
	}
	return i
}

// impactOfRestart says what the restart of a backend means to clients.
func impactOfRestart(s *Status, target string, r *Request) Impact {
	i := impactOfTaking("restart")(s, target, r)
	if svc := s.Service(func() string { name, _ := SplitTarget(target); return name }()); svc != nil && i.Warning != "" && i.Cut == 0 {
		// Clients are held, as is meant: that is no reason for force.
		i.Warning, i.Level = "", LevelDialog
	}
	return i
}

// impactOfRoll says what a roll means to clients.
func impactOfRoll(s *Status, target string, r *Request) Impact {
	svc := s.Service(target)
	if svc == nil {
		return Impact{Warning: "there is no service " + target}
	}
	i := Impact{Backends: len(svc.Backends), Lines: []string{
		fmt.Sprintf("%s restart one after another, %s move on or wait", text.Plural(len(svc.Backends), "backend"), text.Plural(svc.Sessions.Active, "session"))}}
	if len(svc.Backends) < 2 {
		i.Lines = append(i.Lines, queueLine(svc))
	}
	if r.Then == proxy.ThenCut {
		i.Cut = svc.Sessions.Active
	}
	return i.warned()
}
