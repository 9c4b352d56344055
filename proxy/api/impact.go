package api

import (
	"fmt"
	"slices"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// impactOfTaking says what taking a backend out of service means.
func impactOfTaking(how string) func(*Status, string, *Request) Impact {
	return func(s *Status, target string, r *Request) Impact {
		service, name := SplitTarget(target)
		svc, b := s.Service(service), s.Backend(target)
		if svc == nil || b == nil {
			return Impact{Warning: "there is no backend " + target}
		}
		// All targets of a request count together: the service might do without any single one.
		i := impactOn(svc, func(o proxy.BackendInfo) bool {
			return o.Eligible && o.Name != name && !slices.Contains(r.Targets, service+"/"+o.Name)
		})
		t := termsOf(how, s, target, r)
		i.add(sessionsLine(b.Active, how))
		i.limitedBy(&t, b.Active)
		if how == "restart" {
			i.add(t.maxLine())
		}
		if b.Admin == proxy.AdminReady && i.Eligible[0] > 0 && i.Eligible[1] == 0 {
			i.Warning = "no backend would take new clients"
			i.Lines = append(i.Lines, queueLine(svc))
		}
		return i.warned()
	}
}

// impactOfWeight says what weight 0 means; other weights take nothing away.
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
	t := termsOf("pause", s, target, r)
	i.add(sessionsLine(svc.Sessions.Active, "pause"))
	i.limitedBy(&t, svc.Sessions.Active)
	i.add(queueLine(svc))
	i.add(t.maxLine())
	return i.warned()
}

// impactOfResume says who would be admitted, and how fast.
func impactOfResume(s *Status, target string, r *Request) (i Impact) {
	svc, t := s.Service(target), termsOf("resume", s, target, r)
	if svc == nil {
		return Impact{Warning: "there is no service " + target}
	}
	i.add(text.Plural(svc.Queue.Waiting, "waiting client") + " admitted " + t.rateLine())
	return i
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
	t := termsOf("stop", s, "", r)
	i := Impact{Cut: active, Lines: []string{"listeners close: new clients are refused"}}
	grace := "the grace"
	if t.holds.Grace > 0 {
		grace = text.Duration(t.holds.Grace) + t.mark(paramGrace)
	}
	i.add(fmt.Sprintf("%s and %s get %s, then they are reset", text.Plural(active, "session"), text.Plural(waiting, "waiting client"), grace))
	if active+waiting > 0 {
		i.Level = LevelTyped
	}
	return i
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

// impactOn begins an impact with what all have in common: the eligible backends before
// and after.
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

// warned adds the line on the backends, and requires a stronger confirmation if the act
// would leave none, or cut live sessions.
func (i Impact) warned() Impact {
	if i.Eligible[0] != i.Eligible[1] {
		i.Lines = append(i.Lines, fmt.Sprintf("eligible backends %d/%d -> %d/%d",
			i.Eligible[0], i.Backends, i.Eligible[1], i.Backends))
	}
	if i.Cut > 0 && i.Level < LevelTyped { // otherwise the configuration decides it
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

func sessionsLine(active int, how string) string {
	sessions := text.Plural(active, "live session")
	switch {
	case active == 0:
		return "no live session"
	case how == "maint" || how == "weight":
		if active == 1 {
			return sessions + " stays until it ends by itself"
		}
		return sessions + " stay until they end by themselves"
	case active == 1:
		return sessions + " ends by itself"
	}
	return sessions + " end by themselves"
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

// impactOfPlan says how a plan continues or ends, and warns of an abort that would open
// a service too early.
func impactOfPlan(s *Status, _ string, r *Request) (i Impact) {
	p := s.Plan
	if p == nil || len(r.Args) == 0 || len(r.Args) > 1 && r.Args[1] != p.ID {
		return i
	}
	switch word := r.Args[0]; {
	case word == "next" && p.State == proxy.PlanPaused:
		i.add(fmt.Sprintf("%s of %s continues: %s", p.Kind, p.Service, nextStep(p)))
	case word == "abort" && !commandRuns(p):
		i.add(fmt.Sprintf("%s of %s ends here: its other steps are not done", p.Kind, p.Service))
	case word == "abort":
		i.Warning, i.Level = fmt.Sprintf("it is the %s of %s: %s", p.Kind, p.Owner, halfDone), LevelTyped
	}
	return i
}

// nextStep names the first step that has not begun: "step 4 of 5, restart b".
func nextStep(p *proxy.PlanInfo) string {
	for n, st := range p.Steps {
		if st.State == proxy.StepWaiting {
			return fmt.Sprintf("step %d of %d, %s", n+1, len(p.Steps), st.What)
		}
	}
	return "no step remains"
}

// impactOfRestart says what restarting a backend means for clients.
func impactOfRestart(s *Status, target string, r *Request) Impact {
	i := impactOfTaking("restart")(s, target, r)
	if svc := s.Service(func() string { name, _ := SplitTarget(target); return name }()); svc != nil && i.Warning != "" && i.Cut == 0 {
		// Clients are held, as intended: that needs no force.
		i.Warning, i.Level = "", LevelDialog
	}
	return i
}

// impactOfRoll says what a roll means for clients.
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
	t := termsOf("roll", s, target, r)
	i.limitedBy(&t, svc.Sessions.Active)
	i.add(t.maxLine())
	return i.warned()
}
