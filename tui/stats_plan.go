package tui

import (
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// reportStays is how long a report is shown on a large screen. The Plan pane itself shows it until
// the next plan.
const reportStays = time.Minute

// hasEnded reports whether a plan has ended, whether done, failed or aborted.
func hasEnded(plan *proxy.PlanInfo) bool {
	return plan != nil && plan.State != proxy.PlanRunning && plan.State != proxy.PlanPaused
}

// missingReport returns the plan whose report must still be fetched; "": none.
func (s *stats) missingReport() string {
	if plan := s.status.Plan; hasEnded(plan) && s.report.ID != plan.ID {
		return plan.ID
	}
	return ""
}

// reportLevel returns the event level of a plan's outcome.
func reportLevel(r *proxy.Report) string {
	if r.State == proxy.PlanDone {
		return proxy.LevelGood
	}
	return proxy.LevelWarn
}

// plan returns the plan that runs, or else the last one known.
func (s *stats) plan() *proxy.PlanInfo {
	if plan := s.status.Plan; plan != nil || s.report.ID == "" {
		return plan
	}
	return s.report.Info()
}

// planRuns reports whether a plan is under way.
func (s *stats) planRuns() bool { return s.status.Plan != nil && !hasEnded(s.status.Plan) }

// isReported reports whether the stored report is that of this plan.
func (s *stats) isReported(plan *proxy.PlanInfo) bool {
	return hasEnded(plan) && s.report.ID == plan.ID
}

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
