package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// clientLog is what clients have seen, with times.
type clientLog struct {
	mu     sync.Mutex
	events []clientEvent
	addrs  map[string]bool // of clients that were connected and not served
	wg     sync.WaitGroup
}

type clientEvent struct {
	at     time.Time
	dialed time.Time // when the client began to dial
	what   string    // dials, refused or connected, served or failed, leaves, closed (by the service, too)
}

func (l *clientLog) add(what, addr string, dialed time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, clientEvent{time.Now(), dialed, what})
	switch what {
	case "connected":
		l.addrs[addr] = true
	case "served", "failed":
		delete(l.addrs, addr)
	}
}

// at counts the events of some kinds until a time.
func (l *clientLog) at(t time.Time, whats ...string) (n int) {
	for _, ev := range l.events {
		if !ev.at.After(t) && slices.Contains(whats, ev.what) {
			n++
		}
	}
	return n
}

// unanswered counts the clients that dialed before a backend was dead, and failed after its death
// had begun: a client cannot tell whether it failed before it was served, or only before it was
// answered, which is not the service's failure.
func (l *clientLog) unanswered(begun, dead time.Time) (n int) {
	for _, ev := range l.events { // on a busy machine, "connected" may be logged long after the dial
		if ev.what == "failed" && ev.at.After(begun) && !ev.dialed.After(dead) {
			n++
		}
	}
	return n
}

// A clientCount has the minimum and maximum that the service may have counted at a time. It counts
// a client before the client knows, and its end after it has left: on a busy machine these are some
// time apart.
type clientCount struct{ least, most func(t time.Time) int }

// counts returns the counts by name. Between heldFrom and heldTo clients are held, and connected
// ones wait.
func (l *clientLog) counts(heldFrom, heldTo time.Time) map[string]clientCount {
	come := func(t time.Time) int { return l.at(t, "dials") - l.at(t, "refused") }
	return map[string]clientCount{
		"connected": {func(t time.Time) int { return l.at(t, "served", "failed") }, come},
		"failed":    {func(t time.Time) int { return l.at(t, "failed") }, func(t time.Time) int { return come(t) - l.at(t, "served") }},
		"active": {func(t time.Time) int { return l.at(t, "served") - l.at(t, "leaves") },
			func(t time.Time) int { return come(t) - l.at(t, "failed", "closed") }},
		"waiting": {func(t time.Time) int {
			if t.Before(heldFrom) || t.After(heldTo) {
				return 0
			}
			return l.at(t, "connected") - l.at(t, "served", "failed")
		}, func(t time.Time) int { return come(t) - l.at(t, "served", "failed") }},
	}
}

// within returns the minimum and maximum of a count within a second of a time. It changes with each
// event, and is one higher for a moment if a client comes just before another leaves.
func (l *clientLog) within(t time.Time, c clientCount) (least, most int) {
	least, most = c.least(t.Add(-time.Second)), c.most(t.Add(-time.Second))
	for _, ev := range l.events {
		if ev.at.Sub(t).Abs() <= time.Second {
			least, most = min(least, c.least(ev.at)), max(most, c.most(ev.at))
		}
	}
	return least, most
}

// visit makes one visit: it waits until it is served, and stays for a while.
func (l *clientLog) visit(addr string, stays time.Duration) {
	began := time.Now()
	name := ""
	add := func(what string) { l.add(what, name, began) }
	add("dials")
	c, err := dial(addr)
	if errors.Is(err, syscall.ECONNREFUSED) {
		add("refused") // nothing listens there, so nothing counts it
		return
	} else if err != nil { // rejected before the dial returned
		add("connected")
		add("failed")
		return
	}
	defer c.Close()
	name = c.LocalAddr().String()
	add("connected")
	c.says("hello")
	if line, err := c.r.ReadString('\n'); err != nil || !strings.Contains(line, "hello") {
		add("failed")
		return
	}
	add("served")
	c.SetReadDeadline(time.Now().Add(stays))
	c.r.ReadByte() // until the deadline, or until it is cut
	add("leaves")
	c.CloseWrite()
	c.sees()
	add("closed")
}

// load starts a new client at each interval until the returned func is called.
func (l *clientLog) load(addr string, every, stays time.Duration) (end func()) {
	stop := make(chan struct{})
	done := make(chan struct{})
	l.wg.Go(func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(every):
				l.wg.Go(func() { l.visit(addr, stays) })
			}
		}
	})
	return func() { close(stop); <-done }
}

// TestMomentsAreAsTheClientsSawThem: clients log each connect, failure and end. Under load, one
// backend is killed with SIGKILL, the other is drained, the service is paused, and the whole
// process is killed. In the next process, each second of the history has the clients, waiters,
// counts and states that the clients' log has within a second of it, and a rewound console shows
// them.
func TestMomentsAreAsTheClientsSawThem(t *testing.T) {
	t.Parallel()
	b := startBackend(t, "b")
	// The backend to be killed is a separate process.
	front := fmt.Sprintf("[services.a]\nlisten = %q\nbackends = [%q]\n[history]\nfile = \"off\"\n", proxytest.FreePort(t), b.addr)
	a := runConfigured(t, front)
	config := fmt.Sprintf(`[services.db]
listen = %q
no_backend = "reject"
connect_retries = 0
check = { interval = "100ms", rise = 1, fall = 2 }
backends = [{ name = "a", addr = %q }, { name = "b", addr = %q }]
[history]
file = %q
`, proxytest.FreePort(t), a.addr(), b.addr, filepath.Join(t.TempDir(), "history.db"))
	in := runConfigured(t, config)
	state := func(backend int, want string) time.Time {
		t.Helper()
		in.until(fmt.Sprint(backend, " is ", want), func(s *proxy.ServiceInfo) bool { return s.Backends[backend].State == want })
		return time.Now()
	}
	state(0, proxy.StateUp)
	state(1, proxy.StateUp)
	log := &clientLog{addrs: map[string]bool{}}
	addr := in.addr()
	pass := func(d time.Duration) time.Time { time.Sleep(d); return time.Now() }
	began := time.Now()
	end := log.load(addr, 40*time.Millisecond, 1200*time.Millisecond)
	pass(3500 * time.Millisecond)
	killed := time.Now()
	a.cmd.Process.Signal(syscall.SIGKILL)
	a.cmd.Wait()
	dead := time.Now()
	down := state(0, proxy.StateDown)
	pass(2500 * time.Millisecond)
	in.tcpctl("mark", "OPS-77")
	in.tcpctl("drain", "db/b", "--force", "--reason", "kernel")
	drained := time.Now()
	pass(3500 * time.Millisecond)
	in.tcpctl("ready", "db/b")
	ready := time.Now()
	pass(3 * time.Second)
	in.tcpctl("pause", "db", "--reason", "patch", "--max", "1m")
	paused := time.Now()
	pass(time.Second)
	end()
	still := pass(2500 * time.Millisecond) // a time around which nothing changes
	log.mu.Lock()
	waited := len(log.addrs)
	var names []string
	for name := range log.addrs {
		names = append(names, name)
	}
	log.mu.Unlock()
	pass(1500 * time.Millisecond)
	in.tcpctl("resume", "db")
	resumed := time.Now()
	log.wg.Wait()
	stopped := pass(2100 * time.Millisecond)
	in.cmd.Process.Signal(syscall.SIGKILL)
	in.cmd.Wait()
	pass(3 * time.Second)

	in = runConfigured(t, config)
	in.until("it is there again", func(s *proxy.ServiceInfo) bool { return s.Backends[1].State == proxy.StateUp })
	src := control.Dial(in.socket)
	defer src.Close()
	// The first snapshot of the new process marks the gap before it.
	waitUntil(t, "the gap", func() bool {
		m, err := src.Moment(t.Context(), stopped.Add(1500*time.Millisecond))
		return err == nil && strings.Contains(m.Missing, "not running")
	})
	compareMoments(t, src, log, log.counts(paused.Add(time.Second), resumed.Add(-time.Second)), began, killed, dead, stopped)
	for _, c := range []struct {
		name  string
		at    time.Time
		a, b  string // the backends' states
		admin string // of b
		state string // of the service
	}{
		{"before", killed.Add(-time.Second), proxy.StateUp, proxy.StateUp, proxy.AdminReady, proxy.StateOpen},
		{"a is dead", down.Add(time.Second), proxy.StateDown, proxy.StateUp, proxy.AdminReady, proxy.StateOpen},
		{"b is drained", drained.Add(2 * time.Second), proxy.StateDown, proxy.StateUp, proxy.AdminDrain, proxy.StateOpen},
		{"b is ready", ready.Add(1500 * time.Millisecond), proxy.StateDown, proxy.StateUp, proxy.AdminReady, proxy.StateOpen},
		{"paused", still, proxy.StateDown, proxy.StateUp, proxy.AdminReady, proxy.StatePaused},
		{"resumed", resumed.Add(1100 * time.Millisecond), proxy.StateDown, proxy.StateUp, proxy.AdminReady, proxy.StateOpen},
	} {
		m, err := src.Moment(t.Context(), c.at)
		if err != nil {
			t.Fatal(err)
		}
		s := m.Status.Service("db")
		if s == nil || len(s.Backends) != 2 || s.Backends[0].State != c.a || s.Backends[1].State != c.b || s.Backends[1].Admin != c.admin || s.State != c.state {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
	m, err := src.Moment(t.Context(), still)
	if err != nil {
		t.Fatal(err)
	}
	if s := m.Status.Service("db"); s.Queue.Waiting != waited || s.Sessions.Active != 0 || s.Pause == nil || s.Pause.Reason != "patch" || s.Pause.Since.Sub(paused).Abs() > 2*time.Second {
		t.Errorf("while it is paused: %d waiters, the clients say %d: %+v", s.Queue.Waiting, waited, s)
	}
	if w := m.Waiters["db"]; len(w) != min(waited, 32) || slices.ContainsFunc(w, func(w proxy.WaiterInfo) bool { return !slices.Contains(names, w.Client) }) {
		t.Errorf("the waiters %+v are none of %v", w, names)
	}
	term := openTerminal(t, 140, 45, nil, "attach", "--socket", in.socket)
	term.sees(`LIVE`)
	term.rewinds(still, "REWIND "+still.Format(time.TimeOnly))
	term.sees(`PAUSED +db `)
	term.sees(fmt.Sprintf("%d waited", waited))
	term.sees(m.Waiters["db"][0].Client)
}

// compareMoments compares each second of the history with the clients' log.
func compareMoments(t *testing.T, src api.History, log *clientLog, want map[string]clientCount, began, killed, dead, stopped time.Time) {
	t.Helper()
	unanswered := log.unanswered(killed, dead)
	counts := map[string]int{}
	seconds := 0
	for at := began.Truncate(time.Second); at.Before(stopped.Truncate(time.Second).Add(-time.Second)); at = at.Add(time.Second) {
		m, err := src.Moment(t.Context(), at.Add(999*time.Millisecond)) // at the end of the second, for the states
		if err != nil || m.Missing != "" {
			t.Fatalf("at %s: %v, %+v", at, err, m)
		}
		if m.At.Before(at.Add(time.Second)) {
			continue // the machine was too busy for this second; its counts are in the next
		}
		seconds++
		s := m.Status.Service("db")
		if s == nil {
			t.Fatalf("at %s there is no service: %+v", at, m.Status)
		}
		counts["connected"] += int(s.Sessions.Total)
		counts["failed"] += int(s.Sessions.Failed + s.Sessions.Rejected)
		counts["active"], counts["waiting"] = s.Sessions.Active, s.Queue.Waiting
		for what, count := range want {
			least, most := log.within(at.Add(time.Second), count)
			if what == "failed" && at.After(killed.Add(-2*time.Second)) {
				least -= unanswered
			}
			if counts[what] < least || counts[what] > most {
				t.Errorf("%s: %d %s, by the clients' log %d to %d within a second", at.Format(time.TimeOnly), counts[what], what, least, most)
			}
		}
	}
	t.Logf("%d seconds, %d clients, of which %d failed; %d were not answered when the backend died", seconds, counts["connected"], counts["failed"], unanswered)
}
