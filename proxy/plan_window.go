package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// external is an operator's command that runs elsewhere: where it was entered, with its
// output on the operator's terminal.
type external struct {
	seen  time.Time // the owner's last heartbeat
	pid   int       // of the command, on this machine; 0: not known
	lost  bool      // the owner is gone
	ended bool
	err   error
}

// stepCommand is the step of a window in which its owner runs its command.
const stepCommand = "command"

// ownerLease is how long an owner may send no heartbeat.
const ownerLease = 3 * time.Second

// StartWindow begins a maintenance window: the service pauses, and once no
// session is live its owner runs its command (the step "command" in Report is
// then running) and calls CommandEnded. When checks pass, the service resumes. If
// another owner has paused the service, the error names that owner.
func (s *Service) StartWindow(o PlanOptions) (*Plan, error) {
	if o.Cluster != nil {
		return s.startPlan(PlanWindow, o, clusterWindowSteps())
	}
	return s.startPlan(PlanWindow, o, []step{
		{"pause", windowPause},
		{stepCommand, windowCommand},
		{"check", windowCheck},
		{"resume", windowResume},
		releaseStep,
	})
}

// pauseLocked pauses the service for the plan, unless the plan's owner has already done
// so.
func (p *Plan) pauseLocked(by string) error {
	s := p.service
	if was := s.pause.current; was != nil && !was.leftTo(p.opt.By) && was.plan != p {
		if was.owner == p.opt.By && by == PlanRestart {
			return nil // inside the owner's own pause
		}
		return fmt.Errorf("%s is paused already, by %s for %s", s.name, nameOf(was.owner), time.Since(was.since).Round(time.Second))
	}
	if s.listeners == nil {
		return fmt.Errorf("%s is closed", s.name)
	}
	now := time.Now()
	ours := &pause{owner: p.opt.By, by: by, reason: p.opt.Reason, since: now, until: now.Add(p.opt.Max), then: ThenKeep, plan: p}
	if by == PlanWindow {
		ours.then = p.opt.Then
		ours.limit = p.limit(now)
		ours.quiet = p.opt.Quiet
	}
	p.ours = ours
	s.pause.beginLocked(ours)
	return nil
}

// leftTo reports whether a failed plan has left the pause behind for its owner's next
// plan.
func (p *pause) leftTo(owner string) bool { return p.plan != nil && p.plan.over() && p.owner == owner }

// limit is when the time of the live sessions is over; nil: only at the pause's
// deadline.
func (p *Plan) limit(from time.Time) *time.Time {
	if p.opt.Limit < 0 {
		return nil
	}
	at := from.Add(p.opt.Limit)
	return &at
}

// endPause resumes the service if the plan holds it.
func (p *Plan) endPause() {
	p.service.queue.Update(func() {
		if p.ours != nil && p.service.pause.current == p.ours {
			p.service.pause.resumeLocked(p.opt.By, p.opt.Rate)
		}
	})
}

func windowPause(p *Plan) (string, error) {
	s := p.service
	var err error
	live, cut := 0, p.cuts()
	s.queue.Update(func() {
		live = s.active - s.bypassing
		err = p.pauseLocked(PlanWindow)
	})
	if err != nil {
		return "", err
	}
	err = p.until(func() (bool, error) {
		if s.pause.current != p.ours {
			return true, ErrGivenUp
		}
		return p.ours.settled, nil
	})
	if err != nil {
		p.endPause()
		return "", err
	}
	return drainedText(live, p.cuts()-cut), nil
}

// cuts returns how many sessions of the service were cut.
func (p *Plan) cuts() (n int) {
	p.service.queue.View(func() {
		counts, _ := p.tally.totalsLocked()
		n = int(counts.Cut)
	})
	return n
}

// drainedText says how many sessions were live, and how many of them did not end by themselves.
func drainedText(live, cut int) string {
	if cut = min(cut, live); cut > 0 {
		return fmt.Sprintf("%s ended, %d of them cut", text.Plural(live, "session"), cut)
	}
	return text.Plural(live, "session") + " drained"
}

func windowCommand(p *Plan) (string, error) {
	detail, err := p.awaitCommand()
	if err != nil {
		p.endPause()
	}
	return detail, err
}

// awaitCommand waits for the owner's command. It fails only if there is nothing left to
// wait for: the next step evaluates the exit status.
func (p *Plan) awaitCommand() (string, error) {
	p.mu.Lock()
	p.cmd.seen = time.Now()
	p.mu.Unlock()
	if err := p.awaitCommandEnd(); err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd.err != nil {
		return "failed: " + p.cmd.err.Error(), nil
	}
	return "exit status 0", nil
}

// awaitCommandEnd waits for the end of the command or of the plan.
func (p *Plan) awaitCommandEnd() error {
	s := p.service
	for {
		resumed, overdue := false, false
		more := s.changes.nextUnless(func() bool {
			resumed, overdue = s.pause.current != p.ours, p.ours.overdue
			return resumed
		})
		if resumed {
			return errors.New("the service was resumed before the command had ended")
		}
		ended, again := p.commandOver(overdue)
		if ended {
			return nil
		}
		p.sayOrphan()
		timer := time.NewTimer(again)
		select {
		case <-p.steps.Context().Done():
			timer.Stop()
			return context.Cause(p.steps.Context())
		case <-more: // also for CommandEnded
			timer.Stop()
		case <-timer.C:
		}
	}
}

// orphanInterval is how often a command without an owner is looked for.
const orphanInterval = time.Second

// commandOver reports whether the command has ended, notes whether its owner is gone,
// and returns when to call it again. A command that has outlived its owner is only
// looked for after its deadline.
func (p *Plan) commandOver(overdue bool) (over bool, again time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &p.cmd
	if c.ended {
		return true, 0
	}
	lease := ownerLease - time.Since(c.seen)
	if !c.lost && lease < 0 {
		c.lost = true
		p.service.engine.note(Event{Kind: EventPlan, Level: LevelAlarm, Service: p.service.name, By: p.opt.By,
			Text: fmt.Sprintf("the command line that owns the window of %s is gone: pausing until %s, then resuming",
				p.service.name, clockTime(p.ours.until))})
	}
	if overdue && c.lost && !alive(c.pid) {
		c.ended, c.err = true, errors.New("its owner and the command are gone")
	}
	if c.lost {
		return c.ended, orphanInterval
	}
	return c.ended, max(lease, 0) + time.Millisecond
}

// running reports whether the command still runs and its owner is there.
func (p *Plan) running() bool {
	if p.steps.At() != stepCommand {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.cmd.ended && !p.cmd.lost
}

// Heartbeat reports that the window's owner is alive. pid is the process of its
// command; 0 if there is none yet.
func (p *Plan) Heartbeat(token string, pid int) error {
	if token != p.token {
		return fmt.Errorf("proxy: the window of %s belongs to %s", p.service.name, nameOf(p.opt.By))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd.seen, p.cmd.lost = time.Now(), false
	if pid > 0 {
		p.cmd.pid = pid
	}
	return nil
}

// CommandEnded reports that the owner's command has ended; a nil err is success.
func (p *Plan) CommandEnded(token string, err error) error {
	if e := p.Heartbeat(token, 0); e != nil {
		return e
	}
	p.mu.Lock()
	if !p.cmd.ended {
		p.cmd.ended, p.cmd.err = true, err
	}
	p.mu.Unlock()
	p.service.queue.Do(p.service.changes.notifyLocked)
	return nil
}

// windowCheck waits for successful checks of the backends that were up before, even
// after a failed command: if they fail, clients are held until max (rule 18), by the
// pause's own deadline.
func windowCheck(p *Plan) (string, error) {
	s := p.service
	var of []*Backend
	s.queue.View(func() { of = p.tally.goodBeforeLocked() })
	detail, err := s.checkAll(p.steps.Context(), of)
	if errors.Is(err, errNotReady) {
		err = fmt.Errorf("no good checks: clients are held until %s", clockTime(p.ours.until))
	}
	return detail, err
}

func windowResume(p *Plan) (string, error) {
	p.endPause()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd.err != nil {
		return "", fmt.Errorf("the command failed: %w; the checks are good, so the service is open", p.cmd.err)
	}
	return "", nil
}

// outlivesDeadlineLocked reports whether the pause of a plan must continue at its
// deadline. While a command runs, a backend may be half done, and no client may reach
// it; the plan opens the service once the command has ended and the checks have passed.
func (p *pause) outlivesDeadlineLocked(s *Service) bool {
	if p.cluster != nil {
		return p.cluster.outlivesDeadlineLocked(s)
	}
	if p.plan == nil || p.by != PlanWindow || p.plan.over() || !p.overdue && !p.plan.running() {
		return false
	}
	if !p.overdue {
		p.overdueLocked(s, "window command of "+s.name+" still running at the deadline")
	}
	return true
}

// overdueFor is how long the pause has rejected clients beyond its deadline: a plan of all
// engines continues after that, to collect their numbers.
func (p *pause) overdueFor() time.Duration {
	switch {
	case !p.overdue:
		return 0
	case p.ended.IsZero():
		return time.Since(p.until)
	}
	return p.ended.Sub(p.until)
}

// overdueLocked rejects the clients of a window that continues beyond its deadline;
// what says why.
func (p *pause) overdueLocked(s *Service, what string) {
	p.overdue = true
	s.changes.notifyLocked()
	n := s.queue.Waiting()
	s.endWaitersLocked(endRequest{by: ByProxy, reason: ReasonWindowOverdue})
	s.engine.note(Event{Kind: EventWindow, Level: LevelAlarm, Service: s.name, By: p.owner,
		Text: fmt.Sprintf("%s: rejecting %s and new clients until it ends", what, text.Plural(n, "client"))})
}
