package tui

import "github.com/tcpctl/tcpctl/proxy/api"

// activity is what changes while an engine works: while it stays the same, the console polls less
// often.
type activity struct {
	services, backends, up, drain, maint, down int
	active, waiting, paused, closed            int
	total, bytes, failed                       int64
	plan                                       string
	steps, events                              int
}

func activityOf(s *api.Status) (a activity) {
	n := totalsOf(s)
	a = activity{services: len(s.Services), backends: n.backends, up: n.up, drain: n.drain, maint: n.maint, down: n.down,
		active: n.active, waiting: n.waiting, paused: n.paused, closed: n.closed}
	for i := range s.Services {
		svc := &s.Services[i]
		a.total += svc.Sessions.Total
		a.failed += svc.Sessions.Failed + svc.Sessions.Cut + svc.Sessions.Rejected
		a.bytes += svc.BytesIn + svc.BytesOut
		if svc.Hook != nil {
			a.events += svc.Hook.Failed + int(svc.Hook.Runs)
		}
	}
	if s.Plan != nil {
		a.plan, a.steps = s.Plan.ID+s.Plan.State, stepsDone(s.Plan)
	}
	return a
}
