package proxy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/lock"
	"github.com/tcpctl/tcpctl/proxy/relay"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Conditions after a hook, before the next client is admitted.
const (
	ReadyCheck   = "check"   // as many consecutive passed checks as after a down
	ReadyConnect = "connect" // one successful connect
	ReadyNone    = "none"
)

// What happens after a failed hook.
const (
	// OnErrorCheck checks once whether Hooks.Ready is met although the hook failed. If so,
	// clients are admitted, with a warning; otherwise the backends count as down, and
	// OnErrorHold applies.
	OnErrorCheck  = "check"
	OnErrorHold   = "hold"   // retry with back-off; clients stay in the queue
	OnErrorReject = "reject" // reject the next client
	OnErrorIgnore = "ignore" // admit the next client
)

// OnErrors lists what can happen after a failed hook.
var OnErrors = []string{OnErrorCheck, OnErrorHold, OnErrorReject, OnErrorIgnore}

// Hooks are commands that run between clients of a fragile backend, one at a time in
// a service. The zero value has none.
type Hooks struct {
	BeforeNext Hook   // before every Nth client is admitted, and after a TTL has cut a session
	OnTTL      Hook   // after a session reached its TTL
	OnExpire   Hook   // with ServiceConfig.Shared: before a slot is granted again whose node lost its lease
	Ready      string // ReadyCheck, ReadyConnect or ReadyNone; "" is ReadyCheck
	// Shared lets a hook run while sessions in other slots are live. Otherwise it
	// waits for them to end, at most Pause.Limit, because a hook that restarts the
	// backend would cut them. At that limit the hook fails, as if it had run.
	Shared bool
}

// Hook is a command or a Go function. TCPLock's onActivateNextConnection and
// onTimeoutOccurred are hooks with a Func.
type Hook struct {
	Run     []string                              // command with its arguments, run without a shell
	Func    func(context.Context, HookCall) error // instead of Run; it has to return once its context ends
	Every   int                                   // for BeforeNext: run before every Nth client; 0: 1
	Timeout time.Duration                         // then a command gets TERM and later KILL, and the context of a Func ends; 0: 30 s
	OnError string                                // "" is OnErrorCheck
}

// HookCall is the argument of a hook; a command gets it in TCPCTL_SERVICE and so on.
type HookCall struct {
	Service, Backend, Session, Client string
	Count                             int    // clients admitted so far, including this one; by all nodes if they share slots
	Reason                            string // before_next, on_ttl or on_expire
	Token                             uint64 // fencing token of the grant (SharedGrant), for on_ttl that of the cut session; 0: none
}

func (h *Hook) set() bool { return len(h.Run) > 0 || h.Func != nil }

func (h *Hook) onError() string { return cmp.Or(h.OnError, OnErrorCheck) }

// hookState is the state of a service's hooks. Hooks belong to the freed slot, not to a
// waiter: a waiter that leaves meanwhile changes nothing. It is guarded by the
// service's queue.
type hookState struct {
	service        *Service
	running        string // the hook that runs, or whose backend is being checked
	since          time.Time
	cancel         context.CancelCauseFunc // ends the running hook
	admitted       int                     // clients admitted so far
	beforeNextDone bool                    // before_next has run for the next client
	afterTTL       bool                    // before_next must run for the next client, whatever its number
	ttl            []ttlHook               // TTL cuts whose slot is not free before on_ttl has run
	failed         map[string]int          // consecutive failures, by hook
	held           string                  // the failed hook that holds clients; "": none
	retryAt        time.Time
	// waitSince is when the hook that is due began to wait for the sessions of other
	// slots; zero: it does not wait.
	waitSince time.Time

	runs, fails int64
	seconds     float64 // total duration of the runs
	last        string
}

const (
	beforeNext = "before_next"
	onTTL      = "on_ttl"
	onExpire   = "on_expire"
)

// ttlHook is an on_ttl that is due, with the arrival whose slot waits for it.
type ttlHook struct {
	HookCall
	arrival uint64
}

// owesLocked reports whether the slot of an arrival waits for on_ttl.
func (h *hookState) owesLocked(arrival uint64) bool {
	return slices.ContainsFunc(h.ttl, func(t ttlHook) bool { return t.arrival == arrival })
}

// ofGrantLocked reports whether the running hook is required by a shared grant.
func (h *hookState) ofGrantLocked() bool {
	return h.service.shared.slots != nil && (h.running == beforeNext || h.running == onExpire)
}

// beforeLocked reports whether a hook must run before sess may be admitted, and starts
// it if it may run.
func (h *hookState) beforeLocked(sess *Session, now time.Time) (lock.Decision, Reason) {
	s := h.service
	cfg := &s.config().Hooks
	if h.running != "" || len(h.ttl) > 0 {
		return lock.Wait, ReasonHook
	}
	if s.shared.slots != nil || !cfg.BeforeNext.set() || h.beforeNextDone || sess.requeues > 0 {
		return lock.Admit, "" // with shared slots, the grant requires hooks
	}
	if !h.afterTTL && (h.admitted+1)%max(cfg.BeforeNext.Every, 1) != 0 {
		return lock.Admit, ""
	}
	return h.beginLocked(cfg.BeforeNext, HookCall{Count: h.admitted + 1, Reason: beforeNext}, sess, now)
}

// beginLocked starts a hook that sess waits for, if it may run.
func (h *hookState) beginLocked(hook Hook, call HookCall, sess *Session, now time.Time) (lock.Decision, Reason) {
	s := h.service
	if now.Before(h.retryAt) {
		s.timer.set(h.retryAt)
		return lock.Wait, ReasonHook
	}
	ready, why := true, error(nil)
	if call.Reason != onExpire { // onExpire is about a lost node, not about the backend
		ready, why = h.mayStartLocked(sess.waiter.Since(), now)
	}
	if !ready || s.ctx.Err() != nil {
		return lock.Wait, ReasonHook
	}
	// No hook is run for a client that has left: probe it before the start.
	if end := sess.clientEnd(sess.client.Probe()); end == relay.FIN || end == relay.Reset {
		sess.runner().Post(sess, relay.Event{Kind: relay.PeerClosed, Side: sess.client, End: end})
		return lock.Skip, ReasonHook
	}
	call.Service, call.Session, call.Client = s.name, sess.ID(), sess.client.Name()
	if b := s.backends.chooseLocked(sess); b != nil {
		call.Backend = b.name
	} else if len(s.backends.all) == 1 {
		call.Backend = s.backends.all[0].name
	}
	h.startLocked(hook, call, why)
	return lock.Wait, ReasonHook
}

// admittedLocked counts an admitted client.
func (h *hookState) admittedLocked(sess *Session) {
	if sess.requeues == 0 {
		h.admitted++
		h.beforeNextDone, h.afterTTL = false, false
		h.waitSince = time.Time{}
	}
}

// releasedLocked is called when a session returns its slot. After a TTL cut the slot is
// free once on_ttl has run and its condition holds (rule 6).
func (h *hookState) releasedLocked(sess *Session) {
	s := h.service
	cfg := &s.config().Hooks
	if sess.ending != nil && sess.ending.reason == ReasonTTL {
		h.afterTTL = cfg.BeforeNext.set()
		if cfg.OnTTL.set() {
			call := HookCall{Service: s.name, Session: sess.ID(), Client: sess.client.Name(), Count: h.admitted, Reason: onTTL, Token: sess.grantToken()}
			if sess.last != nil {
				call.Backend = sess.last.name
			}
			h.ttl = append(h.ttl, ttlHook{call, sess.waiter.Arrival()})
		}
	}
	h.dueLocked()
}

// dueLocked starts the next on_ttl that may run, except during a pause.
func (h *hookState) dueLocked() {
	s := h.service
	cfg := &s.config().Hooks
	if !cfg.OnTTL.set() && h.running == "" && len(h.ttl) > 0 {
		for len(h.ttl) > 0 { // removed by a reload: nothing is owed any more
			h.passLocked(onTTL)
		}
	}
	if s.pause.current != nil {
		h.waitSince = time.Time{}
	}
	if h.running != "" || s.pause.current != nil || len(h.ttl) == 0 || s.ctx.Err() != nil {
		return
	}
	now := time.Now()
	if now.Before(h.retryAt) {
		s.timer.set(h.retryAt)
		return
	}
	if ready, why := h.mayStartLocked(time.Time{}, now); ready {
		h.startLocked(cfg.OnTTL, h.ttl[0].HookCall, why)
	}
}

// mayStartLocked reports whether a hook that is due may begin: not beside a session of
// another slot, unless it is shared. Those sessions have pause.limit, from when the
// hook began to wait or the client that waits for it came; after that the hook has
// failed with why.
func (h *hookState) mayStartLocked(came, now time.Time) (ready bool, why error) {
	s := h.service
	cfg := s.config()
	if cfg.Hooks.Shared || s.active == 0 {
		return true, nil
	}
	if h.waitSince.IsZero() {
		h.waitSince = now
		s.changes.notifyLocked()
	}
	limit := cfg.Pause.Limit
	if limit < 0 {
		limit = cfg.Pause.Max
	}
	if until := later(h.waitSince, came).Add(limit); now.Before(until) {
		s.timer.set(until)
		return false, nil
	}
	return true, fmt.Errorf("%s did not end within %s", text.Plural(s.active, "other session"), text.Duration(limit))
}

// skipLocked admits clients in spite of a hook that has failed, or that is being
// retried; with force, also one that runs for the first time. It returns what it did;
// "": no hook holds clients.
func (h *hookState) skipLocked(o ResumeOptions) (did string, err error) {
	s := h.service
	switch {
	case h.running != "" && h.failed[h.running] == 0 && !o.Force:
		return "", fmt.Errorf("proxy: %s is not paused; its hook %s runs for %s: use --force to end it", s.name, h.running, roughly(time.Since(h.since)))
	case h.running != "":
		did = fmt.Sprintf("resume %s: hook %s is ended, and clients continue", s.name, h.running)
		h.cancel(errSkipped)
	case h.held != "":
		did = fmt.Sprintf("resume %s: clients continue without hook %s, which failed %s", s.name, h.held, text.Plural(h.failed[h.held], "time"))
		h.passLocked(h.held)
		h.dueLocked()
	case !h.waitSince.IsZero() && o.Force:
		name := onTTL
		if len(h.ttl) == 0 {
			name = beforeNext // on_expire does not wait for sessions
		}
		did = fmt.Sprintf("resume %s: clients continue without hook %s, which waited for %s", s.name, name, text.Plural(s.active, "other session"))
		h.passLocked(name)
		h.dueLocked()
	}
	return did, nil
}

// configuredLocked is called when a reload has changed the hooks: a changed hook runs
// without waiting for its next retry.
func (h *hookState) configuredLocked() {
	h.retryAt = time.Time{}
	if cfg := &h.service.config().Hooks; h.held == beforeNext && !cfg.BeforeNext.set() || h.held == onExpire && !cfg.OnExpire.set() {
		h.passLocked("")
	}
	h.dueLocked()
}
