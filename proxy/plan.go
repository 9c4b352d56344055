package proxy

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/proxy/internal/plan"
)

// Kinds of plans.
const (
	PlanRestart = "restart" // of one backend
	PlanWindow  = "window"  // of a service, around an operator's command
	PlanRoll    = "roll"    // restart for each backend in turn
)

// States of plans and of their steps.
const (
	PlanRunning  = "running"
	PlanPaused   = "paused" // by an operator, before the next step
	PlanDone     = "done"
	PlanFailed   = "failed"
	PlanAborted  = "aborted"
	PlanTimedOut = "timed_out" // a drain limit passed under abort

	StepWaiting = string(plan.Waiting)
	StepRunning = string(plan.Running)
	StepSkipped = string(plan.Skipped)
)

// ErrGivenUp means that a drain reached its limit under ThenAbort.
var ErrGivenUp = errors.New("the drain limit passed")

// errAborted says that an operator aborted the plan.
var errAborted = errors.New("aborted")

// PlanOptions are the options of a restart, window or roll.
type PlanOptions struct {
	Limit   time.Duration // how long live sessions may take to end; 0: the service's Pause.Limit
	Then    string        // what happens at Limit; "": the service's Pause.Then
	Max     time.Duration // how long clients may be held; 0: the service's Pause.Max
	Quiet   time.Duration // end a live session that has carried no data for this long; 0: the service's Drain.Quiet
	Rate    float64       // grants per second afterwards; 0: the service's Pause.ReleaseRate
	By      string
	Reason  string
	Match   string         // roll: glob of backend names; "": all
	MinUp   int            // roll: how many other backends must be up; 0: one, if there are others
	MaxWait time.Duration  // roll: stop if a client has waited longer; 0: no limit
	Cluster ClusterWindows // for a plan on all engines; nil: this engine only
}

// Plan is a restart, a window or a roll: steps that one goroutine takes one
// after another. It ends by itself, by Abort, or with its engine.
type Plan struct {
	service *Service
	kind    string
	opt     PlanOptions
	token   string // of a window: proves that a caller acts for the owner
	done    chan struct{}
	steps   *plan.Steps
	tally   *tally

	mu      sync.Mutex      // guards the fields up to cmd; taken after the queue, and before no other lock
	report  Report          // without the steps
	windows []ClusterWindow // the windows begun so far; the last one is current
	cmd     external

	ours   *pause // the pause that the plan holds
	waived bool   // it must not hold clients again before a backend has served; guarded by the queue
	orphan bool   // the other engines know that nobody knows whether the command runs; only for the plan's goroutine
}

// step is one action of a plan, and its description.
type step struct {
	what string
	do   func(p *Plan) (detail string, err error)
}

// startPlan registers a plan in the engine, unless the service has one, and runs it.
func (s *Service) startPlan(kind string, o PlanOptions, steps []step) (*Plan, error) {
	err := o.Validate()
	if err == nil {
		s.queue.Do(func() { err = s.workLocked() })
	}
	if err != nil {
		return nil, err
	}
	cfg := s.config()
	setDefault(&o.Limit, cfg.Pause.Limit)
	setDefault(&o.Then, cfg.Pause.Then)
	setDefault(&o.Max, cfg.Pause.Max)
	setDefault(&o.Rate, cfg.Pause.ReleaseRate)
	setDefault(&o.Quiet, cfg.Drain.Quiet)
	var names []string
	for _, st := range steps {
		names = append(names, st.what)
	}
	p := &Plan{service: s, kind: kind, opt: o, done: make(chan struct{}), token: rand.Text(), steps: plan.New(s.ctx, names...)}
	p.report = Report{Kind: kind, Service: s.name, Owner: o.By, Reason: o.Reason, State: PlanRunning, Started: time.Now()}
	p.tally = &tally{service: s}
	s.queue.Do(p.tally.beginLocked)
	p.report.Backends = slices.Clone(p.tally.backends)
	if err := s.engine.plans.enter(p); err != nil {
		p.steps.Abort(err)
		p.tally.end()
		s.working.Done()
		return nil, err
	}
	s.queue.Do(func() {
		s.plan = p
		s.holdForPlanLocked()
	})
	s.engine.note(Event{Kind: EventPlan, Service: s.name, By: o.By, Text: fmt.Sprintf("%s %s of %s begins", kind, p.report.ID, s.name)})
	go p.run(steps)
	return p, nil
}

// run takes the steps. A step that fails reverts what it has begun, if the rules say
// so.
func (p *Plan) run(steps []step) {
	defer p.service.working.Done()
	defer close(p.done)
	label(rolePlan, p.service.name, "")
	p.finish(p.steps.Take(func(n int) (detail string, err error) {
		st := steps[n]
		err = p.service.contained("step "+st.what, func() (err error) {
			detail, err = st.do(p)
			return err
		})
		return detail, err
	}))
}

// finish writes the report.
func (p *Plan) finish(failed error) {
	s := p.service
	nodes := p.clusterReports()
	if p.opt.Cluster != nil {
		p.opt.Cluster.End()
	}
	overdue := 0.0
	s.queue.Do(func() {
		s.plan = nil
		if p.ours != nil {
			overdue = p.ours.overdueFor().Seconds()
		}
	})
	numbers, after := p.tally.end()
	p.mu.Lock()
	r := &p.report
	r.Ended, r.Numbers, r.OverdueSeconds = time.Now(), numbers, overdue
	r.SetNodes(nodes)
	r.Seconds = r.Ended.Sub(r.Started).Seconds()
	for i := range r.Backends {
		r.Backends[i].After = after[r.Backends[i].Name]
	}
	ev := Event{Kind: EventPlan, Level: LevelGood, Service: s.name, By: p.opt.By}
	switch {
	case failed == nil:
		r.State = PlanDone
	case errors.Is(failed, errAborted):
		r.State, r.Error = PlanAborted, failed.Error()
	case errors.Is(failed, ErrGivenUp):
		r.State, r.Error = PlanTimedOut, failed.Error()
	default:
		r.State, r.Error = PlanFailed, failed.Error()
	}
	if failed != nil {
		ev.Level = LevelAlarm
	}
	ev.Text = r.Sentence()
	counted := PlanCount{Kind: p.kind, State: r.State}
	p.mu.Unlock()
	s.queue.Do(func() { s.stats.plans[counted]++ })
	s.engine.note(ev)
}

// Report returns the progress or outcome of the plan.
func (p *Plan) Report() Report {
	p.mu.Lock()
	r := p.report
	r.Backends = slices.Clone(r.Backends) // as finish changes it
	running := r.Ended.IsZero()
	p.mu.Unlock()
	for _, st := range p.steps.List() {
		r.Steps = append(r.Steps, StepInfo{What: st.Name, State: string(st.State), Seconds: st.Took.Seconds(), Detail: st.Detail})
	}
	if running {
		if p.steps.Paused() {
			r.State = PlanPaused
		}
		r.Seconds = time.Since(r.Started).Seconds()
		r.Numbers = p.tally.numbers()
	}
	if nodes := p.clusterReports(); running || len(nodes) > 0 && r.unknownNode() {
		r.SetNodes(nodes)
	}
	return r
}

// Done returns a channel that is closed when the plan has ended.
func (p *Plan) Done() <-chan struct{} { return p.done }

// Token returns the secret that proves the owner of a window.
func (p *Plan) Token() string { return p.token }

// Hold stops the plan before its next step, until Next or Abort.
func (p *Plan) Hold() { p.steps.Pause() }

// Next continues after Hold.
func (p *Plan) Next() { p.steps.Next() }

// Abort ends the plan. A draining backend becomes ready again; a running command
// is ended, and its backend stays drained.
func (p *Plan) Abort(by string) { p.steps.Abort(fmt.Errorf("%w by %s", errAborted, nameOf(by))) }

// until waits until over returns true or an error, or the plan is aborted. over is
// called with the queue locked.
func (p *Plan) until(over func() (bool, error)) error {
	var err error
	aborted := p.service.changes.await(p.steps.Context(), func() bool {
		var end bool
		end, err = over()
		return end || err != nil
	})
	return cmp.Or(aborted, err)
}
