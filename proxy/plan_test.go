package proxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// restarter makes a restart command for a server: it makes a file, and a goroutine that
// sees the file kills the server and starts it again.
func restarter(t *testing.T, s *server) []string {
	mark := filepath.Join(t.TempDir(), "mark")
	done := filepath.Join(t.TempDir(), "done")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			if os.Remove(mark) == nil {
				s.kill()
				s.restart(t)
				os.WriteFile(done, nil, 0o600)
			}
		}
	})
	t.Cleanup(func() { close(stop); wg.Wait() })
	return []string{"/bin/sh", "-c", fmt.Sprintf("touch %s; while ! rm %s 2>/dev/null; do sleep 0.01; done", mark, done)}
}

// regulars are clients that reconnect for ever, and count failures.
type regulars struct {
	stop   chan struct{}
	wg     sync.WaitGroup
	served atomic.Int64
	mu     sync.Mutex
	failed []string
}

func (v *visit) regulars(n int) *regulars {
	r := &regulars{stop: make(chan struct{})}
	for i := range n {
		r.wg.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-r.stop:
					return
				default:
				}
				name := fmt.Sprintf("%d.%d", i, k)
				c := v.dial(name)
				if got := c.hear(); !strings.HasSuffix(got, " "+name) {
					r.mu.Lock()
					r.failed = append(r.failed, got)
					r.mu.Unlock()
				}
				c.Close()
				r.served.Add(1)
				time.Sleep(time.Millisecond)
			}
		})
	}
	return r
}

func (r *regulars) end(t *testing.T) {
	t.Helper()
	close(r.stop)
	r.wg.Wait()
	if len(r.failed) > 0 {
		t.Errorf("%d of %d failed, the first with %q", len(r.failed), r.served.Load(), r.failed[0])
	}
}

func (v *visit) ended(p *proxy.Plan, err error) proxy.Report {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-time.After(patience):
		v.Fatalf("the plan never ended: %+v", p.Report())
	}
	return p.Report()
}

func TestRule20RestartOfTheOnlyBackendHoldsClients(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	b := s.backend()
	b.Restart = restarter(t, s)
	v := start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{b}, NoBackend: proxy.Reject})
	v.untilUp()
	r := v.regulars(8)
	p, err := v.svc.Backend("a").StartRestart(proxy.PlanOptions{By: "ana"})
	report := v.ended(p, err)
	r.end(t)
	if report.State != proxy.PlanDone || report.Numbers.Failed != 0 || report.Numbers.Held == 0 {
		t.Errorf("%+v", report)
	}
	if i := v.svc.Info(); i.Backends[0].Admin != proxy.AdminReady || i.Pause != nil {
		t.Errorf("afterwards: %+v", i)
	}
}

func TestRule20ACommandThatFailsLeavesItDrained(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	b := s.backend()
	b.Restart = []string{"/bin/sh", "-c", "echo no disk; exit 3"}
	v := start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{b}})
	v.untilUp()
	const longest = time.Second
	began := time.Now()
	report := v.ended(v.svc.Backend("a").StartRestart(proxy.PlanOptions{By: "ana", Max: longest}))
	if report.State != proxy.PlanFailed || !strings.Contains(report.Error, "no disk") {
		t.Errorf("%+v", report)
	}
	i := v.svc.Info()
	ended := i.Pause == nil && time.Since(began) >= longest // the machine is busy
	if i.Backends[0].Admin != proxy.AdminDrain || !ended && (i.Pause == nil || i.Pause.By != proxy.PlanRestart) {
		t.Errorf("it must stay drained, and clients held until max: %+v", i)
	}
	v.until("the pause has ended at its max", func(i proxy.ServiceInfo) bool { return i.Pause == nil })
	v.must(v.svc.Backend("a").Ready("ana", ""))
	v.dial("x").hears("a x")
}

func TestRollOverTwoBackends(t *testing.T) {
	t.Parallel()
	var c proxy.ServiceConfig
	for _, name := range []string{"pg-a", "pg-b"} {
		s := newServer(t, name)
		b := s.backend()
		b.Restart = restarter(t, s)
		c.Backends = append(c.Backends, b)
	}
	v := start(t, c)
	v.untilUp()
	r := v.regulars(8)
	report := v.ended(v.svc.StartRoll(proxy.PlanOptions{By: "ana", Match: "pg-*"}))
	r.end(t)
	if report.State != proxy.PlanDone || report.Numbers.Failed+report.Numbers.Cut != 0 {
		t.Errorf("%+v", report)
	}
	if _, err := v.svc.StartRoll(proxy.PlanOptions{Match: "my-*"}); err == nil {
		t.Error("a roll over nothing began")
	}
}

// window begins a window and waits until its command may run.
func (v *visit) window(o proxy.PlanOptions) *proxy.Plan {
	v.Helper()
	p, err := v.svc.StartWindow(o)
	if err != nil {
		v.Fatal(err)
	}
	v.until("the command may run", func(proxy.ServiceInfo) bool { return p.Report().Steps[1].State == proxy.StepRunning })
	return p
}

func TestRule18AWindow(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	v := start(t, proxy.ServiceConfig{}, s)
	v.untilUp()
	r := v.regulars(8)
	p := v.window(proxy.PlanOptions{By: "ana", Reason: "kernel patch"})
	if _, err := v.svc.Pause(proxy.PauseOptions{By: "bob"}); err == nil || !strings.Contains(err.Error(), "ana") {
		t.Errorf("rule 14: a second operator gets %v", err)
	}
	if _, err := v.svc.Resume(proxy.ResumeOptions{By: "bob"}); err == nil {
		t.Error("rule 14: a window was resumed without force")
	}
	s.kill()
	s.restart(t)
	if err := p.CommandEnded("guess", nil); err == nil {
		t.Error("a caller without the token ended the command")
	}
	if err := p.CommandEnded(p.Token(), nil); err != nil {
		t.Fatal(err)
	}
	report := v.ended(p, nil)
	r.end(t)
	if report.State != proxy.PlanDone || report.Numbers.Failed != 0 {
		t.Errorf("%+v", report)
	}
}

func TestRule18TheLimitPassedUnderAbort(t *testing.T) {
	t.Parallel()
	v := start(t, proxy.ServiceConfig{}, newServer(t, "a"))
	live := v.dial("live")
	live.hears("a live")
	report := v.ended(v.svc.StartWindow(proxy.PlanOptions{By: "ana", Limit: 30 * time.Millisecond, Then: proxy.ThenAbort}))
	if report.State != proxy.PlanTimedOut || report.Steps[1].State != proxy.StepSkipped {
		t.Errorf("%+v", report)
	}
	v.dial("next").hears("a next")
}

func TestRule18TheCommandFailed(t *testing.T) {
	t.Parallel()
	v := start(t, proxy.ServiceConfig{}, newServer(t, "a"))
	v.untilUp()
	p := v.window(proxy.PlanOptions{By: "ana"})
	p.CommandEnded(p.Token(), errors.New("exit status 1"))
	report := v.ended(p, nil)
	if report.State != proxy.PlanFailed || !strings.Contains(report.Error, "exit status 1") {
		t.Errorf("%+v", report)
	}
	v.dial("next").hears("a next") // the checks have passed
}

func TestRule18HeldUntilMaxWhenTheChecksAreBad(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	b := s.backend()
	b.ReadyTimeout = 50 * time.Millisecond
	v := start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{b}})
	v.untilUp()
	p := v.window(proxy.PlanOptions{By: "ana", Max: 500 * time.Millisecond})
	s.kill()
	p.CommandEnded(p.Token(), errors.New("exit status 1"))
	report := v.ended(p, nil)
	if report.State != proxy.PlanFailed {
		t.Errorf("%+v", report)
	}
	waiter := v.dial("waiter")
	v.until("the pause has ended at its max", func(i proxy.ServiceInfo) bool { return i.Pause == nil })
	s.restart(t)
	waiter.hears("a waiter")
}

func TestRule18TheCommandOutlivesMax(t *testing.T) {
	t.Parallel()
	v := start(t, proxy.ServiceConfig{}, newServer(t, "a"))
	v.untilUp()
	p := v.overdueWith("waiter")
	v.turnedAway()
	v.until("the newcomer is counted", func(proxy.ServiceInfo) bool { return p.Report().Numbers.Rejected == 1 })
	if i := v.svc.Info(); i.State != proxy.StatePaused {
		t.Errorf("it resumed with a half-done backend: %+v", i)
	}
	if page, _ := v.Events(0); !hasEvent(page, proxy.EventWindow) {
		t.Error("no alarm was raised")
	}
	p.CommandEnded(p.Token(), nil)
	// Rule 9: a held client has failed, and one that came afterwards has not waited.
	if report := v.ended(p, nil); report.State != proxy.PlanDone || report.Numbers.Failed != 1 || report.Numbers.Held != 1 || report.Numbers.Rejected != 1 ||
		report.OverdueSeconds <= 0 || !strings.Contains(report.Sentence(), "s past its max: 1 held") {
		t.Errorf("%+v: %s", report, report.Sentence())
	}
	v.dial("next").hears("a next")
}

// overdueWith is a window whose command has outlived its max, and that has rejected one
// held client. If the machine stalls that long, it tries again with a longer max.
func (v *visit) overdueWith(name string) *proxy.Plan {
	v.Helper()
	for longest := time.Second; ; longest *= 2 {
		p, err := v.svc.StartWindow(proxy.PlanOptions{By: "ana", Max: longest})
		if err != nil {
			v.Fatal(err)
		}
		waiter, held := v.dial(name), false
		i := v.until("its max has passed", func(i proxy.ServiceInfo) bool {
			p.Heartbeat(p.Token(), 0)
			held = held || i.Queue.Waiting == 1
			return i.Pause == nil || i.Pause.Overdue
		})
		if held && i.Pause != nil {
			waiter.isReset()
			v.until("its client is counted", func(proxy.ServiceInfo) bool { return p.Report().Numbers.Failed == 1 })
			return p
		}
		v.Logf("the machine stalled for %s", longest)
		p.Abort("ana")
		v.ended(p, nil)
		waiter.Close()
	}
}

func hasEvent(page proxy.EventPage, kind string) bool {
	for _, ev := range page.Events {
		if ev.Kind == kind {
			return true
		}
	}
	return false
}

func TestRule18TheOwnerIsKilled(t *testing.T) {
	clockwork(t, proxy.ServiceConfig{}, func(t *testing.T, w *works) {
		p, err := w.svc.StartWindow(proxy.PlanOptions{By: "ana", Max: time.Minute}) // no heartbeats
		if err != nil {
			t.Fatal(err)
		}
		w.after(time.Millisecond) // until the command may run
		waiter := w.come("10.0.0.1")
		if i := w.after(2 * time.Second); i.Queue.Waiting != 1 || p.Report().Steps[1].State != proxy.StepRunning {
			t.Errorf("before its lease has expired: %+v, %+v", i.Queue, p.Report())
		}
		w.after(58 * time.Second)
		w.hears(waiter, "hello") // not later than max
		if report := p.Report(); report.State != proxy.PlanFailed {
			t.Errorf("%+v", report)
		}
	})
}

func TestRule14ARestartInsideOnesOwnPause(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	b := s.backend()
	b.Restart = restarter(t, s)
	v := start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{b}})
	v.untilUp()
	v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"}))
	waiter := v.queue("waiter")
	if report := v.ended(v.svc.Backend("a").StartRestart(proxy.PlanOptions{By: "bob"})); report.State != proxy.PlanFailed {
		t.Errorf("in the pause of another operator: %+v", report)
	}
	if report := v.ended(v.svc.Backend("a").StartRestart(proxy.PlanOptions{By: "ana"})); report.State != proxy.PlanDone {
		t.Errorf("%+v", report)
	}
	if i := v.svc.Info(); i.Pause == nil || i.Queue.Waiting != 1 {
		t.Errorf("the restart ended the pause: %+v", i)
	}
	v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
	waiter.hears("a waiter")
}

func TestAPlanCanBeHeldAndAborted(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	b := s.backend()
	b.Restart = []string{"true"}
	v := start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{b}})
	live := v.dial("live")
	live.hears("a live")
	p, err := v.svc.Backend("a").StartRestart(proxy.PlanOptions{By: "ana"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.svc.StartWindow(proxy.PlanOptions{By: "bob"}); err == nil || !strings.Contains(err.Error(), "ana") {
		t.Errorf("a second plan: %v", err)
	}
	p.Hold()
	if r := p.Report(); r.State != proxy.PlanPaused {
		t.Errorf("held: %+v", r)
	}
	p.Abort("ana")
	if r := v.ended(p, nil); r.State != proxy.PlanAborted {
		t.Errorf("%+v", r)
	}
	v.dial("next").hears("a next")
}

// TestRule18aAPlanHoldsWhileNothingServes: the backend dies that should serve while the
// other is restarted. Clients are held until one of the two serves, also under reject
// and before the checks notice, and none fails.
func TestRule18aAPlanHoldsWhileNothingServes(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for _, noBackend := range []string{proxy.Hold, proxy.Reject} {
			t.Run(noBackend, func(t *testing.T) {
				a, b := newServer(t, "a"), newServer(t, "b")
				dir := t.TempDir()
				restarted := a.backend()
				restarted.Restart = []string{"/bin/sh", "-c", "touch " + dir + "/begun; while ! rm " + dir + "/go 2>/dev/null; do sleep 0.01; done"}
				v := start(t, proxy.ServiceConfig{Relay: relay, NoBackend: noBackend, Backends: []proxy.BackendConfig{restarted, b.backend()},
					Check: proxy.CheckConfig{Interval: 100 * time.Millisecond, Fall: 3}})
				v.untilUp()
				p, err := v.svc.Backend("a").StartRestart(proxy.PlanOptions{By: "ana"})
				if err != nil {
					t.Fatal(err)
				}
				for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
					if _, err := os.Stat(dir + "/begun"); err == nil {
						break
					}
					if time.Now().After(end) {
						t.Fatal("the restart command does not run")
					}
				}
				b.kill()
				early := v.dial("early") // no check has noticed yet
				i := v.until("the plan holds the clients", func(i proxy.ServiceInfo) bool { return i.Pause != nil })
				if i.Pause.By != proxy.PauseByPlan || i.Pause.Owner != "ana" || i.Pause.Until.IsZero() {
					t.Errorf("%+v", i.Pause)
				}
				late := v.dial("late")
				v.untilWaiting(2)
				if n := p.Report().Numbers; n.Held != 2 || n.Failed+n.Rejected != 0 {
					t.Errorf("so far: %+v", n)
				}
				os.WriteFile(dir+"/go", nil, 0o600)
				early.hears("a early")
				late.hears("a late")
				report := v.ended(p, nil)
				if n := report.Numbers; report.State != proxy.PlanDone || n.Held != 2 || n.Failed+n.Rejected+n.Cut != 0 {
					t.Errorf("%+v", report)
				}
				if i := v.svc.Info(); i.Pause != nil {
					t.Errorf("still paused: %+v", i.Pause)
				}
			})
		}
	})
}

// TestRule18aUntilMax: a plan does not hold clients beyond its max, and does not begin
// again; under reject later clients are rejected, and the report says so beside failed.
func TestRule18aUntilMax(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	restarted := a.backend()
	restarted.Restart = []string{"true"}
	v := start(t, proxy.ServiceConfig{NoBackend: proxy.Reject, Balance: "first", Backends: []proxy.BackendConfig{restarted, b.backend()}})
	v.untilUp()
	live := v.dial("live") // the drain waits for it
	live.hears("a live")
	p, err := v.svc.Backend("a").StartRestart(proxy.PlanOptions{By: "ana", Limit: time.Hour, Max: 700 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	v.untilBackend("a", "it is being drained", func(b proxy.BackendInfo) bool { return b.Reason == "draining" })
	b.kill()
	v.eventually("the plan holds the clients", func() bool { // which may be over before a busy machine shows it
		page, _ := v.Events(0)
		return countEvents(page, proxy.EventService, "holding its clients until one does") == 1
	})
	v.until("its max is over", func(i proxy.ServiceInfo) bool { return i.Pause == nil })
	if late, err := net.Dial("tcp", v.addr()); err == nil { // otherwise it was reset even sooner
		(&client{TB: t, Conn: late, r: bufio.NewReader(late)}).isReset()
		late.Close()
	}
	v.until("it is rejected", func(i proxy.ServiceInfo) bool { return i.Sessions.Rejected == 1 })
	if n := p.Report().Numbers; n.Rejected != 1 || n.Failed != 0 {
		t.Errorf("%+v", n)
	}
	if i := v.svc.Info(); i.Pause != nil {
		t.Errorf("it began again: %+v", i.Pause)
	}
	live.leaves()
	report := v.ended(p, nil)
	if s := report.Sentence(); report.State != proxy.PlanDone || !strings.Contains(s, "0 failed, 1 rejected") || report.Seconds < 0.7 {
		t.Errorf("%s (%v s)", s, report.Seconds)
	}
	v.dial("next").hears("a next")
}

// TestRule18TheStepSaysWhoWasCut: a session that was cut has not drained.
func TestRule18TheStepSaysWhoWasCut(t *testing.T) {
	t.Parallel()
	v := start(t, proxy.ServiceConfig{}, newServer(t, "a"))
	v.untilUp()
	live := v.dial("live")
	live.hears("a live")
	p := v.window(proxy.PlanOptions{By: "ana", Limit: 30 * time.Millisecond, Then: proxy.ThenCut})
	if detail := p.Report().Steps[0].Detail; detail != "1 session ended, 1 of them cut" {
		t.Errorf("the step says %q", detail)
	}
	p.CommandEnded(p.Token(), nil)
	if report := v.ended(p, nil); report.Numbers.Cut != 1 {
		t.Errorf("%+v", report)
	}
	live.isReset()
}

// TestADrainCountsItsOwnCuts: the drain of a restart says how many sessions its limit has
// cut, and not those that ended at another backend meanwhile.
func TestADrainCountsItsOwnCuts(t *testing.T) {
	t.Parallel()
	a, b := newServer(t, "a"), newServer(t, "b")
	back := a.backend()
	back.Restart = []string{"true"}
	v := start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{back, b.backend()}, Check: proxy.CheckConfig{Type: "none"}})
	at := func(name, other string) *client {
		v.must(v.svc.Backend(other).Drain(proxy.DrainOptions{By: "ana"}))
		defer v.svc.Backend(other).Ready("ana", "")
		c := v.dial("live")
		c.hears(name + " live")
		return c
	}
	for limit, want := range map[time.Duration]string{time.Hour: "1 session drained", 30 * time.Millisecond: "1 session ended, 1 of them cut"} {
		one, two := at("a", "b"), at("b", "a")
		p, err := v.svc.Backend("a").StartRestart(proxy.PlanOptions{By: "ana", Limit: limit, Then: proxy.ThenCut, Max: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if limit == time.Hour {
			v.untilBackend("a", "it is being drained", func(b proxy.BackendInfo) bool { return b.Admin == proxy.AdminDrain })
			for _, s := range v.Sessions(false) {
				if s.Backend == "b" {
					v.Kick("ana", "", s.ID)
				}
			}
			two.isReset()
			v.untilBackend("b", "it has no session", func(b proxy.BackendInfo) bool { return b.Active == 0 })
			one.Close()
		}
		if r := v.ended(p, nil); r.State != proxy.PlanDone || r.Steps[0].Detail != want {
			t.Errorf("limit %s: %+v", limit, r)
		}
		two.Close()
		v.untilIdle()
	}
}
