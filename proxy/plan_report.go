package proxy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// Report is the outcome of a plan; Sentence is for people. While the plan runs,
// Ended is zero and the numbers are those so far.
type Report struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Service string    `json:"service"`
	Owner   string    `json:"owner,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	State   string    `json:"state"`
	Error   string    `json:"error,omitempty"` // why the plan did not complete
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Seconds float64   `json:"seconds"` // duration, or duration so far, by the monotonic clock
	// OverdueSeconds is how long a window ran past its max, while clients were rejected.
	OverdueSeconds float64 `json:"overdue_seconds,omitempty"`
	Numbers        Numbers `json:"numbers"`
	// Nodes are the parts of all nodes in a plan of ScopeCluster; Numbers are then the sum of the known parts.
	Nodes    []NodeReport    `json:"nodes,omitempty"`
	Backends []BackendChange `json:"backends"`
	Steps    []StepInfo      `json:"steps"`
}

// Numbers is the effect of a plan on clients.
type Numbers struct {
	Held           int     `json:"held"` // clients that waited at any time during the plan
	LongestSeconds float64 `json:"longest_seconds"`
	P50Seconds     float64 `json:"p50_seconds"`
	P99Seconds     float64 `json:"p99_seconds"`
	Abandoned      int64   `json:"abandoned"` // clients that went away by themselves
	TimedOut       int64   `json:"timed_out"`
	Cut            int64   `json:"cut"`      // live sessions ended by tcpctl or by the death of their backend
	Failed         int64   `json:"failed"`   // clients that were held or waiting and were not served
	Rejected       int64   `json:"rejected"` // clients refused before they waited
}

// BackendChange is a backend before and after a plan: "up ready".
type BackendChange struct {
	Name   string `json:"name"`
	Before string `json:"before"`
	After  string `json:"after,omitempty"` // "" while the plan runs
}

// Sentence returns the report as one sentence.
func (r *Report) Sentence() string {
	s := fmt.Sprintf("%s %s of %s %s after %s%s: %d held, longest %.1fs, %d abandoned, %d cut, %d failed, %d rejected",
		r.Kind, r.ID, r.Service, strings.ReplaceAll(r.State, "_", " "), r.Took(), r.overdue(), r.Numbers.Held, r.Numbers.LongestSeconds,
		r.Numbers.Abandoned, r.Numbers.Cut, r.Numbers.Failed, r.Numbers.Rejected)
	if r.Error != "" {
		s += " (" + r.Error + ")"
	}
	return s
}

func (r *Report) overdue() string {
	if r.OverdueSeconds == 0 {
		return ""
	}
	return ", " + text.Took(r.OverdueSeconds) + " past its max"
}

// Took returns how long the plan took, by the monotonic clock.
func (r *Report) Took() time.Duration {
	return time.Duration(r.Seconds * float64(time.Second)).Round(10 * time.Millisecond)
}

// Info returns the plan as shown in the status.
func (r *Report) Info() *PlanInfo {
	return &PlanInfo{ID: r.ID, Kind: r.Kind, Service: r.Service, Owner: r.Owner, Reason: r.Reason, State: r.State, Steps: r.Steps}
}

// plansKept is how many reports can still be read.
const plansKept = 32

// plans are the engine's plans: those that run, and the last that have ended.
type plans struct {
	mu   sync.Mutex
	n    int
	last []*Plan
	past []Report // of earlier engines, the newest first
}

// none returns an error if a plan is running.
func (ps *plans) none() error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range ps.last {
		if !p.over() {
			return fmt.Errorf("proxy: the %s of %s is under way (%s)", p.report.Kind, p.report.Service, p.report.ID)
		}
	}
	return nil
}

// enter gives a plan its id, and refuses a second plan for a service.
func (ps *plans) enter(p *Plan) error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, o := range ps.last {
		if o.service == p.service && !o.over() {
			r := &o.report
			return fmt.Errorf("proxy: a %s of %s is running already (%s), by %s for %s", r.Kind, r.Service, r.ID, nameOf(r.Owner),
				time.Since(r.Started).Round(time.Second))
		}
	}
	ps.n++
	p.report.ID = fmt.Sprintf("%c%d", p.kind[0], ps.n)
	ps.last = append(ps.last, p)
	if n := slices.IndexFunc(ps.last, (*Plan).over); len(ps.last) > plansKept && n >= 0 {
		ps.last = slices.Delete(ps.last, n, n+1)
	}
	return nil
}

func (p *Plan) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Plan returns the plan with an id, or nil. For "" it is the newest running plan,
// or the newest plan if none runs.
func (o Operator) Plan(id string) *Plan {
	o.engine.plans.mu.Lock()
	defer o.engine.plans.mu.Unlock()
	var newest *Plan
	for _, p := range slices.Backward(o.engine.plans.last) {
		switch {
		case p.report.ID == id, id == "" && !p.over():
			return p
		case newest == nil && id == "":
			newest = p
		}
	}
	return newest
}

// Plan returns the newest plan of the service, or nil.
func (s *Service) Plan() *Plan {
	ps := &s.engine.plans
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range slices.Backward(ps.last) {
		if p.service == s {
			return p
		}
	}
	return nil
}
