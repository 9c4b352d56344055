//go:build linux

package mesh_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
)

// These tests run nodes as processes on hosts that are network namespaces, joined by a bridge in a namespace of its own.
// They never fail because something was slow: times are logged.

const nsPrefix = "tcpctlmesh"

// lan is a bridge and the hosts on it.
type lan struct {
	t       *testing.T
	name    string // prefix of its namespaces' names
	sw      string // the switch's namespace
	hosts   int
	plugged [][2]string // namespace and interface
	env     []string    // of its nodes
}

var lans atomic.Int32

// newLAN makes a LAN; env is added to the environment of its nodes.
func newLAN(t *testing.T, env ...string) *lan {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds: not with -short")
	}
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("network namespaces need the ip command (iproute2)")
	}
	removeStale()
	name := fmt.Sprintf("%s-%d-%d", nsPrefix, os.Getpid(), lans.Add(1))
	l := &lan{t: t, name: name, sw: name + "-sw", env: env}
	if out, err := exec.Command("ip", "netns", "add", l.sw).CombinedOutput(); err != nil {
		t.Skipf("network namespaces are not allowed here: %s", out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", l.sw).Run() })
	l.ip("-n", l.sw, "link", "add", "br0", "type", "bridge")
	l.ip("-n", l.sw, "link", "set", "br0", "type", "bridge", "mcast_snooping", "0")
	l.ip("-n", l.sw, "link", "set", "br0", "up")
	return l
}

// removeStale deletes namespaces that a killed run of these tests left behind.
func removeStale() {
	out, _ := exec.Command("ip", "netns", "list").Output()
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		var pid int
		if _, err := fmt.Sscanf(name, nsPrefix+"-%d-", &pid); err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			exec.Command("ip", "netns", "del", name).Run()
		}
	}
}

func (l *lan) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// host is a namespace with loopback up.
type host struct {
	lan *lan
	ns  string
	num int
}

func (l *lan) host() *host {
	l.t.Helper()
	l.hosts++
	h := &host{lan: l, num: l.hosts, ns: fmt.Sprintf("%s-h%d", l.name, l.hosts)}
	l.ip("netns", "add", h.ns)
	l.t.Cleanup(func() { exec.Command("ip", "netns", "del", h.ns).Run() })
	l.ip("-n", h.ns, "link", "set", "lo", "up")
	// Duplicate address detection would take a second or two; where it cannot be switched off, settle waits for it.
	exec.Command("ip", "netns", "exec", h.ns, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad").Run()
	return h
}

// plug joins the host to the switch with an interface that has the addresses.
func (h *host) plug(iface string, addrs ...string) *host {
	h.lan.t.Helper()
	far := h.far(iface)
	h.lan.ip("link", "add", far, "netns", h.lan.sw, "type", "veth", "peer", "name", iface, "netns", h.ns)
	h.lan.ip("-n", h.lan.sw, "link", "set", far, "master", "br0", "up")
	for _, a := range addrs {
		h.lan.ip("-n", h.ns, "addr", "add", a, "dev", iface)
	}
	h.lan.ip("-n", h.ns, "link", "set", iface, "up")
	h.lan.plugged = append(h.lan.plugged, [2]string{h.ns, iface})
	return h
}

func (h *host) far(iface string) string { return fmt.Sprintf("%s-%d", iface, h.num) }

// cut and heal act on the switch's port: the host's own interface stays up, as if a cable behind the switch were pulled.
func (h *host) cut(iface string) {
	h.lan.ip("-n", h.lan.sw, "link", "set", h.far(iface), "nomaster")
}
func (h *host) heal(iface string) {
	h.lan.ip("-n", h.lan.sw, "link", "set", h.far(iface), "master", "br0")
}

func (h *host) sysctl(key, value string) {
	h.lan.t.Helper()
	if out, err := exec.Command("ip", "netns", "exec", h.ns, "sh", "-c", "echo "+value+" > /proc/sys/"+key).CombinedOutput(); err != nil {
		h.lan.t.Skipf("%s cannot be set here: %s", key, out)
	}
}

// proc is a node in a process of its own.
type proc struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	stdin io.Closer
	began time.Time

	mu     sync.Mutex
	events []mesh.Event
}

func (h *host) node(name, listen string, join ...string) *proc {
	h.lan.t.Helper()
	return startProc(h.lan.t, h.lan.env, exec.Command("ip", "netns", "exec", h.ns, os.Args[0]), name, listen, join...)
}

func startProc(t *testing.T, env []string, cmd *exec.Cmd, name, listen string, join ...string) *proc {
	t.Helper()
	role := strings.Join(append([]string{name, "netns", listen}, join...), ",")
	p := &proc{t: t, name: name, cmd: cmd, began: time.Now()}
	p.cmd.Env = append(append(os.Environ(), env...), "MESH_TEST_NODE="+role)
	p.cmd.Stderr = os.Stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	read := make(chan struct{})
	go p.read(stdout, read)
	p.t.Cleanup(func() {
		p.signal(syscall.SIGCONT)
		p.cmd.Process.Kill()
		<-read
		p.cmd.Wait()
	})
	p.await("started", "", 0)
	return p
}

func (p *proc) read(r io.Reader, done chan<- struct{}) {
	defer close(done)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var e mesh.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			p.t.Errorf("%s said %q: %v", p.name, lines.Text(), err)
			continue
		}
		p.mu.Lock()
		p.events = append(p.events, e)
		p.mu.Unlock()
	}
}

func (p *proc) signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

// await returns the first event of that kind and peer after the first skip events.
func (p *proc) await(kind, peer string, skip int) mesh.Event {
	p.t.Helper()
	var found mesh.Event
	await(p.t, fmt.Sprintf("%s: %s %s", p.name, kind, peer), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, e := range p.events[min(skip, len(p.events)):] {
			if e.Kind == kind && e.Peer.Name == peer {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

func (p *proc) seen() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.events)
}
