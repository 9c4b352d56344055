package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// fencedBackend counts its clients, and records the token and first line of each, which it echoes.
type fencedBackend struct {
	ln     net.Listener
	wg     sync.WaitGroup
	mu     sync.Mutex
	conns  map[net.Conn]bool
	most   int
	tokens []uint64
	lines  []string
}

func newFencedBackend(t *testing.T) *fencedBackend {
	t.Helper()
	ln := proxytest.Listen(t)
	b := &fencedBackend{ln: ln, conns: map[net.Conn]bool{}}
	b.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			b.wg.Go(func() { b.serve(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		b.mu.Lock()
		for c := range b.conns {
			c.Close()
		}
		b.mu.Unlock()
		b.wg.Wait()
	})
	return b
}

func (b *fencedBackend) serve(c net.Conn) {
	defer c.Close()
	b.mu.Lock()
	b.conns[c] = true
	b.most = max(b.most, len(b.conns))
	b.mu.Unlock()
	defer func() { // before the other end sees the close
		b.mu.Lock()
		delete(b.conns, c)
		b.mu.Unlock()
	}()
	r := bufio.NewReader(c)
	h, err := proxyproto.Read(r)
	if err != nil {
		return
	}
	var token uint64
	tlvs, _ := h.TLVs()
	for _, tlv := range tlvs {
		if tlv.Type == 0xE5 && len(tlv.Value) == 8 {
			token = binary.BigEndian.Uint64(tlv.Value)
		}
	}
	line, err := r.ReadString('\n')
	if err != nil {
		return
	}
	b.mu.Lock()
	b.tokens, b.lines = append(b.tokens, token), append(b.lines, strings.TrimSpace(line))
	b.mu.Unlock()
	fmt.Fprintf(c, "x: %s", line)
	io.Copy(io.Discard, r)
}

// sharedLock starts three nodes with one lock of two slots; their binaries can be replaced.
func sharedLock(t *testing.T, b *fencedBackend, env ...string) (all []*upgradable) {
	t.Helper()
	dir := logDir(t)
	secret, first := filepath.Join(dir, "secret"), proxytest.FreePort(t)
	write(t, secret, mesh.NewSecret()+"\n")
	for i, listen := range []string{first, "127.0.0.1:0", "127.0.0.1:0"} {
		path := filepath.Join(dir, fmt.Sprintf("%d.toml", i+1))
		write(t, path, fmt.Sprintf(`
[services.db]
listen = "127.0.0.1:0"
backends = [%q]
check = { type = "none" }
send_proxy = 2
lock = { slots = 2, scope = "cluster" }
hooks = { ready = "none" }
queue = { timeout = "10m" }
[history]
file = "off"
[mesh]
name = "lab"
node = "edge-%d"
listen = %q
join = [%q]
mdns = false
secret_file = %q
[cluster]
voters = ["edge-1", "edge-2", "edge-3"]
lease = "10s"
dir = %q
`, b.ln.Addr(), i+1, listen, first, secret, filepath.Join(dir, fmt.Sprint(i))))
		all = append(all, runInstalled(t, env, "run", "--no-ui", "-c", path))
	}
	for _, in := range all {
		in.untilPeers(2)
	}
	all[0].tcpctl("cluster", "init")
	for _, in := range all {
		in.until("it has a lease", func(s *proxy.ServiceInfo) bool { return s.Lock.LeaseSeconds > 0 && s.Lock.Slots == 2 })
	}
	return all
}

// untilVotes waits until an upgraded node votes again.
func (in *running) untilVotes() {
	in.t.Helper()
	for began := time.Now(); ; restSince(began) {
		c := in.status().Cluster
		if c.Leader != "" && (c.Role == api.ClusterVoter || c.Role == api.ClusterLeader) {
			return
		}
		if time.Since(began) > patience {
			in.t.Fatalf("it never votes: %+v", c)
		}
	}
}

// queues connects a client to a node, and returns once its place is committed: later clients of any node are behind it.
func queues(t *testing.T, all []*upgradable, i int, line string) *client {
	t.Helper()
	c := mustDial(t, all[i].addr())
	t.Cleanup(func() { c.Close() })
	c.says(line)
	waitUntil(t, fmt.Sprintf("a place of client %s at edge-%d", line, i+1), func() bool {
		l := all[i].line()
		return slices.ContainsFunc(slices.Concat(l.Holders, l.Waiters), func(p api.LineClient) bool {
			return p.Client == c.LocalAddr().String() && (p.Token > 0 || p.Position > 0)
		})
	})
	return c
}

// showsLine waits until a node shows exactly these clients, of any node and process, in the queue:
// the ones in hold have slots, the others wait in that order.
func (in *upgradable) showsLine(hold, wait []*client) {
	in.t.Helper()
	var want, is []string
	for i, c := range slices.Concat(hold, wait) {
		want = append(want, fmt.Sprintf("%d %s", max(i+1-len(hold), 0), c.LocalAddr()))
	}
	for began := time.Now(); time.Since(began) < patience; restSince(began) {
		line := in.line()
		is = nil
		for _, c := range slices.Concat(line.Holders, line.Waiters) {
			is = append(is, fmt.Sprintf("%d %s", c.Position, c.Client))
		}
		if slices.Equal(is, want) {
			return
		}
	}
	in.t.Errorf("the line is\n%s\nand not\n%s", strings.Join(is, "\n"), strings.Join(want, "\n"))
}

// TestRule35AnUpgradeKeepsTicketsAndLease: each node is upgraded while clients of all nodes hold
// slots and wait. None fails or loses its place, and clients that come meanwhile are behind those
// waiting in a replaced process.
func TestRule35AnUpgradeKeepsTicketsAndLease(t *testing.T) {
	t.Parallel()
	b := newFencedBackend(t)
	all := sharedLock(t, b)
	var clients []*client
	come := func() {
		for i := range all {
			clients = append(clients, queues(t, all, i, fmt.Sprint(len(clients))))
		}
	}
	hears := func(n int) {
		t.Helper()
		if err := clients[n].hears(fmt.Sprintf("x: %d", n)); err != nil {
			t.Fatalf("client %d: %v", n, err)
		}
	}
	come()
	hears(0)
	hears(1)
	for _, i := range []int{0, 0, 1, 2} { // the first node then has clients in three processes
		in := all[i]
		pid := in.status().Node.PID
		in.tcpctl("upgrade")
		in.follow(pid)
		come()
	}
	for _, in := range all {
		in.showsLine(clients[:2], clients[2:])
	}
	for n := range clients[2:] {
		clients[n].Close()
		hears(n + 2)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, line := range b.lines {
		if line != fmt.Sprint(b.tokens[n]-1) || n > 1 && line != fmt.Sprint(n) { // the first two come at the same time, from two nodes
			t.Errorf("the backend's client %d is %s, with token %d", n, line, b.tokens[n])
		}
	}
	if b.most > 2 {
		t.Errorf("%d clients at a time over two slots", b.most)
	}
	for _, in := range all {
		if out := in.tcpctl("events"); strings.Contains(out, "no lease") || strings.Contains(out, "with a slot reset") {
			t.Errorf("a lease was lost:\n%s", out)
		}
		in.ends()
	}
}

// TestRule35ANewProcessThatDiesLater: once it has taken over the node's part, nothing renews the
// old process's lease, so that process ends its sessions before their slots go to others. The node
// restarts while the old process still runs.
func TestRule35ANewProcessThatDiesLater(t *testing.T) {
	t.Parallel()
	b := newFencedBackend(t)
	all := sharedLock(t, b)
	in := all[0]
	holder := queues(t, all, 0, "0")
	if err := holder.hears("x: 0"); err != nil {
		t.Fatal(err)
	}
	other := queues(t, all, 1, "1")
	waits := queues(t, all, 2, "2")
	pid := in.status().Node.PID
	in.tcpctl("upgrade")
	next := in.follow(pid)
	in.untilVotes()
	if err := sendSignal(next, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := holder.sees(); err != nil {
		t.Errorf("the holder of the process before it: %v", err)
	}
	if err := waits.hears("x: 2"); err != nil {
		t.Errorf("its slot: %v", err)
	}
	if err := other.hears("x: 1"); err != nil {
		t.Errorf("a holder of another node: %v", err)
	}
	again := runInstance(t, nil, in.cmd.Args[slices.Index(in.cmd.Args, "run"):slices.Index(in.cmd.Args, "--socket")]...)
	again.untilVotes()
	other.Close()
	c := mustDial(t, again.addr())
	defer c.Close()
	c.says("3")
	if err := c.hears("x: 3"); err != nil {
		t.Errorf("a client of the node that has come back: %v", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.most > 2 {
		t.Errorf("%d clients at a time over two slots", b.most)
	}
}

// TestRule35AnotherCluster: with another lease or folder, or without the cluster, the new process
// cannot take over. The old one keeps serving.
func TestRule35AnotherCluster(t *testing.T) {
	t.Parallel()
	b := newFencedBackend(t)
	in := sharedLock(t, b)[0]
	c := mustDial(t, in.addr())
	defer c.Close()
	path := in.cmd.Args[slices.Index(in.cmd.Args, "-c")+1]
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	node := strings.Replace(string(text), `, scope = "cluster"`, "", 1)
	for _, other := range []struct{ text, says string }{
		{strings.Replace(string(text), `"10s"`, `"12s"`, 1), "lease is 12s, and 10s in the running process"},
		{strings.Replace(string(text), "\ndir = ", fmt.Sprintf("\ndir = %q # ", path+".d"), 1), "dir is " + path + ".d"},
		{node[:strings.Index(node, "[cluster]")], "the [cluster] table is gone"},
		{node[:strings.Index(node, "[mesh]")], "the [cluster] table is gone"},
	} {
		write(t, path, other.text)
		if out, status := in.try("upgrade"); status != exitFailed || !strings.Contains(out, other.says) {
			t.Errorf("status %d: want %q\n%s", status, other.says, out)
		}
	}
	c.says("0")
	if err := c.hears("x: 0"); err != nil {
		t.Error(err)
	}
}

// TestRule35UpgradesUnderLoad: clients come and go on all nodes while each is upgraded twice. No
// client fails, and there are never three at a time.
func TestRule35UpgradesUnderLoad(t *testing.T) {
	t.Parallel()
	b := newFencedBackend(t)
	all := sharedLock(t, b)
	var clients sync.WaitGroup
	stop, failed := make(chan struct{}), make(chan error, 100)
	var counts [3]atomic.Int64
	for i, in := range all {
		addr := in.addr()
		for range 2 {
			clients.Go(func() { served(stop, addr, &counts[i], failed) })
		}
	}
	for range 2 {
		for i, in := range all {
			pid := in.status().Node.PID
			in.tcpctl("upgrade")
			in.follow(pid)
			for before := counts[i].Load(); counts[i].Load() < before+10 && len(failed) == 0; {
				time.Sleep(10 * time.Millisecond)
			}
			in.untilVotes()
		}
	}
	close(stop)
	clients.Wait()
	select {
	case err := <-failed:
		t.Errorf("a client failed: %v", err)
	default:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.most > 2 {
		t.Errorf("%d clients at a time over two slots", b.most)
	}
	seen, last := map[uint64]bool{}, uint64(0)
	for _, token := range b.tokens {
		if token == 0 || seen[token] {
			t.Errorf("token %d comes again", token)
		}
		seen[token], last = true, max(last, token)
	}
	t.Logf("%d sessions, the last token is %d", len(b.tokens), last)
	for _, in := range all {
		in.ends()
	}
}

// TestRule35UpgradesInARow: a process is replaced as soon as it can be. Its waiters are served, as
// are those of the others.
func TestRule35UpgradesInARow(t *testing.T) {
	t.Parallel()
	b := newFencedBackend(t)
	all := sharedLock(t, b)
	var holders, waiters []*client
	for n := range 2 {
		holders = append(holders, queues(t, all, 1, fmt.Sprint(n)))
	}
	in := all[0]
	for range 4 {
		pid := in.status().Node.PID
		c := mustDial(t, in.addr())
		c.says("waits")
		waiters = append(waiters, c)
		in.until("it waits", func(s *proxy.ServiceInfo) bool { return s.Queue.Waiting == len(waiters) })
		waitUntil(t, "it is replaced", func() bool {
			out, status := in.try("upgrade")
			if status != 0 && !strings.Contains(out, "has not joined the cluster yet") {
				t.Fatalf("status %d: %s", status, out)
			}
			return status == 0
		})
		in.follow(pid)
	}
	for _, c := range holders {
		c.Close()
	}
	var served sync.WaitGroup
	for n, c := range waiters { // in any order: places exist only from the first lease on
		served.Go(func() {
			if err := c.hears("x: waits"); err != nil {
				t.Errorf("client %d: %v", n, err)
			}
			c.Close()
		})
	}
	served.Wait()
	in.ends()
}

// TestRule35ANewProcessThatDies: it is killed at each stage of an upgrade. The old process
// continues with its own lease: its clients keep slots and places.
func TestRule35ANewProcessThatDies(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"ready", "accepting"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			b := newFencedBackend(t)
			all := sharedLock(t, b, upgradeFate+"=new "+at+" die")
			var clients []*client
			for n := range 4 {
				clients = append(clients, queues(t, all, n%3, fmt.Sprint(n)))
			}
			in := all[0]
			pid := in.status().Node.PID
			in.try("upgrade")
			want := "upgrade refused: upgrade: the new process has ended"
			if at == "accepting" {
				want = "ended soon after it had taken over"
			}
			in.untilLog(want)
			if now := in.status().Node.PID; now != pid {
				t.Errorf("process %d answers", now)
			}
			clients = append(clients, queues(t, all, 0, "4"))
			for n, c := range clients {
				if err := c.hears(fmt.Sprintf("x: %d", n)); err != nil {
					t.Fatalf("client %d: %v", n, err)
				}
				c.Close()
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.most > 2 {
				t.Errorf("%d clients at a time over two slots", b.most)
			}
		})
	}
}
