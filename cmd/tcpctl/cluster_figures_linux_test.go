package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// TestClusterFigures measures the table in lock/cluster/DESIGN.md, and asserts nothing.
// TCPCTL_FIGURES=20s is the time for each figure.
func TestClusterFigures(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv("TCPCTL_FIGURES"))
	if err != nil {
		t.Skip("TCPCTL_FIGURES=20s asks for it")
	}
	for _, c := range []struct {
		name string
		lab  faultLabConfig
	}{
		{"logs on disk", faultLabConfig{slots: 1}},
		{"logs in memory", faultLabConfig{slots: 1, memory: true}},
		{"shares", faultLabConfig{slots: 30, shares: true}},
		{"a mesh alone", faultLabConfig{slots: 1, apart: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newFaultLab(t, c.lab)
			if l.apart {
				l.figure("idle", func() { l.figureIdle(long) })
				return
			}
			l.form()
			l.figure("idle", func() { l.figureIdle(long) })
			l.figure("acquire", func() { l.figureAcquire(long) })
			if l.shares {
				l.figure("moves", func() { l.figureMoves(10) })
				l.figure("order", func() { l.figureOrder(long) })
			}
			l.figure("grants", func() { l.figureGrants(long) })
			l.figure("leader", func() { l.figureLeader(5) })
			l.figure("dead", func() { l.figureDeadNode(5) })
		})
	}
}

// figure measures one figure, as a subtest for -run.
func (l *faultLab) figure(name string, take func()) {
	all := l.t
	defer func() { l.t = all }()
	all.Run(name, func(t *testing.T) {
		l.t = t
		take()
	})
}

// figureAcquire measures one client at a time, with a free slot.
func (l *faultLab) figureAcquire(long time.Duration) {
	leader, shared := l.leader(), faultMarker
	if l.shares {
		shared = faultService
	}
	for _, c := range []struct {
		what, service string
		node          *faultNode
	}{
		{"a lock of one node", faultLocal, leader},
		{"the cluster's, at its leader", shared, leader},
		{"the cluster's, at another node", shared, l.other(leader)},
	} {
		var took []time.Duration
		for end := time.Now().Add(long / 2); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
			v := l.visit(c.node, c.service)
			took = append(took, v.got.Sub(v.call))
			v.release()
		}
		slices.Sort(took)
		l.t.Logf("acquire on a free slot, %s: p50 %v, p99 %v, of %d", c.what,
			took[len(took)/2].Round(10*time.Microsecond), took[len(took)*99/100].Round(10*time.Microsecond), len(took))
	}
}

func (l *faultLab) visit(n *faultNode, service string) *faultVisit {
	v, err := n.dial(service)
	if err == nil {
		err = v.admitted(time.Now().Add(faultWait))
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return v
}

// figureMoves measures how slots move: the clients of one node take all slots, one after another,
// including those idle at other nodes.
func (l *faultLab) figureMoves(times int) {
	var took []time.Duration
	for i := range times {
		n := l.nodes[i%len(l.nodes)]
		var held []*faultVisit
		for range l.slots {
			v := l.visit(n, faultService)
			took = append(took, v.got.Sub(v.call))
			held = append(held, v)
		}
		for _, v := range held {
			v.release()
		}
	}
	slices.Sort(took)
	l.t.Logf("all %d slots taken at one node, %d times: a client waited for %v at p50, %v at p90, %v at most", l.slots, times,
		took[len(took)/2].Round(10*time.Microsecond), took[len(took)*9/10].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
}

// figureOrder has three clients for each slot, seven of ten at one node, and measures for how long
// later clients of other nodes overtook them.
func (l *faultLab) figureOrder(long time.Duration) {
	var mu sync.Mutex
	var seen []*faultVisit
	var all sync.WaitGroup
	end := time.Now().Add(long)
	for i := range 3 * l.slots {
		n := l.nodes[max(0, i%10-7)]
		all.Go(func() {
			for time.Now().Before(end) {
				v := l.visit(n, faultService)
				time.Sleep(100 * time.Millisecond)
				v.release()
				mu.Lock()
				seen = append(seen, v)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	var passed []time.Duration
	for _, v := range seen {
		var by time.Duration
		for _, w := range seen {
			if w.node != v.node && w.call.After(v.call) {
				by = max(by, v.got.Sub(w.got))
			}
		}
		passed = append(passed, by)
	}
	slices.Sort(passed)
	l.t.Logf("%d grants in %v, of 100 ms each: passed by those who came later at other nodes for %v at p50, %v at p99, %v at most", len(seen), long,
		passed[len(passed)/2].Round(time.Millisecond), passed[len(passed)*99/100].Round(time.Millisecond), passed[len(passed)-1].Round(time.Millisecond))
}

// figureGrants measures 64 clients that take slots and give them back at once.
func (l *faultLab) figureGrants(long time.Duration) {
	var rate [2]float64
	for i, c := range []struct {
		service string
		nodes   []*faultNode
	}{{faultLocal, l.nodes[:1]}, {faultService, l.nodes}} {
		stop := make(chan struct{})
		var all sync.WaitGroup
		var mu sync.Mutex
		granted := 0
		for n := range 64 {
			all.Go(func() {
				l.keepVisiting(stop, c.nodes[n%len(c.nodes)], c.service, func() {
					mu.Lock()
					granted++
					mu.Unlock()
				})
			})
		}
		time.Sleep(time.Second)
		mu.Lock()
		granted = 0
		mu.Unlock()
		time.Sleep(long)
		mu.Lock()
		rate[i] = float64(granted) / long.Seconds()
		mu.Unlock()
		close(stop)
		all.Wait()
	}
	l.t.Logf("slots: %d, clients: 64: %.0f grants/s over 3 nodes, %.0f/s of a lock of one node: %.2f of it", l.slots, rate[1], rate[0], rate[1]/rate[0])
}

// keepVisiting visits a node's service repeatedly until stop is closed.
func (l *faultLab) keepVisiting(stop <-chan struct{}, n *faultNode, service string, served func()) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		l.visit(n, service).release()
		served()
	}
}

// figureLeader kills the leader while the other two nodes have clients.
func (l *faultLab) figureLeader(times int) {
	var gaps []time.Duration
	for range times {
		leader := l.leader()
		stop := make(chan struct{})
		var all sync.WaitGroup
		for _, n := range l.nodes {
			if n == leader {
				continue
			}
			for range 4 {
				all.Go(func() { l.keepVisiting(stop, n, faultService, func() {}) })
			}
		}
		time.Sleep(time.Second)
		l.server.longestGap()
		leader.kill()
		time.Sleep(5 * time.Second)
		gaps = append(gaps, l.server.longestGap())
		close(stop)
		all.Wait()
		l.again(leader)
	}
	slices.Sort(gaps)
	l.t.Logf("kill -9 of the leader, %d times: no grant for %v", times, gaps)
}

// figureDeadNode kills a node that has all slots while a client of another node waits for one.
func (l *faultLab) figureDeadNode(times int) {
	var took []string
	for range times {
		n := l.other(l.leader())
		var held []*faultVisit
		for range l.slots {
			held = append(held, l.visit(n, faultService))
		}
		next, err := l.leader().dial(faultService)
		if err != nil {
			l.t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		began := time.Now()
		n.kill()
		if err := next.admitted(began.Add(patience)); err != nil {
			l.t.Fatal(err)
		}
		took = append(took, fmt.Sprintf("%.2f", next.got.Sub(began).Seconds()/faultLease.Seconds()))
		next.release()
		for _, v := range held {
			v.release() // keep v alive until here: the garbage collector could close it
		}
		l.again(n)
	}
	l.t.Logf("the slot of a node that was killed moved after %s leases", strings.Join(took, ", "))
}

// again restarts a node that was killed.
func (l *faultLab) again(n *faultNode) {
	if err := n.start(); err != nil {
		l.t.Fatal(err)
	}
	l.untilWhole()
}

// figureIdle measures what each node needs without clients.
func (l *faultLab) figureIdle(long time.Duration) {
	time.Sleep(5 * time.Second)
	before, began := make([]time.Duration, len(l.nodes)), time.Now()
	for i, n := range l.nodes {
		before[i] = n.cpu()
	}
	time.Sleep(2 * long)
	for i, n := range l.nodes {
		role := ""
		if st, err := n.status(); err == nil && st.Cluster != nil {
			role = st.Cluster.Role
		}
		l.t.Logf("idle node: %.2f %% of a core, RSS %.1f MB %s", 100*float64(n.cpu()-before[i])/float64(time.Since(began)), n.rss(), role)
	}
}

// cpu returns the CPU time of the node's processes.
func (n *faultNode) cpu() (sum time.Duration) {
	for _, pid := range n.pids() {
		sum += cpuOf(pid)
	}
	return sum
}

func cpuOf(pid int) (sum time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, f := range files {
		text, _ := os.ReadFile(f)
		if words := strings.Fields(string(text)); len(words) > 0 {
			ns, _ := strconv.ParseInt(words[0], 10, 64)
			sum += time.Duration(ns)
		}
	}
	return sum
}

// rss returns the resident memory in MB.
func (n *faultNode) rss() (sum float64) {
	for _, pid := range n.pids() {
		sum += rssOf(pid)
	}
	return sum
}

func rssOf(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	words := strings.Fields(string(text))
	if len(words) < 2 {
		return 0 // the process has ended
	}
	pages, _ := strconv.Atoi(words[1])
	return float64(pages*os.Getpagesize()) / 1e6
}

// leader returns the node that leads.
func (l *faultLab) leader() *faultNode {
	for began := time.Now(); time.Since(began) < patience; restSince(began) {
		for _, n := range l.nodes {
			if st, err := n.status(); err == nil && st.Cluster.Role == api.ClusterLeader {
				return n
			}
		}
	}
	l.t.Fatal("nobody leads")
	return nil
}

func (l *faultLab) other(than *faultNode) *faultNode {
	i := slices.Index(l.nodes, than)
	return l.nodes[(i+1)%len(l.nodes)]
}
