package proxy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tcpctl/tcpctl/lock"
	"github.com/tcpctl/tcpctl/proxy/command"
	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// What must hold after a hook, before the next client is let in.
const (
	ReadyCheck   = "check"   // as many good checks in a row as after a down
	ReadyConnect = "connect" // one connect that works
	ReadyNone    = "none"
)

// What becomes of a hook that failed.
const (
	OnErrorHold   = "hold"   // try it again, later and later; clients stay in the queue
	OnErrorReject = "reject" // turn the next client away
	OnErrorIgnore = "ignore" // go on
)

// OnErrors are what can become of a hook that failed.
var OnErrors = []string{OnErrorHold, OnErrorReject, OnErrorIgnore}

// Hooks are run around a fragile backend, one at a time in a service. The
// zero value runs none.
type Hooks struct {
	BeforeNext Hook   // before the next client is let in: every Nth time, and after a TTL cut
	OnTTL      Hook   // when a session has held its slot for the whole TTL
	Ready      string // ReadyCheck, ReadyConnect, ReadyNone; "" is ReadyCheck
	// Shared lets a hook run beside live sessions of other slots. Otherwise
	// it waits for them to end: one that restarts the backend would cut them.
	Shared bool
}

// Hook is a program, or a Go function, to run. TCPLock's
// onActivateNextConnection and onTimeoutOccurred are two with a Func.
type Hook struct {
	Run     []string // argv; no shell
	Func    func(context.Context, HookCall) error
	Every   int           // of BeforeNext: 0 is every client, 20 every twentieth
	Timeout time.Duration // 0: 30 s. TERM, then KILL; a Func sees its context end
	OnError string        // "" is OnErrorHold
}

// HookCall is what a hook is told; a program finds it in TCPCTL_SERVICE and
// so on.
type HookCall struct {
	Service, Backend, Session, Client string
	Count                             int    // of clients let in, with this one
	Reason                            string // before_next, on_ttl
}

func (h *Hook) set() bool { return len(h.Run) > 0 || h.Func != nil }

// HookInfo is how a service's hooks are doing.
type HookInfo struct {
	State string     `json:"state"` // idle, running, retrying
	Name  string     `json:"name,omitempty"`
	Since *time.Time `json:"since,omitempty"`
	Runs  int64      `json:"runs"`
	Fails int64      `json:"fails"`
	Last  string     `json:"last,omitempty"` // what came of the last one
}

// hookState is a state of the freed slot, not of a waiter: who leaves the
// queue meanwhile takes nothing away, and comes to no harm.
type hookState struct {
	running  string // the hook that runs, or whose backend is being checked
	since    time.Time
	admitted int        // clients let in so far
	fresh    bool       // before_next has run for the next of them
	afterTTL bool       // it must run for the next, whichever number that is
	ttl      []HookCall // TTL cuts whose slot is not free before on_ttl has run
	failed   int        // in a row
	retryAt  time.Time

	runs, fails int64
	last        string
}

const (
	beforeNext = "before_next"
	onTTL      = "on_ttl"
)

// hookFirst says whether a hook must run before sess may go, and starts it
// when it may. The queue is locked.
func (s *Service) hookFirst(sess *Session, now time.Time) (lock.Verdict, Reason) {
	h, cfg := &s.hooks, &s.config().Hooks
	if h.running != "" || len(h.ttl) > 0 {
		return lock.Stay, ReasonHook
	}
	if !cfg.BeforeNext.set() || h.fresh || sess.rounds > 0 {
		return lock.Go, ""
	}
	if !h.afterTTL && (h.admitted+1)%max(cfg.BeforeNext.Every, 1) != 0 {
		return lock.Go, ""
	}
	if !cfg.Shared && s.active > 0 {
		return lock.Stay, ReasonHook
	}
	if now.Before(h.retryAt) {
		s.wakeAt(h.retryAt)
		return lock.Stay, ReasonHook
	}
	// One that has left gets no hook run: look once more before it starts.
	if end := sess.ended(sess.client.Gone()); end == relay.FIN || end == relay.Reset {
		sess.run.Post(sess, relay.Event{Kind: relay.Left, Side: sess.client, End: end})
		return lock.Skip, ReasonHook
	}
	call := HookCall{Service: s.name, Session: sess.ID(), Client: sess.client.Name(), Count: h.admitted + 1, Reason: beforeNext}
	if b, _ := s.choose(sess); b != nil {
		call.Backend = b.name
	} else if len(s.backends) == 1 {
		call.Backend = s.backends[0].name
	}
	s.startHook(cfg.BeforeNext, call)
	return lock.Stay, ReasonHook
}

// hookTaken notes that a client was let in. The queue is locked.
func (s *Service) hookTaken(sess *Session) {
	if sess.rounds == 0 {
		s.hooks.admitted++
		s.hooks.fresh, s.hooks.afterTTL = false, false
	}
}

// hookFreed is told of a session that gives its slot back. After a TTL cut
// the slot is free once on_ttl and what must hold after it are done (rule 6).
// The queue is locked.
func (s *Service) hookFreed(sess *Session) {
	cfg := &s.config().Hooks
	if sess.ending != nil && sess.ending.reason == ReasonTTL {
		s.hooks.afterTTL = cfg.BeforeNext.set()
		if cfg.OnTTL.set() {
			call := HookCall{Service: s.name, Session: sess.ID(), Client: sess.client.Name(), Count: s.hooks.admitted, Reason: onTTL}
			if sess.last != nil {
				call.Backend = sess.last.name
			}
			s.hooks.ttl = append(s.hooks.ttl, call)
		}
	}
	s.hooksDue()
}

// hooksDue starts the next on_ttl that may run: during a pause none does. The
// queue is locked.
func (s *Service) hooksDue() {
	h, cfg := &s.hooks, &s.config().Hooks
	if !cfg.OnTTL.set() && h.running == "" {
		h.ttl = nil // a reload has taken it away: it owes nothing any more
	}
	if h.running != "" || s.pause != nil || len(h.ttl) == 0 || !cfg.Shared && s.active > 0 {
		return
	}
	if time.Now().Before(h.retryAt) {
		s.wakeAt(h.retryAt)
		return
	}
	s.startHook(cfg.OnTTL, h.ttl[0])
}

// hooksChanged is called when a reload has brought other hooks: whoever has
// mended one need not wait for the next try. The queue is locked.
func (s *Service) hooksChanged() {
	s.hooks.retryAt = time.Time{}
	s.hooksDue()
}

func (s *Service) startHook(hook Hook, call HookCall) {
	s.hooks.running, s.hooks.since = call.Reason, time.Now()
	s.working.Add(1)
	go s.runHook(hook, call)
}

// runHook runs a hook and waits for what must hold after it.
func (s *Service) runHook(hook Hook, call HookCall) {
	defer s.working.Done()
	began := time.Now()
	said, err := s.callHook(hook, call)
	if err == nil {
		err = s.awaitReady(s.config().Hooks.Ready)
	}
	s.queue.Update(func() { s.hookDone(hook, call, said, err, time.Since(began)) })
}

// callHook runs the program or the function, whose panic is an error.
func (s *Service) callHook(hook Hook, call HookCall) (said string, err error) {
	timeout := hook.Timeout
	setDefault(&timeout, 30*time.Second)
	if hook.Func == nil {
		r := s.engine.commands.Run(s.ctx, command.Command{Argv: hook.Run, Timeout: timeout, Env: call.env()})
		return r.LastLine(), r.Err
	}
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
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
		"TCPCTL_CLIENT=" + c.Client, "TCPCTL_COUNT=" + strconv.Itoa(c.Count), "TCPCTL_REASON=" + c.Reason}
}

// hookDone decides what follows. Whatever it is, no slot is lost. The queue is
// locked, and asked again afterwards.
func (s *Service) hookDone(hook Hook, call HookCall, said string, err error, took time.Duration) {
	h := &s.hooks
	h.running = ""
	s.changedLocked()
	h.runs++
	ev := Event{Kind: EventHook, Service: s.name, Backend: call.Backend, Session: call.Session,
		Text: fmt.Sprintf("hook %s of %s done in %s", call.Reason, s.name, took.Round(time.Millisecond))}
	if err != nil {
		h.fails++
		h.failed++
		ev.Level = LevelWarn
		ev.Text = fmt.Sprintf("hook %s of %s failed: %v", call.Reason, s.name, err)
	}
	if said != "" {
		ev.Text += ": " + said
	}
	h.last = ev.Text
	onError := hook.OnError
	setDefault(&onError, OnErrorHold)
	switch {
	case err == nil:
		s.engine.noteSeldom(ev)
		s.hookPassed(call.Reason)
	case s.ctx.Err() != nil: // we are stopping
	case onError == OnErrorIgnore:
		ev.Text += "; going on"
		s.engine.noteSeldom(ev)
		s.hookPassed(call.Reason)
	case onError == OnErrorReject:
		ev.Text += "; the next client is turned away"
		s.engine.noteSeldom(ev)
		if call.Reason == onTTL {
			s.hookPassed(onTTL)
		}
		for w := range s.queue.Waiters() {
			sess := w.Owner.(*Session)
			sess.run.Post(sess, relay.Event{Kind: relay.Told, Arg: order{by: ByProxy, reason: ReasonHook}})
			break
		}
		// The next but one is not asked about before that one has gone.
		h.retryAt = time.Now().Add(firstRetry)
		s.wakeAt(h.retryAt)
	default:
		again := min(time.Second<<min(h.failed-1, 10), 30*time.Second)
		h.retryAt = time.Now().Add(again)
		s.wakeAt(h.retryAt)
		ev.Text += fmt.Sprintf("; clients are held, the next try is in %s", again)
		s.engine.Note(ev)
	}
	if s.pause != nil && s.quiet() {
		s.pauseEmptied()
	}
	s.hooksDue()
}

func (s *Service) hookPassed(reason string) {
	s.hooks.failed, s.hooks.retryAt = 0, time.Time{}
	if reason == onTTL {
		s.hooks.ttl = s.hooks.ttl[1:]
	} else {
		s.hooks.fresh = true
	}
}

// errNotReady says that a backend did not come back in time.
var errNotReady = errors.New("proxy: no backend came back in time")

// awaitReady waits for what must hold after a hook.
func (s *Service) awaitReady(how string) error {
	setDefault(&how, ReadyCheck)
	var all []*Backend
	s.queue.View(func() {
		for _, b := range s.backends {
			if b.admin() == AdminReady {
				all = append(all, b)
			}
		}
	})
	switch {
	case how == ReadyNone || len(all) == 0:
		return nil
	case how == ReadyConnect:
		return s.awaitConnect(all[0])
	case s.config().Check.Type == health.None:
		return nil
	}
	return s.awaitGood(s.ctx, all, 1)
}

func (s *Service) awaitConnect(b *Backend) error {
	ctx, cancel := context.WithTimeout(s.ctx, b.config().readyTimeout())
	defer cancel()
	for {
		var check health.Check
		s.queue.View(func() { check = b.check(health.TCP, b.addr) })
		check.Timeout, check.Polite = s.config().ConnectTimeout, true
		r := check.Run(ctx)
		if r.OK {
			return nil
		}
		if lack := relay.LackOf(r.Err); lack != "" {
			s.engine.lacking(lack, "check of "+b.target(), r.Err)
		}
		select {
		case <-ctx.Done():
			return errNotReady
		case <-time.After(urgentCheck):
		}
	}
}

// awaitGood demands good checks of backends, as many in a row as after a
// down, of which only those count that begin from now on (rule 11), and waits
// until enough of them are up.
func (s *Service) awaitGood(ctx context.Context, of []*Backend, enough int) error {
	limit := time.Duration(0)
	s.queue.Update(func() {
		for _, b := range of {
			b.demand()
			limit = max(limit, b.cfg.readyTimeout())
		}
	})
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := s.await(ctx, func() bool {
		up := 0
		for _, b := range of {
			if b.judge.Up() {
				up++
			}
		}
		return up >= enough
	})
	if err == nil {
		return nil
	}
	s.queue.Update(func() {
		for _, b := range of {
			b.judge.Fail()
		}
	})
	return errNotReady
}

// quiet says that nothing is live that a pause waits for. The queue is locked.
func (s *Service) quiet() bool { return s.active == s.bypassing && s.hooks.running == "" }

func (s *Service) hookInfo() *HookInfo {
	cfg, h := &s.config().Hooks, &s.hooks
	if !cfg.BeforeNext.set() && !cfg.OnTTL.set() {
		return nil
	}
	i := &HookInfo{State: "idle", Runs: h.runs, Fails: h.fails, Last: h.last}
	switch {
	case h.running != "":
		since := h.since
		i.State, i.Name, i.Since = "running", h.running, &since
	case h.failed > 0:
		i.State = "retrying"
	}
	return i
}
