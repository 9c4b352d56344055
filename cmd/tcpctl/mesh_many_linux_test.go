package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// manyWait only catches hangs: a hundred processes may share two cores.
const manyWait = 3 * time.Minute

// TestManyNodes measures the numbers for whole processes in mesh/DESIGN.md: TCPCTL_NODES=100 nodes on loopback form one cluster,
// with three voters, which are also the hubs. These have a higher priority, as they would have their own machines.
func TestManyNodes(t *testing.T) {
	count, err := strconv.Atoi(os.Getenv("TCPCTL_NODES"))
	if err != nil || count < 5 {
		t.Skip("set TCPCTL_NODES=100 to run it")
	}
	load, _ := os.ReadFile("/proc/loadavg")
	t.Logf("load %s", load)
	began := time.Now()
	m := newManyNodes(t, count)
	t.Logf("%d processes have been started: %v", count, time.Since(began).Round(10*time.Millisecond))
	m.took("a cluster is made, and each node sees all others", func() {
		if out := m.nodes[0].tcpctl(t, "cluster", "init"); !strings.Contains(out, "votes") {
			t.Fatal(out)
		}
		m.each(m.seesAll)
	})
	m.took("each has a lease", func() { m.each(hasALease) })
	m.took("and is linked to hubs only", func() { m.each(isLinkedToHubs) })
	m.idle(20 * time.Second)
	m.acts()
	m.grants()
	m.killsAHub()
	load, _ = os.ReadFile("/proc/loadavg")
	t.Logf("load %s", load)
}

// manyNodes is a mesh of processes. The first three are hubs and voters.
type manyNodes struct {
	*testing.T
	dir   string
	nodes []*manyNode
	ports []string
}

// manyNode is one of them. cmd is its latest process.
type manyNode struct {
	name, file, socket, state, log string
	cmd                            *exec.Cmd
}

func newManyNodes(t *testing.T, count int) *manyNodes {
	dir, err := os.MkdirTemp("", "many")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &manyNodes{T: t, dir: dir, ports: []string{proxytest.FreePort(t), proxytest.FreePort(t), proxytest.FreePort(t)}}
	write(t, filepath.Join(dir, "secret"), mesh.NewSecret()+"\n")
	backend := m.backend()
	for i := range count {
		listen := "127.0.0.1:0"
		if i < len(m.ports) {
			listen = m.ports[i]
		}
		path := func(what string) string { return filepath.Join(dir, fmt.Sprint(i+1, what)) }
		n := &manyNode{name: fmt.Sprintf("edge-%d", i+1), file: path(".toml"), socket: path("s"), state: path("state"), log: path("log")}
		write(t, n.file, fmt.Sprintf(`[services.db]
listen = "127.0.0.1:0"
backends = [{ name = "a", addr = %q }]
check = { type = "none" }
queue = { timeout = "0s" }
lock = { slots = 20, scope = "cluster" }
[history]
file = "memory"
[mesh]
name = "many"
node = %q
listen = %q
join = [%q, %q, %q]
mdns = false
secret_file = %q
full_up_to = %d
[cluster]
voters = ["edge-1", "edge-2", "edge-3"]
dir = %q
lease = "10s"
`, backend, n.name, listen, m.ports[0], m.ports[1], m.ports[2], filepath.Join(dir, "secret"), min(50, count/2), path("d")))
		m.nodes = append(m.nodes, n)
		m.start(n)
		if i%4 == 3 { // not more at a time than the machine can start
			if err := n.until(func(*manyNode, *api.Status) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	return m
}

// start starts a node's process without waiting for it.
func (m *manyNodes) start(n *manyNode) {
	log, err := os.OpenFile(n.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		m.Fatal(err)
	}
	defer log.Close()
	nice := "0"
	if slices.Index(m.nodes, n) < len(m.ports) {
		nice = "-10"
	}
	cmd := exec.Command("nice", "-n", nice, "tcpctl", "run", "--no-ui", "-c", n.file, "--socket", n.socket)
	cmd.Env, cmd.Stderr = append(os.Environ(), "STATE_DIRECTORY="+n.state), log
	if err := cmd.Start(); err != nil {
		m.Fatal(err)
	}
	n.cmd = cmd
	m.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

func (n *manyNode) tcpctl(t *testing.T, args ...string) string {
	t.Helper()
	out, status := runTcpctl(t, append(args, "--socket", n.socket)...)
	if status != 0 {
		t.Fatalf("tcpctl %s: status %d\n%s", strings.Join(args, " "), status, out)
	}
	return out
}

// backend starts a backend that sends a line to each client, and ends when the client does.
func (m *manyNodes) backend() string {
	return proxytest.Serve(m, func(c net.Conn) {
		c.SetDeadline(time.Now().Add(manyWait))
		fmt.Fprintln(c, "here")
		bufio.NewReader(c).ReadString('\n')
	})
}

// took logs how long something took.
func (m *manyNodes) took(what string, do func()) {
	m.Helper()
	began := time.Now()
	do()
	m.Logf("%s: %v", what, time.Since(began).Round(10*time.Millisecond))
}

// each waits until a check passes for each node, four at a time.
func (m *manyNodes) each(check func(*manyNode, *api.Status) error, but ...*manyNode) {
	m.Helper()
	next := make(chan *manyNode, len(m.nodes))
	for _, n := range m.nodes {
		if !slices.Contains(but, n) {
			next <- n
		}
	}
	close(next)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := range next {
				if err := n.until(check); err != nil {
					m.Errorf("%s: %v", n.name, err)
				}
			}
		})
	}
	if all.Wait(); m.Failed() {
		m.FailNow()
	}
}

func (n *manyNode) until(check func(*manyNode, *api.Status) error) error {
	for began := time.Now(); ; restSince(began) {
		st, err := statusAt(n.socket)
		if err == nil {
			err = check(n, st)
		}
		if err == nil || time.Since(began) > manyWait {
			return err
		}
	}
}

func (m *manyNodes) seesAll(_ *manyNode, st *api.Status) error { return sees(st, len(m.nodes)-1, "") }

// sees checks that want other nodes are alive, without counting the node but and those reached through it.
func sees(st *api.Status, want int, but string) error {
	alive := 0
	for _, p := range st.Mesh.Peers {
		if p.State == meshinfo.Alive && p.Name != but && (p.Via == "" || p.Via != but) {
			alive++
		}
	}
	if alive != want {
		return fmt.Errorf("it sees %d of %d", alive, want)
	}
	return nil
}

func hasALease(_ *manyNode, st *api.Status) error {
	if st.Services[0].Lock.LeaseSeconds == 0 {
		return errors.New("it has no lease")
	}
	return nil
}

func isLinkedToHubs(n *manyNode, st *api.Status) error {
	hub := func(name string) bool { return slices.Contains(st.Mesh.Hubs, name) }
	for _, p := range st.Mesh.Peers {
		if p.State == meshinfo.Alive && p.Via == "" && !hub(p.Name) && !hub(n.name) {
			return fmt.Errorf("it is linked to %s", p.Name)
		}
	}
	return nil
}

// idle logs the resources that idle processes use.
func (m *manyNodes) idle(long time.Duration) {
	cpu := func() (all []time.Duration) {
		for _, n := range m.nodes {
			all = append(all, cpuOf(n.cmd.Process.Pid))
		}
		return all
	}
	time.Sleep(10 * time.Second)
	before, began := cpu(), time.Now()
	time.Sleep(long)
	after, span := cpu(), time.Since(began)
	for what, part := range map[string][2]int{"a hub": {0, 3}, "another node": {3, len(m.nodes)}} {
		var ran time.Duration
		var rss float64
		for i := part[0]; i < part[1]; i++ {
			ran += after[i] - before[i]
			rss += rssOf(m.nodes[i].cmd.Process.Pid)
		}
		count := float64(part[1] - part[0])
		fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.nodes[part[0]].cmd.Process.Pid))
		m.Logf("idle: %s %.2f %% of a core, RSS %.1f MB, %d descriptors", what, 100*ran.Seconds()/span.Seconds()/count, rss/count, len(fds))
	}
}

// acts makes a node that is no hub ask all nodes.
func (m *manyNodes) acts() {
	n := m.nodes[len(m.nodes)-1]
	defer m.followed(n)()
	for _, act := range [][]string{{"drain", "db/a", "--peer", "all", "--force"}, {"ready", "db/a", "--peer", "all"}} {
		m.took(strings.Join(act, " "), func() {
			if out := n.tcpctl(m.T, act...); strings.Count(out, "done: ") != len(m.nodes) {
				m.Errorf("%d of %d: %s", strings.Count(out, "done: "), len(m.nodes), out)
			}
		})
	}
}

// followed follows the events of all nodes. wait waits until each drain was seen.
func (m *manyNodes) followed(n *manyNode) (wait func()) {
	out, err := os.Create(filepath.Join(m.dir, "events"))
	if err != nil {
		m.Fatal(err)
	}
	cmd := exec.Command("tcpctl", "events", "-f", "--peer", "all", "--socket", n.socket)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		m.Fatal(err)
	}
	end := func() {
		cmd.Process.Kill()
		cmd.Wait()
		out.Close()
	}
	m.Cleanup(end)
	return func() {
		defer end()
		m.took("events -f --peer all shows them", func() {
			for began := time.Now(); ; restSince(began) {
				text, _ := os.ReadFile(out.Name())
				unseen := slices.DeleteFunc(slices.Clone(m.nodes), func(n *manyNode) bool {
					return regexp.MustCompile(`(?m)^` + n.name + ` .* drain db/a`).Match(text)
				})
				if len(unseen) == 0 {
					break
				}
				if time.Since(began) > manyWait {
					m.Fatalf("%d drains are not seen; what is:\n%s", len(unseen), text)
				}
			}
		})
	}
}

// grants makes a client of each node take a slot, all at once, three times.
func (m *manyNodes) grants() {
	var addrs []string
	for _, n := range m.nodes {
		addrs = append(addrs, m.addr(n))
	}
	began := time.Now()
	var all sync.WaitGroup
	for _, addr := range addrs {
		all.Go(func() {
			for range 3 {
				if err := manyVisit(addr); err != nil {
					m.Errorf("a client of %s: %v", addr, err)
					return
				}
			}
		})
	}
	all.Wait()
	n := 3 * len(m.nodes)
	m.Logf("%d grants of 20 slots to clients of %d nodes in %v: %.0f/s", n, len(m.nodes), time.Since(began).Round(10*time.Millisecond), float64(n)/time.Since(began).Seconds())
}

// addr returns the listen address of the node's service.
func (m *manyNodes) addr(n *manyNode) string {
	st, err := statusAt(n.socket)
	if err != nil {
		m.Fatal(err)
	}
	return st.Services[0].Listen[0]
}

// manyVisit is a client that returns its slot at once.
func manyVisit(addr string) error {
	c, err := net.DialTimeout("tcp", addr, manyWait)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(manyWait))
	_, err = bufio.NewReader(c).ReadString('\n')
	return err
}

// killsAHub kills the leading voter, and starts it again.
func (m *manyNodes) killsAHub() {
	leads := ""
	err := m.nodes[3].until(func(_ *manyNode, st *api.Status) error {
		if leads = st.Cluster.Leader; leads == "" {
			return errors.New("nobody leads")
		}
		return nil
	})
	if err != nil {
		m.Fatal(err)
	}
	hub := m.nodes[slices.IndexFunc(m.nodes, func(n *manyNode) bool { return n.name == leads })]
	addr, asked := m.addr(m.nodes[3]), m.asking(leads)
	hub.cmd.Process.Kill()
	hub.cmd.Wait()
	m.took("kill -9 of the hub that leads the cluster: a client of another node has a slot", func() {
		if err := manyVisit(addr); err != nil {
			m.Error(err)
		}
	})
	m.took("then all others reach each other without it", func() {
		m.each(func(n *manyNode, st *api.Status) error { return sees(st, len(m.nodes)-2, leads) }, hub)
	})
	m.start(hub)
	began := time.Now()
	m.took("it is started again: each node sees all", func() { m.each(m.seesAll) })
	for _, at := range []time.Duration{30 * time.Second, 60 * time.Second, 90 * time.Second} {
		time.Sleep(time.Until(began.Add(at)))
		m.Logf("%d nodes know the others from it %v after its start, of %d before", m.asking(leads), time.Since(began).Round(time.Second), asked)
	}
}

// asking returns how many nodes learn of the others from hub.
func (m *manyNodes) asking(hub string) (count int) {
	for _, n := range m.nodes[3:] {
		st, err := statusAt(n.socket)
		if err == nil && slices.ContainsFunc(st.Mesh.Peers, func(p api.Peer) bool { return p.Via == hub }) {
			count++
		}
	}
	return count
}
