package api

import (
	"fmt"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// impactOfTaking tells what it costs to take a backend out of service.
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
		return i.judged()
	}
}

// impactOfWeight tells what 0 costs; another weight takes nothing away.
func impactOfWeight(s *Status, target string, r *Request) Impact {
	if n, err := weightOf(r.Args); err != nil || n > 0 {
		return Impact{}
	}
	return impactOfTaking("weight")(s, target, r)
}

// impactOfPause tells what a pause would hold.
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
	return i.judged()
}

func impactOfClose(s *Status, target string, r *Request) Impact {
	svc := s.Service(target)
	if svc == nil {
		return Impact{Warning: "there is no service " + target}
	}
	i := impactOn(svc, func(o proxy.BackendInfo) bool { return o.Eligible })
	i.Lines = append(i.Lines,
		"new clients are refused",
		fmt.Sprintf("%s and %s go on", text.Plural(svc.Sessions.Active, "session"), text.Plural(svc.Queue.Waiting, "waiting client")))
	return i
}

func impactOfStop(s *Status, _ string, r *Request) Impact {
	active, waiting := everybody(s)
	return Impact{Cut: active, Lines: []string{fmt.Sprintf("%s and %s get the grace, then they are reset",
		text.Plural(active, "session"), text.Plural(waiting, "waiting client"))}}
}

func impactOfUpgrade(s *Status, _ string, r *Request) Impact {
	active, waiting := everybody(s)
	return Impact{Lines: []string{fmt.Sprintf("%s and %s stay with this process until they end; new clients go to the new one",
		text.Plural(active, "session"), text.Plural(waiting, "waiting client"))}}
}

// everybody counts those who are there.
func everybody(s *Status) (active, waiting int) {
	for _, svc := range s.Services {
		active += svc.Sessions.Active
		waiting += svc.Queue.Waiting
	}
	return active, waiting
}

func impactOfKick(s *Status, target string, r *Request) Impact {
	return Impact{Lines: []string{"its client sees a reset"}, Cut: 1}
}

// impactOn begins an impact with what all of them tell: the eligible backends
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

// judged adds the line on the backends, and raises the confirmation where
// the act would leave none, or cut live sessions.
func (i Impact) judged() Impact {
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
		return sessions + " may end" + limit + ", what is left is cut"
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

// drainProgress follows a drain or maint until no session is left.
func drainProgress(s *Status, target string, r *Request) Progress {
	b := s.Backend(target)
	switch {
	case b == nil:
		return Progress{Done: true, Failed: true, Text: target + " is gone"}
	case b.Admin == proxy.AdminReady:
		return Progress{Done: true, Failed: true, TimedOut: r.Limit > 0, Text: "drain limit passed: " + target + " is ready again"}
	case b.Active == 0:
		return Progress{Done: true, Text: target + " is drained"}
	case (r.Then == proxy.ThenKeep || r.Then == "") && r.Limit > 0 && b.Drain != nil && b.Drain.Until == nil:
		return Progress{Done: true, TimedOut: true, Text: fmt.Sprintf("limit passed: %s remaining on %s", text.Plural(b.Active, "session"), target)}
	}
	p := Progress{Text: fmt.Sprintf("draining %s: %s remaining", target, text.Plural(b.Active, "session"))}
	if b.Drain != nil {
		p.Text = fmt.Sprintf("draining %s: %d of %d remaining", target, b.Active, b.Drain.StartedWith)
		if b.Drain.Until != nil {
			p.Text += fmt.Sprintf(", limit in %s", time.Until(*b.Drain.Until).Round(time.Second))
		}
	}
	return p
}

func removeProgress(s *Status, target string, r *Request) Progress {
	b := s.Backend(target)
	if b == nil {
		return Progress{Done: true, Text: target + " is gone"}
	}
	if b.Admin == proxy.AdminReady {
		return drainProgress(s, target, r)
	}
	return Progress{Text: fmt.Sprintf("draining %s: %s remaining", target, text.Plural(b.Active, "session"))}
}

func readyProgress(s *Status, target string, r *Request) Progress {
	b := s.Backend(target)
	switch {
	case b == nil:
		return Progress{Done: true, Failed: true, Text: target + " is gone"}
	case b.State == proxy.StateUp:
		return Progress{Done: true, Text: target + " is up"}
	}
	return Progress{Text: fmt.Sprintf("%s is %s", target, b.State)}
}

func pauseProgress(s *Status, target string, r *Request) Progress {
	svc := s.Service(target)
	switch {
	case svc == nil:
		return Progress{Done: true, Failed: true, Text: target + " is gone"}
	case svc.Pause == nil || svc.State == proxy.StateReleasing:
		return Progress{Done: true, Failed: true, TimedOut: true, Text: "pause limit passed: " + target + " is open again"}
	case svc.State == proxy.StatePaused:
		return Progress{Done: true, Text: target + " is paused, no session is live"}
	}
	return Progress{Text: fmt.Sprintf("pausing %s: %s remaining, %d held", target, text.Plural(svc.Sessions.Active, "session"), svc.Queue.Waiting)}
}

func resumeProgress(s *Status, target string, r *Request) Progress {
	svc := s.Service(target)
	switch {
	case svc == nil:
		return Progress{Done: true, Failed: true, Text: target + " is gone"}
	case svc.State != proxy.StateReleasing:
		return Progress{Done: true, Text: target + " is " + svc.State}
	}
	return Progress{Text: fmt.Sprintf("releasing %s: %d wait", target, svc.Queue.Waiting)}
}
