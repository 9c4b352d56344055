package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

const (
	faultService = "db"   // the lock
	faultMarker  = "mark" // a second lock, whose grants show what was committed before them
	faultLocal   = "own"  // a lock of one node, for comparison
	faultLease   = 3 * time.Second
)

// faultChecks is the backend's port for checks.
const faultChecks = 9002

var faultPorts = map[string]int{faultService: 7000, faultMarker: 7001, faultLocal: 7002}

// A faultLab has the nodes of one cluster, each in a network namespace, connected by a bridge. Each
// namespace has its node's clients, and a socket of the backend on loopback, which network faults
// do not affect.
type faultLab struct {
	faultLabConfig
	t       *testing.T
	segment *segment
	dir     string
	began   time.Time
	nodes   []*faultNode
	server  *faultServer

	visitors sync.WaitGroup
	stop     chan struct{} // closed when no more clients may come

	mu      sync.Mutex
	history []faultSeen
	places  []faultPlace
	notes   []string    // recent actions
	faulty  int         // nodes that have a fault now
	lacks   []faultStop // times when a majority had a fault
	wrong   int         // number of errors; after many no more are printed
}

type faultLabConfig struct {
	slots  int
	hold   time.Duration // most clients hold a slot for less than this
	shares bool          // nodes grant slots by themselves
	memory bool          // the logs are in a small tmpfs, which can be filled
	apart  bool          // the nodes are in one mesh, but in no cluster
	checks bool          // one node checks the lock's backend, within slots
}

// A faultNode is one node: a process, or none.
type faultNode struct {
	lab                           *faultLab
	name, ns                      string
	host                          int
	netns                         *os.File
	file, dir, state, socket, log string
	served                        atomic.Int64 // clients that were admitted here

	mu     sync.Mutex
	exited chan struct{} // closed once the last started process has ended
	epoch  int           // number of begins and ends of faults that may cost it its lease
	starts int           // number of processes started by upgrades
	moving bool          // an upgrade is under way
	cutAt  time.Time     // since when the node is cut off; zero: it is not
	stops  []faultStop
}

// A faultStop is a period in which a node did not run, and so could not end its sessions, or in which a majority had faults.
type faultStop struct{ from, to time.Time }

func newFaultLab(t *testing.T, c faultLabConfig) *faultLab {
	t.Helper()
	needs(t, "tc", "nice")
	l := &faultLab{faultLabConfig: c, t: t, segment: newSegment(t), began: time.Now(), stop: make(chan struct{})}
	t.Cleanup(l.visitors.Wait)
	dir, err := os.MkdirTemp("", "tcpctl") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l.dir = dir
	write(t, filepath.Join(dir, "secret"), mesh.NewSecret()+"\n")
	l.server = &faultServer{lab: l, live: map[*faultHolder]bool{}, seen: map[uint64]time.Time{}}
	t.Cleanup(l.server.stop)
	for i := range 3 {
		l.nodes = append(l.nodes, l.newNode(i+1))
	}
	for _, n := range l.nodes {
		write(t, n.file, n.config(""))
		if err := n.start(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(l.noMoreVisits)
	return l
}

func (l *faultLab) noMoreVisits() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
}

func (l *faultLab) newNode(i int) *faultNode {
	t := l.t
	n := &faultNode{lab: l, name: fmt.Sprintf("edge-%d", i)}
	n.host, n.ns = l.segment.host()
	path := func(what string) string { return filepath.Join(l.dir, fmt.Sprintf("%d%s", i, what)) }
	n.file, n.dir, n.state, n.socket, n.log = path(".toml"), path("d"), path("s"), path("c"), path("log")
	var err error
	if n.netns, err = os.Open("/run/netns/" + n.ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.netns.Close() })
	if err := os.Mkdir(n.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if l.memory {
		if err := syscall.Mount("faults", n.dir, "tmpfs", 0, "size=32m"); err != nil {
			t.Skip("cannot mount a small file system: ", err)
		}
		t.Cleanup(func() { syscall.Unmount(n.dir, syscall.MNT_DETACH) })
	}
	for port, mark := range map[int]bool{9000: false, 9001: true} {
		if err := n.inside(func() error { return l.server.listen(n, port, mark) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.inside(func() error { return l.server.listenForChecks(faultChecks) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.kill)
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(n.log)
			t.Logf("log of %s, its end:\n%s", n.name, text[max(len(text)-8000, 0):])
		}
	})
	return n
}

// config returns the node's configuration, with more appended.
func (n *faultNode) config(more string) string {
	l, text, order := n.lab, "", ""
	if l.shares {
		order = `, order = "shares"`
	}
	for _, s := range []struct {
		name, lock    string
		port, backend int
	}{
		{faultService, fmt.Sprintf(`{ slots = %d, scope = "cluster"%s }`, l.slots, order), faultPorts[faultService], 9000},
		{faultMarker, `{ slots = 100, scope = "cluster" }`, faultPorts[faultMarker], 9001},
		{faultLocal, fmt.Sprintf(`{ slots = %d }`, l.slots), faultPorts[faultLocal], 9001},
	} {
		if l.apart {
			s.lock = strings.Replace(s.lock, `"cluster"`, `"node"`, 1)
		}
		check := `{ type = "none" }`
		if l.checks && s.name == faultService {
			check = fmt.Sprintf(`{ type = "send-expect", send = "are you well\n", expect_bytes = "well", port = %d, interval = "200ms" }`, faultChecks)
		}
		text += fmt.Sprintf("[services.%s]\nlisten = \"127.0.0.1:%d\"\nbackends = [\"127.0.0.1:%d\"]\nsend_proxy = 2\ncheck = %s\nqueue = { timeout = \"0s\" }\nlock = %s\n",
			s.name, s.port, s.backend, check, s.lock)
	}
	text += fmt.Sprintf(`[history]
file = "off"
[mesh]
name = "lab"
node = %q
listen = "10.0.0.%d:7460"
join = ["10.0.0.1:7460", "10.0.0.2:7460", "10.0.0.3:7460"]
mdns = false
secret_file = %q
`, n.name, n.host, filepath.Join(l.dir, "secret"))
	if !l.apart {
		text += fmt.Sprintf("[cluster]\nvoters = [\"edge-1\", \"edge-2\", \"edge-3\"]\ndir = %q\nlease = %q\n", n.dir, faultLease)
	}
	return text + more
}

// form makes the cluster, and waits until all nodes vote and have a lease.
func (l *faultLab) form() {
	l.t.Helper()
	for _, n := range l.nodes {
		if _, err := waitReady(n.socket); err != nil {
			l.t.Fatal(err)
		}
	}
	if out, status := runTcpctl(l.t, "cluster", "init", "--socket", l.nodes[0].socket); status != 0 {
		l.t.Fatalf("init: %s", out)
	}
	l.untilWhole()
}

// untilWhole waits until each node votes, reaches the others and has a lease.
func (l *faultLab) untilWhole() {
	l.t.Helper()
	for _, n := range l.nodes {
		n.until("it votes, with the others, and has a lease", func() error {
			st, err := n.status()
			if err != nil {
				return err
			}
			c := st.Cluster
			if c.Role != api.ClusterLeader && c.Role != api.ClusterVoter || c.Leader == "" || len(c.Voters) != len(l.nodes) {
				return fmt.Errorf("%+v", c)
			}
			for _, v := range c.Voters {
				if v.Learner || v.Missing || !v.Reached {
					return fmt.Errorf("%+v", v)
				}
			}
			if s := st.Service(faultService); s.Lock.LeaseSeconds == 0 {
				return errors.New("it has no lease")
			}
			return nil
		})
	}
}

// start starts a process, with higher priority than the rest of the machine: without CPU for a
// tenth of a lease it would count as stopped.
func (n *faultNode) start() error {
	log, err := os.OpenFile(n.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("nice", "-n", "-10", "ip", "netns", "exec", n.ns, "tcpctl", "run", "--no-ui", "-c", n.file, "--socket", n.socket)
	cmd.Env, cmd.Stderr = append(os.Environ(), "STATE_DIRECTORY="+n.state), log
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	n.mu.Lock()
	n.exited = exited
	n.mu.Unlock()
	return nil
}

// pids returns the serving processes: several after an upgrade.
func (n *faultNode) pids() (pids []int) {
	for pid, words := range commandLines() {
		if slices.Contains(words, n.socket) && slices.Contains(words, "run") {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (n *faultNode) signal(s syscall.Signal) {
	for _, pid := range n.pids() {
		syscall.Kill(pid, s)
	}
}

// kill kills all the node's processes with SIGKILL, and waits until they have ended.
func (n *faultNode) kill() {
	killAll(n.socket)
	n.mu.Lock()
	exited := n.exited
	n.mu.Unlock()
	if exited != nil {
		<-exited
	}
}

func (n *faultNode) status() (*api.Status, error) { return statusAt(n.socket) }

func statusAt(socket string) (*api.Status, error) {
	c := control.Dial(socket)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return c.Status(ctx)
}

func (n *faultNode) service(name string) (*proxy.ServiceInfo, error) {
	st, err := n.status()
	if err != nil {
		return nil, err
	}
	return st.Service(name), nil
}

func (n *faultNode) until(what string, check func() error) {
	n.lab.t.Helper()
	for began := time.Now(); ; restSince(began) {
		err := check()
		if err == nil {
			return
		}
		if time.Since(began) > 2*patience {
			n.lab.t.Fatalf("%s: timeout waiting for %q: %v\n%s", n.name, what, err, n.lab.describe())
		}
	}
}

// describe returns the state of all nodes.
func (l *faultLab) describe() string {
	var b strings.Builder
	for _, n := range l.nodes {
		st, err := n.status()
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", n.name, err)
			continue
		}
		s := st.Service(faultService)
		fmt.Fprintf(&b, "%s: %+v; lease %.1f s, %d in use %+v, %d wait\n", n.name, st.Cluster, s.Lock.LeaseSeconds, s.Lock.InUse, s.Lock.Holders, s.Queue.Waiting)
	}
	return b.String()
}

// inside calls do in the node's network namespace: sockets that this goroutine creates belong to
// it.
func (n *faultNode) inside(do func() error) error {
	runtime.LockOSThread()
	ours, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer ours.Close()
	if err := unix.Setns(int(n.netns.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = do()
	if back := unix.Setns(int(ours.Fd()), unix.CLONE_NEWNET); back != nil {
		return back // the thread stays locked, so it ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// dialInside connects to a port of the node's loopback.
func (n *faultNode) dialInside(port int) (c *net.TCPConn, err error) {
	err = n.inside(func() error {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), patience)
		if err == nil {
			c = conn.(*net.TCPConn)
		}
		return err
	})
	return c, err
}

// begins and ends are called around a fault that may cost the node its lease.
func (n *faultNode) begins(cut, stop bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.epoch++
	if cut {
		n.cutAt = time.Now()
	}
	if stop {
		n.stops = append(n.stops, faultStop{from: time.Now()})
	}
}

func (n *faultNode) ends() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.epoch++
	n.cutAt = time.Time{}
	if i := len(n.stops) - 1; i >= 0 && n.stops[i].to.IsZero() {
		n.stops[i].to = time.Now()
	}
}

// upgrade starts another process, which takes over. Waiters keep their places in the old one, which
// remains a member of its own.
func (n *faultNode) upgrade() (err error) {
	n.moves(true)
	defer n.moves(false)
	for began := time.Now(); time.Since(began) < patience; restSince(began) {
		if err = n.command("upgrade"); err == nil || !strings.Contains(err.Error(), "has not joined the cluster yet") {
			break
		}
	}
	return err
}

func (n *faultNode) moves(now bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.moving = now
	n.starts++
}

// untouched returns numbers that stay the same as long as the node has no fault and the same
// process accepts clients; process is 0 during an upgrade.
func (n *faultNode) untouched() (epoch, process int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.moving {
		return n.epoch, 0
	}
	return n.epoch, n.host*1_000_000 + n.starts
}

// troubles changes the number of nodes that have a fault.
func (l *faultLab) troubles(more int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.faulty > len(l.nodes)/2
	l.faulty += more
	switch is := l.faulty > len(l.nodes)/2; {
	case is && !was:
		l.lacks = append(l.lacks, faultStop{from: time.Now()})
	case was && !is:
		l.lacks[len(l.lacks)-1].to = time.Now()
	}
}

// lackedSince reports whether, since a time or shortly before it, there was no majority for long enough to
// cost each node its lease, and so its clients their places.
func (l *faultLab) lackedSince(from time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lacks, func(s faultStop) bool {
		end := s.to
		if end.IsZero() {
			end = time.Now()
		}
		return end.After(from.Add(-faultLease/2)) && end.Sub(s.from) > faultLease/2
	})
}

// cutSince returns since when the node is cut off; zero: it is not.
func (n *faultNode) cutSince() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cutAt
}

// stoppedAt returns when, within a period, the node was first stopped for long enough to miss the
// end of its lease.
func (n *faultNode) stoppedAt(from, to time.Time) (at time.Time, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.stops {
		end := s.to
		if end.IsZero() {
			end = time.Now()
		}
		if s.from.Before(to) && end.After(from) && end.Sub(s.from) > faultLease/20 {
			return s.from, true
		}
	}
	return at, false
}

// wrongf reports an error; after many it prints no more.
func (l *faultLab) wrongf(format string, args ...any) {
	l.mu.Lock()
	l.wrong++
	n, lately := l.wrong, strings.Join(l.notes, "\n  ")
	l.notes = nil
	l.mu.Unlock()
	if n <= 20 {
		l.t.Errorf("%s %s\n  %s", l.now(), fmt.Sprintf(format, args...), lately)
	}
}

// notef records an action, to be printed with the next error.
func (l *faultLab) notef(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes[max(0, len(l.notes)-30):], l.now()+" "+fmt.Sprintf(format, args...))
}

// now formats the time as in the nodes' logs.
func (l *faultLab) now() string { return time.Now().Format("15:04:05.000") }
