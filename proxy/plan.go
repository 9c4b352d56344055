package proxy

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/proxy/command"
	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/text"
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

	StepWaiting = "waiting"
	StepRunning = "running"
	StepSkipped = "skipped"
)

// errGivenUp says that a drain limit passed under ThenAbort.
var errGivenUp = errors.New("the drain limit passed")

// errAborted says that an operator aborted the plan.
var errAborted = errors.New("aborted")

// PlanOptions are for one restart, window or roll.
type PlanOptions struct {
	Limit   time.Duration // how long live sessions may take; 0: the service's pause.limit
	Then    string        // at that limit; "": the service's pause.then
	Max     time.Duration // the longest that clients may be held; 0: the service's pause.max
	Rate    float64       // grants a second afterwards; 0: the service's release_rate
	By      string
	Reason  string
	Match   string        // roll: a glob of backends; "" is all
	MinUp   int           // roll: how many must stay eligible; 0: one, where there is more than one
	MaxWait time.Duration // roll: stop when somebody has waited longer; 0: no such guard
}

// Plan is a restart, a window or a roll: steps that one goroutine takes one
// after another. It ends by itself, by Abort, or with its engine.
type Plan struct {
	service *Service
	kind    string
	opt     PlanOptions
	token   string // a window's: who has it may act for its owner
	done    chan struct{}
	ctx     context.Context
	cancel  context.CancelCauseFunc
	tally   *tally

	mu     sync.Mutex
	report Report
	step   int // the one that runs
	began  time.Time
	hold   chan struct{} // not nil: wait before the next step

	ours   *pause // the pause that the plan holds
	waived bool   // it holds nobody any more before a backend has served; guarded by the queue
	cmd    external
}

// step is one thing that a plan does, and says in a few words.
type step struct {
	what string
	do   func(p *Plan) (detail string, err error)
}

// startPlan enters a plan in the engine, refusing a second one for the
// same service, and runs it.
func (s *Service) startPlan(kind string, o PlanOptions, steps []step) (*Plan, error) {
	if s.ctx.Err() != nil {
		return nil, ErrClosed
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	cfg := s.config()
	setDefault(&o.Limit, cfg.Pause.Limit)
	setDefault(&o.Then, cfg.Pause.Then)
	setDefault(&o.Max, cfg.Pause.Max)
	setDefault(&o.Rate, cfg.Pause.ReleaseRate)
	p := &Plan{service: s, kind: kind, opt: o, done: make(chan struct{}), token: newToken()}
	p.ctx, p.cancel = context.WithCancelCause(s.ctx)
	p.report = Report{Kind: kind, Service: s.name, Owner: o.By, Reason: o.Reason, State: PlanRunning, Started: time.Now()}
	for _, st := range steps {
		p.report.Steps = append(p.report.Steps, StepInfo{What: st.what, State: StepWaiting})
	}
	p.tally = newTally(s)
	p.report.Backends = p.tally.before()
	if err := s.engine.plans.enter(p); err != nil {
		p.cancel(err)
		p.tally.end()
		return nil, err
	}
	s.queue.Do(func() {
		s.plan = p
		s.holdForPlanLocked()
	})
	s.engine.note(Event{Kind: EventPlan, Service: s.name, By: o.By, Text: fmt.Sprintf("%s %s of %s begins", kind, p.report.ID, s.name)})
	s.working.Add(1)
	go p.run(steps)
	return p, nil
}

// run takes the steps. What a step has begun is taken back by itself, when it
// fails and the rules say so.
func (p *Plan) run(steps []step) {
	defer p.service.working.Done()
	defer close(p.done)
	label(rolePlan, p.service.name, "")
	var failed error
	for i, st := range steps {
		if failed == nil {
			failed = p.mayGoOn()
		}
		p.mu.Lock()
		p.step, p.began = i, time.Now()
		info := &p.report.Steps[i]
		if failed != nil {
			info.State = StepSkipped
			p.mu.Unlock()
			continue
		}
		info.State = StepRunning
		p.mu.Unlock()
		var detail string
		err := p.service.contained("step "+st.what, func() (err error) {
			detail, err = st.do(p)
			return err
		})
		p.mu.Lock()
		info.State, info.Detail, info.Seconds = PlanDone, detail, time.Since(p.began).Seconds()
		if err != nil {
			info.State, info.Detail, failed = PlanFailed, err.Error(), fmt.Errorf("%s: %w", st.what, err)
		}
		p.mu.Unlock()
	}
	p.finish(failed)
}

// mayGoOn waits while the plan is held, and says why it must not go on.
func (p *Plan) mayGoOn() error {
	p.mu.Lock()
	hold := p.hold
	p.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-p.ctx.Done():
		}
	}
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	return nil
}

// finish writes the report.
func (p *Plan) finish(failed error) {
	s := p.service
	s.queue.Do(func() { s.plan = nil })
	numbers, after := p.tally.end()
	p.mu.Lock()
	r := &p.report
	r.Ended, r.Numbers = time.Now(), numbers
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
	case errors.Is(failed, errGivenUp):
		r.State, r.Error = PlanTimedOut, failed.Error()
	default:
		r.State, r.Error = PlanFailed, failed.Error()
	}
	if failed != nil {
		ev.Level = LevelAlarm
	}
	ev.Text = r.Sentence()
	p.mu.Unlock()
	p.cancel(errAborted)
	s.engine.note(ev)
}

// Report is how the plan stands, or what has come of it.
func (p *Plan) Report() Report {
	p.mu.Lock()
	r := p.report
	r.Steps = append([]StepInfo(nil), p.report.Steps...)
	if r.State == PlanRunning {
		if p.hold != nil {
			r.State = PlanPaused
		}
		if p.step < len(r.Steps) && r.Steps[p.step].State == StepRunning {
			r.Steps[p.step].Seconds = time.Since(p.began).Seconds()
		}
	}
	running := r.Ended.IsZero()
	p.mu.Unlock()
	if running {
		r.Seconds = time.Since(r.Started).Seconds()
		r.Numbers = p.tally.numbers()
	}
	return r
}

// atStep is the step that runs, "" when none does.
func (p *Plan) atStep() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st := p.report.Steps[p.step]; st.State == StepRunning {
		return st.What
	}
	return ""
}

// Done is closed when the plan has ended.
func (p *Plan) Done() <-chan struct{} { return p.done }

// Token is what the owner of a window shows when it speaks of it.
func (p *Plan) Token() string { return p.token }

// Hold stops the plan before its next step, until Next or Abort.
func (p *Plan) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hold == nil {
		p.hold = make(chan struct{})
	}
}

// Next lets a held plan go on.
func (p *Plan) Next() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hold != nil {
		close(p.hold)
		p.hold = nil
	}
}

// Abort ends the plan: a backend that drains is ready again, a command that
// runs is ended, and a backend behind it stays drained.
func (p *Plan) Abort(by string) { p.cancel(fmt.Errorf("%w by %s", errAborted, by)) }

// until waits for a condition of the service, until it says that it is over or
// the plan is aborted. It is looked at with the queue locked.
func (p *Plan) until(over func() (bool, error)) error {
	var err error
	aborted := p.service.changes.await(p.ctx, func() bool {
		var end bool
		end, err = over()
		return end || err != nil
	})
	if aborted != nil {
		return aborted
	}
	return err
}

// StartRestart drains the backend, runs its restart command, waits for good
// checks and puts it back. Where no other backend could serve meanwhile,
// clients are held.
func (b *Backend) StartRestart(o PlanOptions) (*Plan, error) {
	if len(b.config().Restart) == 0 {
		return nil, fmt.Errorf("proxy: %s has no restart command; give it one (restart = [...]), or use a window", b.target())
	}
	return b.service.startPlan(PlanRestart, o, append(b.restartSteps(), releaseStep))
}

// StartRoll is StartRestart for each backend that matches, in turn. It stops
// at the first failure.
func (s *Service) StartRoll(o PlanOptions) (*Plan, error) {
	var steps []step
	var names []string
	err := error(nil)
	s.queue.View(func() {
		for _, b := range s.backends.all {
			names = append(names, b.name)
			match := o.Match == ""
			if !match {
				if match, err = path.Match(o.Match, b.name); err != nil {
					err = fmt.Errorf("proxy: %q is not a pattern like pg-*", o.Match)
					return
				}
			}
			switch {
			case !match:
			case len(b.cfg.Restart) == 0:
				err = fmt.Errorf("proxy: %s has no restart command; give it one (restart = [...])", b.target())
				return
			default:
				steps = append(steps, b.guardStep(o))
				steps = append(steps, b.restartSteps()...)
			}
		}
	})
	if err == nil && len(steps) == 0 {
		err = fmt.Errorf("proxy: no backend of %s is like %q; there is: %s", s.name, o.Match, names)
	}
	if err != nil {
		return nil, err
	}
	return s.startPlan(PlanRoll, o, append(steps, releaseStep))
}

// guardStep looks whether the others can bear it.
func (b *Backend) guardStep(o PlanOptions) step {
	return step{"guard " + b.name, func(p *Plan) (detail string, err error) {
		s := b.service
		s.queue.View(func() {
			minUp := o.MinUp
			if minUp == 0 && len(s.backends.all) > 1 {
				minUp = 1
			}
			up := 0
			for _, other := range s.backends.all {
				if other != b && other.serves() {
					up++
				}
			}
			detail = fmt.Sprintf("%d of %d others up", up, len(s.backends.all)-1)
			if up < minUp {
				err = fmt.Errorf("only %s, %d wanted", detail, minUp)
			}
			for w := range s.queue.Waiters() {
				if waited := time.Since(w.Since()); o.MaxWait > 0 && waited > o.MaxWait {
					err = fmt.Errorf("a client has waited %s, more than max_wait (%s)", waited.Round(time.Second), o.MaxWait)
				}
				break
			}
		})
		return detail, err
	}}
}

func (b *Backend) restartSteps() []step {
	return []step{
		{"drain " + b.name, b.drainStep},
		{"restart " + b.name, b.commandStep},
		{"check " + b.name, b.checkStep},
		{"ready " + b.name, b.readyStep},
	}
}

// drainStep takes the backend out of service, holding clients where nobody
// else could serve them (rule 20).
func (b *Backend) drainStep(p *Plan) (detail string, err error) {
	s := b.service
	h := &hold{state: AdminDrain, by: p.opt.By, reason: p.opt.Reason, since: time.Now(), then: p.opt.Then, plan: p}
	h.until = p.limit(h.since)
	s.queue.Update(func() {
		if !s.backends.othersServeLocked(b) {
			if err = s.pauseForPlanLocked(p, PlanRestart); err != nil {
				return
			}
		}
		h.startedWith = b.active
		b.setHoldLocked(holdPlan, h)
		if h.until != nil {
			s.timer.set(*h.until)
		}
	})
	if err != nil {
		return "", err
	}
	err = p.until(func() (bool, error) {
		switch {
		case b.holds[holdPlan] != h:
			return true, errGivenUp
		case s.hooks.running != "":
			return false, nil // it may be about this backend
		case b.active == 0:
			return true, nil
		case h.until == nil && h.then == ThenKeep && p.opt.Limit >= 0:
			detail = fmt.Sprintf(", %s kept", text.Plural(b.active, "session"))
			return true, nil
		}
		return false, nil
	})
	if err != nil {
		s.queue.Update(func() { b.setHoldLocked(holdPlan, nil) })
		p.endPause()
		return "", err
	}
	return fmt.Sprintf("%s drained%s", text.Plural(h.startedWith, "session"), detail), nil
}

// commandStep runs the backend's restart command, here, as our user.
func (b *Backend) commandStep(p *Plan) (string, error) {
	r := b.service.engine.commands.Run(p.ctx, command.Command{Argv: b.config().Restart, Timeout: p.opt.Max,
		Env: HookCall{Service: b.service.name, Backend: b.name, Reason: PlanRestart}.env()})
	if r.Err != nil && r.LastLine() != "" {
		return "", fmt.Errorf("%w: %s", r.Err, r.LastLine())
	}
	return r.LastLine(), r.Err
}

// checkStep demands good checks (rule 11).
func (b *Backend) checkStep(p *Plan) (string, error) {
	if b.service.config().Check.Type == health.None {
		return "not checked", nil
	}
	if err := b.service.backends.awaitGood(p.ctx, []*Backend{b}, 1); err != nil {
		if p.ctx.Err() != nil {
			return "", context.Cause(p.ctx)
		}
		return "", fmt.Errorf("no good checks within %s: it stays drained", b.config().readyTimeout())
	}
	return b.Info().Check.Detail, nil
}

func (b *Backend) readyStep(p *Plan) (string, error) {
	b.service.queue.Update(func() { b.setHoldLocked(holdPlan, nil) })
	p.endPause()
	return b.Info().State, nil
}

// releaseStep waits until those are served who were held, so that the report
// is about all of them.
var releaseStep = step{"release", func(p *Plan) (string, error) {
	s := p.service
	return "", p.until(func() (bool, error) {
		held := s.pause.current != nil && s.pause.current.plan == p
		return !held && !s.pause.releasingLocked(), nil
	})
}}
