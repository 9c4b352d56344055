package api

import (
	"errors"
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// drainProgress follows a drain or maint until no session remains.
func drainProgress(s *Status, target string, r *Request) Progress {
	b := s.Backend(target)
	if d := s.Cluster.Drain(target); b != nil && d != nil && !r.Here && s.OfAll(target) {
		return d.progress(target)
	}
	switch {
	case b == nil:
		return Progress{Done: true, Failed: true, Text: target + " no longer exists"}
	case b.Admin == proxy.AdminReady && r.Limit == 0:
		return Progress{Done: true, Failed: true, Text: target + " is ready again: the " + r.Act + " was ended before it was done"}
	case b.Admin == proxy.AdminReady:
		return Progress{Done: true, Failed: true, TimedOut: true, Text: "drain limit passed: " + target + " is ready again"}
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
		return Progress{Done: true, Text: target + " no longer exists"}
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
		return Progress{Done: true, Failed: true, Text: target + " no longer exists"}
	case b.State == proxy.StateUp:
		return Progress{Done: true, Text: target + " is up"}
	}
	return Progress{Text: fmt.Sprintf("%s is %s", target, b.State)}
}

func pauseProgress(s *Status, target string, r *Request) Progress {
	svc := s.Service(target)
	switch {
	case svc == nil:
		return Progress{Done: true, Failed: true, Text: target + " no longer exists"}
	case svc.Pause == nil || svc.State == proxy.StateReleasing:
		return Progress{Done: true, Failed: true, TimedOut: true, Text: "pause limit passed: " + target + " is open again"}
	case svc.Pause.Scope == proxy.ScopeCluster && s.Cluster.Plan(target) != nil:
		return s.Cluster.Plan(target).progress()
	case svc.State == proxy.StatePaused:
		live := svc.Sessions.Active - svc.Sessions.Bypass
		if live > 0 { // then = "keep"
			return Progress{Done: true, Text: fmt.Sprintf("%s is paused, %s still live", target, text.Plural(live, "session"))}
		}
		return Progress{Done: true, Text: target + " is paused, no session is live"}
	}
	return Progress{Text: fmt.Sprintf("pausing %s: %s remaining, %d held", target, text.Plural(svc.Sessions.Active, "session"), svc.Queue.Waiting)}
}

func resumeProgress(s *Status, target string, r *Request) Progress {
	svc := s.Service(target)
	switch {
	case svc == nil:
		return Progress{Done: true, Failed: true, Text: target + " no longer exists"}
	case svc.State != proxy.StateReleasing:
		return Progress{Done: true, Text: target + " is " + svc.State}
	}
	return Progress{Text: fmt.Sprintf("releasing %s: %d wait", target, svc.Queue.Waiting)}
}

// stopProgress says how many clients remain during a stop, which ends with the process.
func stopProgress(s *Status, _ string, r *Request) Progress {
	active, waiting := s.clients()
	t := termsOf("stop", s, "", r)
	p := Progress{Text: fmt.Sprintf("stopping: %s and %s remain", text.Plural(active, "session"), text.Plural(waiting, "waiter"))}
	if t.holds.Grace > 0 {
		p.Text += ", " + text.Duration(t.holds.Grace) + " at most"
	}
	return p
}

// Progress is the progress of an act that takes time.
type Progress struct {
	Done     bool   `json:"done"`
	Failed   bool   `json:"failed,omitempty"`    // whether the act failed or was given up
	TimedOut bool   `json:"timed_out,omitempty"` // whether a limit passed first
	Text     string `json:"text"`
}

// Progress returns the progress of r on a target, according to one snapshot. An
// act that takes no time is done.
func (a *Act) Progress(s *Status, target string, r *Request) Progress {
	if a.progress == nil {
		return Progress{Done: true}
	}
	return a.progress(s, target, r)
}

// HasProgress reports whether the act takes time, so that its outcome is only
// known later.
func (a *Act) HasProgress() bool { return a.progress != nil }

// Err returns nil for an act that is done or still in progress.
func (p Progress) Err() error {
	switch {
	case p.TimedOut:
		return fmt.Errorf("%w: %s", ErrTimedOut, p.Text)
	case p.Failed:
		return Refused(p.Text, "")
	}
	return nil
}

// ErrTimedOut means that a time limit passed before an act was done.
var ErrTimedOut = errors.New("a time limit passed first")

// planProgress follows a plan by its newest report in the status.
func planProgress(s *Status, _ string, _ *Request) Progress {
	p := s.Plan
	if p == nil {
		return Progress{Done: true}
	}
	for i, st := range p.Steps {
		if st.State == proxy.StepRunning {
			return Progress{Text: fmt.Sprintf("%s %s: %d/%d %s, %.0fs", p.Kind, p.ID, i+1, len(p.Steps), st.What, st.Seconds)}
		}
	}
	switch p.State {
	case proxy.PlanRunning, proxy.PlanPaused:
		return Progress{Text: fmt.Sprintf("%s %s: %s", p.Kind, p.ID, p.State)}
	case proxy.PlanDone:
		return Progress{Done: true, Text: p.Kind + " " + p.ID + " done"}
	}
	return Progress{Done: true, Failed: true, TimedOut: p.State == proxy.PlanTimedOut, Text: p.Kind + " " + p.ID + " " + p.State}
}
