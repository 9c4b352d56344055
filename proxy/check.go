package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/command"
	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

const (
	// urgentCheck is how soon after the last one a check follows that
	// somebody has asked for, for example a session whose dial failed.
	urgentCheck = 250 * time.Millisecond
	// neededCheck is the longest interval while clients wait for a backend.
	neededCheck = time.Second
)

func newBackend(s *Service, c BackendConfig) *Backend {
	b := &Backend{service: s, name: c.Name, cfg: c, weight: c.Weight, priority: c.Priority,
		since: time.Now(), checkNow: make(chan struct{}, 1), stopChecks: func() {}}
	b.network, b.addr = "tcp", c.Addr
	if path, ok := strings.CutPrefix(c.Addr, "unix:"); ok {
		b.network, b.addr = "unix", path
	}
	b.judge.Rise, b.judge.Fall = s.config().Check.Rise, s.config().Check.Fall
	return b
}

// startChecks begins to look at the backend. The queue is locked.
func (s *Service) startChecks(b *Backend) {
	if s.config().Check.Type == health.None {
		b.judge.Add(true)
		return
	}
	var ctx context.Context
	ctx, b.stopChecks = context.WithCancel(s.ctx)
	s.working.Add(1)
	go b.keepChecking(ctx)
}

// demand forgets what was good of the backend: rise good checks that begin
// from now on make it up again. The queue is locked.
func (b *Backend) demand() {
	b.judge.Demand()
	b.demanded = time.Now()
	b.poke()
}

func (c BackendConfig) readyTimeout() time.Duration {
	if c.ReadyTimeout > 0 {
		return c.ReadyTimeout
	}
	return time.Minute
}

// poke asks for a check now.
func (b *Backend) poke() {
	select {
	case b.checkNow <- struct{}{}:
	default:
	}
}

// keepChecking looks at the backend until ctx ends.
func (b *Backend) keepChecking(ctx context.Context) {
	defer b.service.working.Done()
	for {
		wait := b.checkOnce(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-b.checkNow:
			timer.Stop()
			select { // a burst of wishes is one check
			case <-time.After(min(urgentCheck, wait)):
			case <-ctx.Done():
			}
		case <-ctx.Done():
			timer.Stop()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// checkOnce looks once, if it may, and says when to look again.
func (b *Backend) checkOnce(ctx context.Context) (wait time.Duration) {
	s := b.service
	permit, err := s.engine.checks.Acquire(ctx) // before a slot of the lock
	if err != nil {
		return 0 // the end of ctx
	}
	defer permit.Release()
	check, may := b.mayCheck()
	if may {
		began := time.Now()
		result := b.look(ctx, check)
		if ctx.Err() == nil {
			b.took(result, began)
		}
		s.queue.Update(func() {
			if check.Polite {
				s.checking--
			}
		})
	}
	s.queue.View(func() {
		wait = s.config().Check.Interval
		if s.queue.Waiting() > 0 && (s.queue.Why() == ReasonNoBackend || s.queue.Why() == ReasonRetry) {
			wait = min(wait, neededCheck)
		}
		if b.judge.Demanding() {
			wait = min(wait, urgentCheck)
		}
	})
	// A little jitter, or a thousand backends are looked at in one moment.
	return wait - time.Duration(rand.Int64N(int64(wait)/10+1))
}

// mayCheck makes the check, unless the backend is in maint. Behind a lock it
// takes a slot, so that the backend never sees one more than it can bear;
// when there is none, those who hold them are proof enough.
func (b *Backend) mayCheck() (c health.Check, may bool) {
	s := b.service
	s.queue.Do(func() {
		cc := s.config().Check
		c = health.Check{Type: cc.Type, Network: b.network, Addr: b.checkAddr(), Timeout: cc.Timeout,
			Path: cc.Path, Method: cc.Method, Host: cc.Host, Expect: cc.Expect, TLS: cc.TLS, Send: cc.Send, Want: cc.Want}
		may = b.admin() != AdminMaint
		if slots := s.config().Lock.Slots; slots > 0 && may {
			c.Polite = true
			// One that is away and has nobody bears a look, whoever holds the
			// slots: or it could never come back.
			away := b.active == 0 && !b.judge.Up()
			if may = away || s.active+s.checking < slots; may {
				s.checking++
			}
		}
	})
	return c, may
}

// checkExec is a check that is a program of the operator's.
const checkExec = "exec"

// look checks once.
func (b *Backend) look(ctx context.Context, c health.Check) health.Result {
	if c.Type != checkExec {
		return c.Run(ctx)
	}
	s := b.service
	r := s.engine.commands.Run(ctx, command.Command{Argv: s.config().Check.Run, Timeout: c.Timeout, Grace: time.Second,
		Env: []string{"TCPCTL_SERVICE=" + s.name, "TCPCTL_BACKEND=" + b.name, "TCPCTL_ADDR=" + c.Addr}})
	if r.Err != nil {
		return health.Result{Detail: strings.TrimPrefix(r.Err.Error(), "command: ") + lastLine(r.Output)}
	}
	return health.Result{OK: true, Detail: fmt.Sprintf("exit status 0 in %s", r.Took.Round(time.Millisecond))}
}

// lastLine is what a program said last, behind a colon; "" when it was silent.
func lastLine(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return ": " + last[:min(len(last), 80)]
	}
	return ""
}

// checkAddr is the backend's own address, or its port for checks
// (node-tcp-proxy's monitor_port).
func (b *Backend) checkAddr() string {
	port := b.cfg.CheckPort
	if port == 0 {
		port = b.service.config().Check.Port
	}
	if port == 0 || b.network != "tcp" {
		return b.addr
	}
	host, _, _ := net.SplitHostPort(b.addr)
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// took takes in the result of a check.
func (b *Backend) took(r health.Result, began time.Time) {
	b.service.queue.Update(func() {
		if b.admin() == AdminMaint || began.Before(b.demanded) {
			return // it came too late
		}
		b.last, b.lastAt = r, time.Now()
		b.checks[b.seen%len(b.checks)] = "!+"[bit(r.OK)]
		b.seen++
		if r.OK {
			b.rtt = r.RTT
		}
		if !b.judge.Add(r.OK) {
			return
		}
		b.since = b.lastAt
		ev := Event{Kind: EventBackendUp, Level: LevelGood, Service: b.service.name, Backend: b.name,
			Text: fmt.Sprintf("backend %s is up: %s", b.target(), r.Detail)}
		if !r.OK {
			b.flaps++
			ev.Kind, ev.Level = EventBackendDn, LevelAlarm
			ev.Text = fmt.Sprintf("backend %s is down: %s, %d of %d", b.target(), r.Detail, b.judge.Streak(), b.judge.Need())
		}
		b.service.engine.Note(ev)
		switch {
		case r.OK && b.wasUp:
			b.warmSince = b.lastAt
		case !r.OK && b.service.config().Check.OnDown == OnDownCut:
			b.cutLive()
		}
		b.wasUp = b.wasUp || r.OK
		b.service.servingChangedLocked()
	})
}

// cutLive resets the sessions that the backend has. Those that are being
// dialled will find out, and try another. The queue is locked.
func (b *Backend) cutLive() {
	for sess := range b.service.live.all() {
		if sess.relaying.Load() == b {
			sess.run.Post(sess, relay.Event{Kind: relay.Told, Arg: order{by: ByProxy, reason: ReasonBackendDown, on: b}})
		}
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// dialFailed takes note of a session that could not connect, and wants to
// know at once whether the backend is still there.
func (b *Backend) dialFailed(err error) {
	b.service.queue.Do(func() {
		b.failed++
		if ok, missed := b.dialsFailed.pass(time.Second); ok {
			text := fmt.Sprintf("dial of %s failed: %s", b.target(), health.Explain(err))
			if missed > 0 {
				text += fmt.Sprintf(" (and %d more)", missed)
			}
			b.service.engine.Note(Event{Kind: EventDial, Level: LevelWarn, Service: b.service.name, Backend: b.name, Text: text})
		}
	})
	b.poke()
}

// Probe checks now and says what came. The result counts like any other.
func (b *Backend) Probe() (text string, err error) {
	permit, err := b.service.engine.checks.Acquire(b.service.ctx)
	if err != nil {
		return "", fmt.Errorf("proxy: %s is not checked: the engine is stopping", b.target())
	}
	defer permit.Release()
	check, may := b.mayCheck()
	if !may {
		return "", fmt.Errorf("proxy: %s cannot be checked now: it is in maint, or every slot is taken", b.target())
	}
	began := time.Now()
	r := b.look(b.service.ctx, check)
	b.took(r, began)
	if check.Polite {
		b.service.queue.Update(func() { b.service.checking-- })
	}
	if !r.OK {
		return fmt.Sprintf("probe %s: bad, %s", b.target(), r.Detail), nil
	}
	return fmt.Sprintf("probe %s: good, %s", b.target(), r.Detail), nil
}
