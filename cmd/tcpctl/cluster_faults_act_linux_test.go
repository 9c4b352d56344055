package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// faultActs injects faults into the nodes, independently of each other.
type faultActs struct {
	lab  *faultLab
	seed uint64

	mu       sync.Mutex
	did      map[string]int
	rejoined int
	slowest  time.Duration // longest time from the end of all faults until each node admitted clients
	calms    int
}

func (a *faultActs) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(a.did)) {
		words = append(words, fmt.Sprintf("%d %s", a.did[kind], kind))
	}
	return strings.Join(words, ", ")
}

func (a *faultActs) total() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, times := range a.did {
		n += times
	}
	return n
}

func (a *faultActs) recovery() string {
	return fmt.Sprintf("%d times all was well again, after %v at most; %d voters had to rejoin", a.calms, a.slowest.Round(time.Millisecond), a.rejoined)
}

// faultsAtATime is the number of faults between two checks that the cluster recovers.
const faultsAtATime = 50

// run injects that many faults.
func (a *faultActs) run(faults int) {
	rands := make([]*rand.Rand, len(a.lab.nodes))
	for i := range rands {
		rands[i] = rand.New(rand.NewPCG(a.seed, uint64(i)))
	}
	for a.total() < faults {
		upTo := min(faults, a.total()+faultsAtATime)
		var all sync.WaitGroup
		for i, n := range a.lab.nodes {
			all.Go(func() {
				for a.total() < upTo && !a.lab.t.Failed() {
					time.Sleep(time.Duration(rands[i].IntN(5000)) * time.Millisecond)
					a.fault(n, rands[i])
				}
			})
		}
		all.Wait()
		a.calm()
		if a.lab.t.Failed() {
			return
		}
	}
}

// fault injects one fault and ends it.
func (a *faultActs) fault(n *faultNode, r *rand.Rand) {
	long := time.Duration(50+r.IntN(850)) * time.Millisecond
	if r.IntN(5) < 2 {
		long = time.Duration(2500+r.IntN(3500)) * time.Millisecond
	}
	if r.IntN(2) == 0 { // preferably one that holds a slot
		for began := time.Now(); time.Since(began) < time.Second && !a.lab.server.holds(n); time.Sleep(2 * time.Millisecond) {
		}
	}
	kinds := []string{"kill", "stop", "cut", "mute", "deaf", "full disk", "reload", "upgrade"}
	kind := kinds[r.IntN(len(kinds))]
	a.mu.Lock()
	a.did[kind]++
	a.mu.Unlock()
	a.lab.notef("%s at %s for %v", kind, n.name, long)
	defer func() { a.lab.notef("end of %s at %s", kind, n.name) }()
	if kind != "reload" {
		a.lab.troubles(1)
		defer a.lab.troubles(-1)
	}
	var err error
	switch kind {
	case "kill":
		n.begins(false, false)
		n.kill()
		time.Sleep(long)
		err = n.start()
		n.ends()
	case "stop":
		n.begins(false, true)
		n.signal(syscall.SIGSTOP)
		time.Sleep(long)
		n.signal(syscall.SIGCONT)
		n.ends()
	case "cut", "mute", "deaf":
		n.begins(true, false)
		err = n.link(kind, true)
		time.Sleep(long)
		if err == nil {
			err = n.link(kind, false)
		}
		n.ends()
	case "full disk":
		err = a.fullDisk(n, long)
	case "reload":
		write(a.lab.t, n.file, n.config(fmt.Sprintf("[services.more%d]\nlisten = \"127.0.0.1:0\"\nbackends = [\"127.0.0.1:1\"]\ncheck = { type = \"none\" }\n", r.IntN(3))))
		err = n.command("reload")
	case "upgrade":
		err = n.upgrade()
	}
	if err != nil {
		a.lab.wrongf("%s at %s: %v", kind, n.name, err)
	}
}

// link cuts a node's link, or one direction of it: a mute node hears but is not heard.
func (n *faultNode) link(kind string, cut bool) error {
	s := n.lab.segment
	var argv []string
	qdisc := func(ns, device string) []string {
		if cut {
			return []string{"tc", "-n", ns, "qdisc", "add", "dev", device, "root", "blackhole"}
		}
		return []string{"tc", "-n", ns, "qdisc", "del", "dev", device, "root"}
	}
	switch {
	case kind == "mute":
		argv = qdisc(n.ns, "eth0")
	case kind == "deaf":
		argv = qdisc(s.bridge, s.port(n.host))
	case cut:
		argv = []string{"ip", "-n", s.bridge, "link", "set", s.port(n.host), "nomaster"}
	default:
		argv = []string{"ip", "-n", s.bridge, "link", "set", s.port(n.host), "master", "br0"}
	}
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, out)
	}
	return nil
}

// fullDisk fills the voter's disk. It stops voting at the first failed write, and votes again after
// a restart (rule 34).
func (a *faultActs) fullDisk(n *faultNode, long time.Duration) error {
	n.begins(false, false)
	defer n.ends()
	full := filepath.Join(n.dir, "full")
	f, err := os.Create(full)
	for err == nil {
		_, err = f.Write(make([]byte, 64<<10))
	}
	f.Close()
	time.Sleep(long)
	if err := os.Remove(full); err != nil {
		return err
	}
	if _, err := waitReady(n.socket); err != nil {
		return err
	}
	st, err := n.status()
	if err != nil {
		return err
	}
	if st.Cluster.Role == api.ClusterStopped {
		n.kill()
		return n.start()
	}
	return nil
}

// command runs a command on the node, retrying until it answers.
func (n *faultNode) command(words ...string) error {
	if _, err := waitReady(n.socket); err != nil {
		return err
	}
	if out, err := exec.Command("tcpctl", append(words, "--socket", n.socket)...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// calm waits until the cluster has recovered: three nodes vote, and each has a lease and admits new
// clients.
func (a *faultActs) calm() {
	l := a.lab
	l.t.Helper()
	began := time.Now()
	for _, n := range l.nodes {
		n.until("its voter has not stopped", func() error {
			st, err := n.status()
			if err == nil && st.Cluster.Role == api.ClusterStopped {
				err = fmt.Errorf("it has stopped: %s", st.Cluster.Error)
				if strings.Contains(st.Cluster.Error, "rejoin") {
					l.t.Logf("%v: %s: %v", time.Since(l.began), n.name, err)
					if n.command("cluster", "rejoin") == nil {
						a.rejoined++
					}
				}
			}
			return err
		})
	}
	l.untilWhole()
	for _, n := range l.nodes {
		served := n.served.Load()
		n.until("it admits clients", func() error {
			if now := n.served.Load(); now < served+3 {
				return fmt.Errorf("%d clients", now-served)
			}
			return nil
		})
	}
	a.calms++
	a.slowest = max(a.slowest, time.Since(began))
}
