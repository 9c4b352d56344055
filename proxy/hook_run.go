package proxy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/command"
	"github.com/tcpctl/tcpctl/proxy/health"
)

const (
	// hookAlarm is how many consecutive failures raise an alarm.
	hookAlarm = 3
	// hookLatest is the longest time before a retry of a failed hook.
	hookLatest = 30 * time.Second
)

// hookResult is the result of one run.
type hookResult struct {
	said string // the last line that it printed
	err  error
	took time.Duration
	// The state of the backends after a failure, under OnErrorCheck.
	met    bool
	failed map[*Backend]health.Result
}

// errSkipped says that an operator has ended a hook.
var errSkipped = errors.New("skipped by an operator")

// startLocked runs a hook. If it has waited too long to begin, it has failed with why.
func (h *hookState) startLocked(hook Hook, call HookCall, why error) {
	s := h.service
	if s.workLocked() != nil {
		return // no client is left for whom it would run
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	h.running, h.since, h.cancel, h.waitSince = call.Reason, time.Now(), cancel, time.Time{}
	s.changes.notifyLocked()
	go h.run(ctx, hook, call, why)
}

// run runs a hook and waits for its condition.
func (h *hookState) run(ctx context.Context, hook Hook, call HookCall, why error) {
	s := h.service
	defer s.working.Done()
	label(roleHook, s.name, "")
	began := time.Now()
	r := hookResult{err: why}
	if why == nil {
		r.said, r.err = h.call(ctx, hook, call)
		if r.err == nil {
			r.err = h.awaitReady(ctx, s.config().Hooks.Ready)
		}
	}
	if r.err != nil && ctx.Err() == nil && hook.onError() == OnErrorCheck {
		r.met, r.failed = h.probe(ctx, s.config().Hooks.Ready)
	}
	if cause := context.Cause(ctx); cause == errSkipped || cause == errLeaseLost {
		r.err = cause
	}
	r.took = time.Since(began)
	s.queue.Update(func() { h.doneLocked(hook, call, r, why == nil) })
}

// call runs the program or the function; a panic is returned as an error.
func (h *hookState) call(ctx context.Context, hook Hook, call HookCall) (said string, err error) {
	s := h.service
	timeout := hook.Timeout
	setDefault(&timeout, 30*time.Second)
	if hook.Func == nil {
		r := s.engine.commands.Run(ctx, command.Command{Argv: hook.Run, Timeout: timeout, Env: call.env()})
		return r.LastLine(), r.Err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = s.engine.panicked(s.name, call.Session, "hook "+call.Reason, p)
		}
	}()
	return "", hook.Func(ctx, call)
}

func (c HookCall) env() []string {
	return []string{"TCPCTL_SERVICE=" + c.Service, "TCPCTL_BACKEND=" + c.Backend, "TCPCTL_SESSION=" + c.Session,
		"TCPCTL_CLIENT=" + c.Client, "TCPCTL_COUNT=" + strconv.Itoa(c.Count), "TCPCTL_REASON=" + c.Reason, "TCPCTL_TOKEN=" + c.token()}
}

// token is empty unless slots are shared.
func (c HookCall) token() string {
	if c.Token == 0 {
		return ""
	}
	return strconv.FormatUint(c.Token, 10)
}

// doneLocked decides what follows a run. No slot is lost in any case. The queue is
// asked again afterwards.
func (h *hookState) doneLocked(hook Hook, call HookCall, r hookResult, ran bool) {
	s := h.service
	h.cancel(nil)
	h.running, h.held = "", ""
	s.changes.notifyLocked()
	if ran {
		h.runs++
		h.seconds += r.took.Seconds()
	}
	ev := Event{Kind: EventHook, Service: s.name, Backend: call.Backend, Session: call.Session,
		Text: fmt.Sprintf("hook %s of %s done in %s", call.Reason, s.name, r.took.Round(time.Millisecond))}
	switch {
	case r.err == nil:
		if r.said != "" {
			ev.Text += ": " + r.said
		}
		h.last = ev.Text
		delete(h.failed, call.Reason)
		s.engine.noteThrottled(ev)
		h.passLocked(call.Reason)
	case r.err == errSkipped:
		h.passLocked(call.Reason)
	case r.err == errLeaseLost:
		ev.Level, ev.Text = LevelWarn, fmt.Sprintf("hook %s of %s was ended: %v", call.Reason, s.name, r.err)
		h.last = ev.Text
		s.engine.note(ev)
	case s.ctx.Err() == nil: // otherwise we are stopping
		h.failedLocked(hook, call, r, ev)
	}
	s.shared.giveBackLocked()
	s.pause.settleLocked()
	h.dueLocked()
}

// failedLocked applies the hook's OnError.
func (h *hookState) failedLocked(hook Hook, call HookCall, r hookResult, ev Event) {
	s := h.service
	h.fails++
	h.failed[call.Reason]++
	n := h.failed[call.Reason]
	ev.Level = LevelWarn
	why := strings.TrimPrefix(r.err.Error(), "command: ")
	if r.said != "" {
		why += ": " + r.said
	}
	ev.Text = fmt.Sprintf("hook %s of %s failed: %s", call.Reason, s.name, why)
	h.last = ev.Text
	if n == hookAlarm {
		ev.Kind, ev.Level = EventHookFailing, LevelAlarm
		ev.Text = fmt.Sprintf("hook %s of %s failed %d times in a row: %s", call.Reason, s.name, n, why)
	}
	onError := hook.onError()
	switch {
	case onError == OnErrorCheck && r.met:
		ev.Text += "; a backend still answers: admitting clients"
		h.passLocked(call.Reason)
	case onError == OnErrorIgnore:
		ev.Text += "; admitting clients"
		h.passLocked(call.Reason)
	case onError == OnErrorReject:
		ev.Text += "; rejecting the next client"
		h.rejectLocked(call.Reason)
	default:
		again := min(time.Second<<min(n-1, 10), hookLatest)
		h.held, h.retryAt = call.Reason, time.Now().Add(again)
		s.timer.set(h.retryAt)
		ev.Text += fmt.Sprintf("; holding clients, retrying in %s; tcpctl resume %s continues without it", again, s.name)
		for b, seen := range r.failed {
			b.downAfterLocked(call.Reason, seen)
		}
	}
	if n <= hookAlarm {
		s.engine.note(ev)
	} else {
		s.engine.noteThrottled(ev)
	}
}

// rejectLocked rejects the next client.
func (h *hookState) rejectLocked(reason string) {
	s := h.service
	if reason == onTTL {
		h.passLocked(onTTL)
	}
	for w := range s.queue.Waiters() {
		sess := w.Owner.(*Session)
		sess.signal(endRequest{by: ByProxy, reason: ReasonHook})
		break
	}
	// The hook is not started again for the following client before this one has gone.
	h.retryAt = time.Now().Add(firstRetry)
	s.timer.set(h.retryAt)
}

// passLocked lets clients continue without a hook; "": the hook no longer exists. A
// backend that a failed hook has taken down is checked again; one that is never checked
// is up.
func (h *hookState) passLocked(reason string) {
	s := h.service
	h.held, h.retryAt, h.waitSince = "", time.Time{}, time.Time{}
	switch {
	case reason == onTTL && len(h.ttl) > 0:
		arrival := h.ttl[0].arrival
		h.ttl = h.ttl[1:]
		s.shared.doneLocked(arrival)
	case s.shared.slots != nil:
		s.shared.passedLocked(reason)
	case reason == beforeNext:
		h.beforeNextDone = true
	}
	for _, b := range s.backends.all {
		if !b.hooked {
			continue
		}
		b.hooked = false
		if s.config().Check.Type == health.None {
			b.tracker.Reset()
			b.addResultLocked(health.Result{OK: true, Detail: "the hook has ended; the backend is not checked"})
		} else if !b.tracker.Up() {
			b.demandLocked()
		}
	}
}

// downAfterLocked takes a backend down that does not answer after a failed hook.
func (b *Backend) downAfterLocked(hook string, seen health.Result) {
	b.hooked = true
	if !b.tracker.Up() && b.tracker.Known() && !b.tracker.Demanding() {
		return
	}
	b.tracker.Demand()
	b.tracker.Fail()
	b.evidence.forget()
	b.ejection.forget()
	b.since = time.Now()
	b.history.Add(seen, b.since)
	if b.service.handedOver == nil { // otherwise another process counts it
		b.transitions++
	}
	b.downNoted = true
	b.service.engine.note(Event{Kind: EventBackendDown, Level: LevelAlarm, Service: b.service.name, Backend: b.name,
		Text: fmt.Sprintf("backend %s is down: %s failed, and then: %s", b.target(), hook, seen.Detail)})
	if b.service.config().Check.OnDown == OnDownCut {
		b.resetLiveLocked()
	}
	b.service.servingChangedLocked()
}
