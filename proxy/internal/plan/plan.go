// Package plan takes named steps one after another: it pauses before a step,
// continues, stops at the first failure or when it is aborted, and says at any
// time how far it is. What the steps do is the caller's.
package plan

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// State is how a step stands.
type State string

const (
	Waiting State = "waiting"
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
	Skipped State = "skipped" // since one before it has failed, or the plan was aborted
)

// Step is one step, and how it stands.
type Step struct {
	Name   string
	State  State
	Detail string        // what it did, or why it failed
	Took   time.Duration // so far, while it runs
}

// Steps is a row of steps. Its methods may be called from any goroutine.
type Steps struct {
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu    sync.Mutex // guards what follows; no other lock is taken under it
	steps []Step
	at    int           // the current step, or the last one
	began time.Time     // when that step began
	gate  chan struct{} // closed by Next; nil: no pause before the next step
}

// New makes a row of steps by their names, none of them taken. They end with
// ctx; Take or Abort is to be called, or ctx to end, to free what they hold.
func New(ctx context.Context, names ...string) *Steps {
	s := &Steps{}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	for _, name := range names {
		s.steps = append(s.steps, Step{Name: name, State: Waiting})
	}
	return s
}

// Context is what each step runs under: it ends with Abort, and with Take.
func (s *Steps) Context() context.Context { return s.ctx }

// Take takes all steps in order, in the goroutine that calls it: do takes the
// step of that number, and says what it did. It returns the first failure, or
// the cause of the abort, behind which all others are skipped.
func (s *Steps) Take(do func(n int) (detail string, err error)) (failed error) {
	defer s.cancel(nil)
	for n := range s.steps {
		if failed == nil {
			failed = s.awaitNext()
		}
		if failed != nil {
			s.set(n, Skipped, "")
			continue
		}
		s.set(n, Running, "")
		detail, err := do(n)
		if err != nil {
			failed = fmt.Errorf("%s: %w", s.steps[n].Name, err)
			s.set(n, Failed, err.Error())
		} else {
			s.set(n, Done, detail)
		}
	}
	return failed
}

// set changes the state of one step.
func (s *Steps) set(n int, state State, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	step := &s.steps[n]
	switch state {
	case Running:
		s.at, s.began = n, time.Now()
	case Done, Failed:
		step.Took = time.Since(s.began)
	}
	step.State, step.Detail = state, detail
}

// awaitNext waits while the steps are paused, and returns why no further step may
// begin.
func (s *Steps) awaitNext() error {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-s.ctx.Done():
		}
	}
	return context.Cause(s.ctx)
}

// Pause stops before the next step, until Next or Abort.
func (s *Steps) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate == nil {
		s.gate = make(chan struct{})
	}
}

// Next goes on after Pause, with all steps that remain.
func (s *Steps) Next() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		close(s.gate)
		s.gate = nil
	}
}

// Paused says whether the next step waits for Next.
func (s *Steps) Paused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gate != nil
}

// Abort ends the context of the step that runs, and skips those that remain.
// The first cause counts.
func (s *Steps) Abort(cause error) { s.cancel(cause) }

// At is the name of the step that runs, "" when none does.
func (s *Steps) At() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.steps) > 0 && s.steps[s.at].State == Running {
		return s.steps[s.at].Name
	}
	return ""
}

// List is all steps as they stand now.
func (s *Steps) List() []Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.steps)
	if len(all) > 0 && all[s.at].State == Running {
		all[s.at].Took = time.Since(s.began)
	}
	return all
}
