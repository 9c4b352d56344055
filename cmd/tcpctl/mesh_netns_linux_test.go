package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
)

// segment is a bridge with hosts, which are network namespaces.
type segment struct {
	t      *testing.T
	name   string // prefix of its namespaces' names
	bridge string // namespace of the bridge
	hosts  int
}

// segments counts segments, as several tests have one at the same time.
var segments atomic.Int32

func newSegment(t *testing.T) *segment {
	t.Helper()
	if testing.Short() {
		t.Skip("takes a minute: not with -short")
	}
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	s := &segment{t: t, name: fmt.Sprintf("mesh-%d-%d", os.Getpid(), segments.Add(1))}
	s.bridge = s.name + "-br"
	if out, err := exec.Command("ip", "netns", "add", s.bridge).CombinedOutput(); err != nil {
		t.Skipf("there are no network namespaces here: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", s.bridge).Run() })
	s.ip("-n", s.bridge, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	s.ip("-n", s.bridge, "link", "set", "br0", "up")
	return s
}

func (s *segment) ip(args ...string) {
	s.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		s.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// host makes another host, and returns its number and namespace.
func (s *segment) host() (n int, ns string) {
	s.t.Helper()
	s.hosts++
	n = s.hosts
	ns = fmt.Sprintf("%s-%d", s.name, n)
	s.ip("netns", "add", ns)
	s.t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
	s.ip("-n", ns, "link", "set", "lo", "up")
	s.ip("link", "add", s.port(n), "netns", s.bridge, "type", "veth", "peer", "name", "eth0", "netns", ns)
	s.ip("-n", s.bridge, "link", "set", s.port(n), "master", "br0", "up")
	s.ip("-n", ns, "addr", "add", fmt.Sprintf("10.0.0.%d/16", n), "dev", "eth0")
	s.ip("-n", ns, "link", "set", "eth0", "up")
	return n, ns
}

func (s *segment) port(n int) string { return fmt.Sprintf("port%d", n) }
func (s *segment) cut(n int)         { s.ip("-n", s.bridge, "link", "set", s.port(n), "nomaster") }
func (s *segment) heal(n int)        { s.ip("-n", s.bridge, "link", "set", s.port(n), "master", "br0") }

// node runs an instance on a new host, with history as its file of the history.
func (s *segment) node(name, secretFile, history string) (n int, in *running) {
	s.t.Helper()
	n, ns := s.host()
	secret := ""
	if secretFile != "" {
		secret = fmt.Sprintf("secret_file = %q", secretFile)
	}
	path := filepath.Join(s.t.TempDir(), "tcpctl.toml")
	write(s.t, path, fmt.Sprintf(`[mesh]
name = "office"
node = %q
%s
[services.w]
listen = "127.0.0.1:23001"
backends = [{ name = "x", addr = "127.0.0.1:1" }, { name = "y", addr = "127.0.0.1:2" }]
  [services.w.check]
  type = "none"
[history]
file = %q
`, name, secret, history))
	return n, runInstance(s.t, []string{"ip", "netns", "exec", ns}, "run", "--no-ui", "-c", path)
}

// flood announces nonexistent nodes of the mesh until the end of the test, at addresses with and
// without a real node.
func (s *segment) flood(names int) {
	s.t.Helper()
	_, ns := s.host()
	s.ip("-n", ns, "route", "add", "224.0.0.0/4", "dev", "eth0")
	made := make(chan net.Conn, 1)
	go func() {
		defer close(made)
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		f, err := os.Open("/run/netns/" + ns)
		if err != nil {
			return
		}
		defer f.Close()
		if unix.Setns(int(f.Fd()), unix.CLONE_NEWNET) == nil {
			if c, err := net.DialUDP("udp4", &net.UDPAddr{Port: 5353}, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}); err == nil {
				made <- c
			}
		}
	}()
	c, ok := <-made
	if !ok {
		s.t.Fatal("no socket in the namespace")
	}
	ended := make(chan struct{})
	s.t.Cleanup(func() {
		c.Close()
		<-ended
	})
	var packets [][]byte
	for i := range names {
		addr := [4]byte{10, 0, 9, byte(i)}
		if i%3 == 0 {
			addr = [4]byte{10, 0, 0, 2}
		}
		packets = append(packets, announcement(s.t, fmt.Sprintf("%08x-made-up", i*2654435761), fmt.Sprintf("node-%02d", i%60), addr))
	}
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			if _, err := c.Write(packets[i%len(packets)]); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
}

func announcement(t *testing.T, id, node string, addr [4]byte) []byte {
	t.Helper()
	service := dnsmessage.MustNewName("_tcpctl._tcp.local.")
	instance, host := dnsmessage.MustNewName(id+"._tcpctl._tcp.local."), dnsmessage.MustNewName(id+".local.")
	of := func(n dnsmessage.Name, body dnsmessage.ResourceBody) dnsmessage.Resource {
		return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: n, Class: dnsmessage.ClassINET, TTL: 120}, Body: body}
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}, Answers: []dnsmessage.Resource{
		of(service, &dnsmessage.PTRResource{PTR: instance}),
		of(instance, &dnsmessage.SRVResource{Port: 7460, Target: host}),
		of(instance, &dnsmessage.TXTResource{TXT: []string{"txtvers=1", "mesh=office", "id=" + id, "node=" + node}}),
		of(host, &dnsmessage.AResource{A: addr}),
	}}
	body, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// membersAlive waits until an instance sees n live members.
func (in *running) membersAlive(n int) {
	in.t.Helper()
	for began := time.Now(); ; restSince(began) {
		alive := 0
		for _, p := range in.status().Mesh.Members() {
			if p.State == meshinfo.Alive {
				alive++
			}
		}
		if alive == n {
			return
		}
		if time.Since(began) > 3*patience {
			in.t.Fatalf("%d of %d members are alive:\n%s", alive, n, in.tcpctl("peers"))
		}
	}
}

// TestAnActForAllAmongStrangers: in a mesh whose network has nodes of the same mesh name without
// its secret, and a machine that announces invented nodes, an act for all nodes succeeds, also if
// repeated, and reports a node that is cut off meanwhile as unknown. TCPCTL_TEST_NODES sets the
// number of nodes.
func TestAnActForAllAmongStrangers(t *testing.T) {
	t.Parallel()
	members := 4
	if text := os.Getenv("TCPCTL_TEST_NODES"); text != "" {
		var err error
		if members, err = strconv.Atoi(text); err != nil || members < 3 {
			t.Fatalf("TCPCTL_TEST_NODES=%q: want a number from 3", text)
		}
	}
	s := newSegment(t)
	var keys [2]string
	for i := range keys {
		keys[i] = filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(keys[i], []byte(mesh.NewSecret()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.flood(400)
	var all []*running
	var at []int
	for i := range members {
		name := fmt.Sprintf("node-%02d", i)
		if i >= members-2 {
			name = "twin" // names need not be unique
		}
		n, in := s.node(name, keys[0], "off")
		all, at = append(all, in), append(at, n)
	}
	for i := range 2 {
		s.node(fmt.Sprintf("node-%02d", i), []string{"", keys[1]}[i%2], "off")
	}
	for _, in := range all {
		in.membersAlive(members - 1)
	}
	began := time.Now()
	out := all[0].tcpctl("drain", "w/x", "--peer", "all")
	t.Logf("drain on %d nodes took %v", members, time.Since(began).Round(time.Millisecond))
	if n := len(regexp.MustCompile(`(?m)done: drain w/x`).FindAllString(out, -1)); n != members || strings.Count(out, "\n") != members+1 {
		t.Errorf("done on %d of %d nodes:\n%s", n, members, out)
	}
	for i, in := range all {
		if b := in.status().Backend("w/x"); b.Admin != proxy.AdminDrain {
			t.Errorf("on node %d it is %s", i, b.Admin)
		}
	}
	out = all[1].tcpctl("drain", "w/x", "--peer", "all")
	if n := strings.Count(out, "already"); n != members {
		t.Errorf("repeated: \"already\" on %d of %d nodes:\n%s", n, members, out)
	}

	out = all[0].tcpctl("peers")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) > 1+members+strangersShown+1 {
		t.Errorf("%d lines:\n%s", len(lines), out)
	}
	for i, line := range lines {
		if stranger := strings.Contains(line, "- refused") || strings.HasPrefix(line, "and "); i > 0 && stranger != (i > members) {
			t.Errorf("line %d: strangers must be at the end:\n%s", i, out)
		}
	}

	// One node is cut off while it is asked: no other node knows what it did.
	last := members - 3
	s.cut(at[last])
	name := fmt.Sprintf("node-%02d", last)
	out, status := all[0].try("ready", "w/x", "--peer", "all")
	if status != exitFailed || !regexp.MustCompile(`(?m)^`+name+` .*unknown: `).MatchString(out) || strings.Count(out, "done: ") != members-1 {
		t.Errorf("status %d:\n%s", status, out)
	}
	t.Logf("with %s cut off:\n%s", name, out)
	s.heal(at[last])
	for _, in := range all {
		in.membersAlive(members - 1)
	}
	out = all[0].tcpctl("ready", "w/x", "--peer", "all")
	if n := strings.Count(out, "done: "); n != members {
		t.Errorf("the same command once it is back: %d of %d:\n%s", n, members, out)
	}
	if b := all[last].status().Backend("w/x"); b.Admin != proxy.AdminReady {
		t.Errorf("there it is %s", b.Admin)
	}
}

// TestTheDoctorBehindASwitchWithoutMulticast: its own node's answer is not taken for that of others.
func TestTheDoctorBehindASwitchWithoutMulticast(t *testing.T) {
	t.Parallel()
	s := newSegment(t)
	n, in := s.node("one", "", "off")
	m, _ := s.node("two", "", "off")
	for began := time.Now(); len(in.status().Mesh.Peers) == 0; restSince(began) {
		if time.Since(began) > patience {
			t.Fatal("the nodes have not found each other")
		}
	}
	doctor := func() (string, error) {
		out, err := exec.Command("ip", "netns", "exec", fmt.Sprintf("%s-%d", s.name, n), "tcpctl", "mesh", "doctor", "office").Output()
		return string(out), err
	}
	if out, err := doctor(); err != nil || !strings.Contains(out, "two ") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, n := range []int{n, m} {
		s.ip("-n", s.bridge, "link", "set", s.port(n), "type", "bridge_slave", "mcast_flood", "off")
	}
	if out, err := doctor(); err == nil || !strings.Contains(out, "try: only the node on this machine answers") {
		t.Errorf("%v\n%s", err, out)
	}
}
