package tui

import (
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// reportStays is how long a report keeps its corner of a large screen. The Plan
// pane itself has it until the next plan.
const reportStays = time.Minute

// hasEnded reports whether a plan has ended, whether done, failed or aborted.
func hasEnded(plan *proxy.PlanInfo) bool {
	return plan != nil && plan.State != proxy.PlanRunning && plan.State != proxy.PlanPaused
}

// missingReport is the plan whose report has still to be asked for, "" for none.
func (s *stats) missingReport() string {
	if plan := s.status.Plan; hasEnded(plan) && s.report.ID != plan.ID {
		return plan.ID
	}
	return ""
}

// takeReport keeps the report of a plan, and reports whether this console has seen
// the plan run.
func (s *stats) takeReport(r proxy.Report) bool {
	s.report = r
	return s.ran == r.ID
}

// reportLevel is how good the end of a plan is.
func reportLevel(r *proxy.Report) string {
	if r.State == proxy.PlanDone {
		return proxy.LevelGood
	}
	return proxy.LevelWarn
}

// plan is the plan that runs, or else the last one that is known.
func (s *stats) plan() *proxy.PlanInfo {
	if plan := s.status.Plan; plan != nil || s.report.ID == "" {
		return plan
	}
	return s.report.Info()
}

// planRuns reports whether a plan is under way.
func (s *stats) planRuns() bool { return s.status.Plan != nil && !hasEnded(s.status.Plan) }

// isReported reports whether the report is that of a plan that has ended.
func (s *stats) isReported(plan *proxy.PlanInfo) bool {
	return hasEnded(plan) && s.report.ID == plan.ID
}
