package proxy

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/command"
	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/internal/balance"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// neededCheck is the longest interval between checks while clients wait for a backend.
const neededCheck = time.Second

func newBackend(s *Service, c BackendConfig) *Backend {
	b := &Backend{service: s, name: c.Name, balance: balance.Backend{Name: c.Name}, cfg: c, weight: c.Weight, priority: c.Priority,
		since: time.Now(), stopChecks: func() {}}
	b.checks = health.NewLoop(b.checkInterval, b.checkOnce)
	b.network, b.addr = "tcp", c.Addr
	if path, ok := strings.CutPrefix(c.Addr, "unix:"); ok {
		b.network, b.addr = "unix", path
	}
	b.setTLSLocked(c.TLS)
	b.tracker.Rise, b.tracker.Fall = s.config().Check.Rise, s.config().Check.Fall
	s.cluster.adoptLocked(b)
	return b
}

// startChecksLocked starts the checks of the backend, or lets Start do so. A passive
// backend is up until its clients' connections fail; after an upgrade, only if it was
// up before.
func (b *Backend) startChecksLocked() {
	s := b.service
	switch s.config().Check.Type {
	case health.None:
		b.tracker.Add(true)
		return
	case health.Passive:
		if !b.tracker.Known() && !s.engine.tookOver {
			b.tracker.Add(true)
		}
	}
	if s.workLocked() != nil {
		return
	}
	var ctx context.Context
	ctx, b.stopChecks = context.WithCancel(s.ctx)
	go func() {
		defer s.working.Done()
		label(roleCheck, s.name, b.name)
		b.checks.Run(ctx)
	}()
}

// demandLocked discards earlier successes: rise successful checks that begin from now
// on make the backend up again.
func (b *Backend) demandLocked() {
	b.tracker.Demand()
	b.evidence.forget()
	b.ejection.forget()
	b.demanded = time.Now()
	b.checks.Request()
}

func (c BackendConfig) readyTimeout() time.Duration {
	if c.ReadyTimeout > 0 {
		return c.ReadyTimeout
	}
	return time.Minute
}

// checkInterval returns the time from one check to the next, and whether any check is
// needed: none is for a backend that is checked by its clients' connections, while the
// last of them has reached it.
func (b *Backend) checkInterval() (d time.Duration, needed bool) {
	s := b.service
	s.queue.View(func() {
		d, needed = s.config().Check.Interval, true
		if s.config().Check.Type == health.Passive && b.tracker.Up() && b.tracker.Passed() {
			needed = false
		}
		if s.queue.Waiting() > 0 && (s.queue.Reason() == ReasonNoBackend || s.queue.Reason() == ReasonRetry) || b.sharedCheck.awaited {
			d = min(d, neededCheck)
		}
		if b.tracker.Demanding() {
			d = min(d, health.Urgent)
		}
	})
	return d, needed
}

// checkOnce checks once, unless the backend must not be checked now.
func (b *Backend) checkOnce(ctx context.Context) {
	s := b.service
	ctx, release, may := b.checkSlot(ctx, false) // others may hold it for long
	defer release()
	if !may {
		return
	}
	permit, err := s.engine.checks.Acquire(ctx) // before taking a slot of the lock
	if err != nil {
		return // ctx has ended
	}
	defer permit.Release()
	check, may := b.mayCheck()
	if !may {
		return
	}
	began := time.Now()
	result := b.runCheck(ctx, check)
	if ctx.Err() == nil {
		b.takeResult(result, began)
	}
	s.queue.Update(func() {
		if check.Polite {
			s.checking--
		}
	})
}

// mayCheck prepares the check, unless the backend is in maint. With a lock it takes a
// slot, so that the backend never has a connection too many; if there is none, the
// sessions that hold them prove that it is up.
func (b *Backend) mayCheck() (c health.Check, may bool) {
	s := b.service
	s.queue.Do(func() {
		kind := s.config().Check.Type
		if kind == health.None {
			kind = health.TCP // for a probe of a backend without checks
		}
		c = b.checkLocked(kind, b.checkAddr())
		may = b.admin() != AdminMaint
		if slots := s.config().Lock.Slots; slots > 0 && may {
			c.Polite = true
			if s.shared.slots != nil && !s.config().Hooks.BeforeNext.set() { // see checkSlot
				s.checking++
				return
			}
			// A backend that is down and has no sessions can bear a check even if all
			// slots are taken: otherwise it could never come back. A slot that is free
			// here may be taken by another process.
			away := b.active == 0 && !b.tracker.Up()
			free := s.active+s.checking < slots && s.predecessors.Waiting == 0 && s.handedOver == nil
			if may = away || free; may {
				s.checking++
			}
		}
	})
	return c, may
}

// checkLocked is a check of one type at an address of the backend; it opens the
// connection as a session does. A port that is only for checks gets no PROXY header,
// and TLS only if the check itself uses it, as with HAProxy.
func (b *Backend) checkLocked(kind, addr string) health.Check {
	sc := b.service.config()
	cc := sc.Check
	c := health.Check{Type: kind, Network: b.network, Addr: addr, Timeout: cc.Timeout,
		Path: cc.Path, Method: cc.Method, Host: cc.Host, Expect: cc.Expect, TLS: cc.TLS, Send: cc.Send, Want: cc.Want}
	d := b.dial()
	if addr == b.addr {
		c.First = localHeader(sc.SendProxy)
		if d.Secure = b.secured(c.First, true); d.Secure != nil {
			c.First, c.TLS = nil, false // TLS is there already
		}
	}
	connects := kind == health.TCP || kind == health.Passive
	c.Quiet = connects && !c.TLS && d.Secure == nil && relay.HasQuiet && sc.Dial == nil && b.network == "tcp"
	d.Addr, d.Quiet = addr, c.Quiet
	c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return relay.Connect(ctx, d) }
	return c
}

// dial describes how to connect to the backend, without a time limit.
func (b *Backend) dial() relay.Dial {
	c := b.service.config()
	return relay.Dial{Network: b.network, Addr: b.addr, Sock: c.Sock, Source: c.Source, SourceOffset: b.service.dials.Add(1), Func: b.service.containedDial(c.Dial)}
}

// checkExec is a check by an operator's program.
const checkExec = "exec"

// runCheck makes one check.
func (b *Backend) runCheck(ctx context.Context, c health.Check) (r health.Result) {
	err := b.service.contained("a check of "+b.target(), func() error {
		r = b.execCheck(ctx, c)
		return nil
	})
	if err != nil {
		return health.Result{Detail: err.Error(), Err: err}
	}
	return r
}

func (b *Backend) execCheck(ctx context.Context, c health.Check) health.Result {
	if c.Type != checkExec {
		return c.Run(ctx)
	}
	s := b.service
	r := s.engine.commands.Run(ctx, command.Command{Argv: s.config().Check.Run, Timeout: c.Timeout, Grace: time.Second,
		Env: []string{"TCPCTL_SERVICE=" + s.name, "TCPCTL_BACKEND=" + b.name, "TCPCTL_ADDR=" + c.Addr}})
	if r.Err != nil {
		return health.Result{Detail: strings.TrimPrefix(r.Err.Error(), "command: ") + lastLine(r.Output), Err: r.Err}
	}
	return health.Result{OK: true, Detail: fmt.Sprintf("exit status 0 in %s", r.Took.Round(time.Millisecond))}
}

// lastLine returns a program's last line, after a colon; "" if it printed nothing.
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
	port := cmp.Or(b.cfg.CheckPort, b.service.config().Check.Port)
	if port == 0 || b.network != "tcp" {
		return b.addr
	}
	host, _, _ := net.SplitHostPort(b.addr)
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// takeResult handles the result of a check. One that failed for lack of our own
// resources does not count.
func (b *Backend) takeResult(r health.Result, began time.Time) {
	if lack := relay.LackOf(r.Err); lack != "" {
		b.service.engine.noteLack(lack, "check of "+b.target(), r.Err)
		return
	}
	if isPanic(r.Err) {
		return // no fault of the backend
	}
	took := time.Since(began)
	b.service.queue.Update(func() {
		failed := Reason("")
		if !r.OK {
			failed = b.checkReason(r)
		}
		b.checkStats.addLocked(took.Seconds(), failed)
		if b.admin() == AdminMaint || began.Before(b.demanded) {
			return // too late
		}
		if r.OK {
			b.evidence.failing.Store(false)
			b.evidence.dials = 0
		}
		if b.service.config().Check.Type != health.None {
			b.addResultLocked(r)
			b.giveVerdictLocked(r)
		}
	})
}

// addResultLocked adds a result to the tracker: of a check or, for a passive backend,
// of a client.
func (b *Backend) addResultLocked(r health.Result) {
	b.sharedCheck.by = ""
	b.noteResultLocked(r)
	if b.tracker.Add(r.OK) {
		b.turnedLocked(r)
	}
}

func (b *Backend) noteResultLocked(r health.Result) {
	b.history.Add(r, time.Now())
	if r.RTT > 0 {
		b.rtt = r.RTT
	}
}

// turnedLocked is called when a result has made the backend up or down.
func (b *Backend) turnedLocked(r health.Result) {
	b.since = b.history.At
	ev := Event{Kind: EventBackendUp, Level: LevelGood, Service: b.service.name, Backend: b.name,
		Text: fmt.Sprintf("backend %s is up: %s", b.target(), r.Detail)}
	if r.OK {
		b.evidence.forget()
		b.ejection.forget() // the checks also saw the trouble, and its end
	} else {
		if b.service.handedOver == nil { // otherwise another process counts it
			b.transitions++
		}
		ev.Kind, ev.Level = EventBackendDown, LevelAlarm
		ev.Text = fmt.Sprintf("backend %s is down: %s (%d of %d %s failed)", b.target(), r.Detail, b.tracker.Consecutive(), b.tracker.Threshold(), b.resultNoun())
	}
	if by := b.sharedCheck.by; by != "" {
		ev.Text += ", checked by " + by
	}
	if r.OK && !b.downNoted && b.service.hooks.running != "" { // after each client's hook
		b.service.engine.noteThrottledAs(ev.Kind+" "+b.target(), ev)
	} else {
		b.service.engine.note(ev)
	}
	b.downNoted = !r.OK
	switch {
	case r.OK && b.everUp:
		b.slowStartSince = b.history.At
	case !r.OK && b.service.config().Check.OnDown == OnDownCut:
		b.resetLiveLocked()
	}
	b.everUp = b.everUp || r.OK
	b.service.servingChangedLocked()
}

// resultNoun names what the results are about.
func (b *Backend) resultNoun() string {
	if b.service.config().Check.Type == health.Passive {
		return "connections"
	}
	return "checks"
}

// resetLiveLocked resets the backend's sessions. Those that are still dialling will
// fail, and try another backend.
func (b *Backend) resetLiveLocked() {
	b.service.live.signal(endRequest{by: ByProxy, reason: ReasonBackendDown, on: b}, func(sess *Session) bool { return sess.relaying.Load() == b })
}
