//go:build linux

package mesh_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// connected waits until both have connected, and logs how long that took after the second was up.
func connected(t *testing.T, what string, old, newer *proc) {
	t.Helper()
	up := newer.await("started", "", 0).At
	a, b := newer.await("alive", old.name, 0), old.await("alive", newer.name, 0)
	t.Logf("%s: the new one is connected after %v, the old one after %v, found by %s and %s", what,
		a.At.Sub(up).Round(100*time.Microsecond), b.At.Sub(up).Round(100*time.Microsecond), a.Peer.FoundBy, b.Peer.FoundBy)
}

const noMDNS = "MESH_TEST_NOMDNS=1"

// settle waits until the interfaces' IPv6 link-local addresses are usable.
func (l *lan) settle() {
	l.t.Helper()
	for _, p := range l.plugged {
		usable := func() bool {
			out, err := exec.Command("ip", "-n", p[0], "-6", "addr", "show", "dev", p[1], "scope", "link").CombinedOutput()
			return err == nil && strings.Contains(string(out), "fe80:") && !strings.Contains(string(out), "tentative")
		}
		for began := time.Now(); !usable(); time.Sleep(20 * time.Millisecond) {
			if time.Since(began) > limit {
				l.t.Fatalf("%s of %s has no link-local address", p[1], p[0])
			}
		}
	}
}

func TestTwoHosts(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	a, b := l.host().plug("eth0", "10.1.0.1/24", "fd01::1/64"), l.host().plug("eth0", "10.1.0.2/24", "fd01::2/64")
	l.settle()
	old := a.node("old", "")
	time.Sleep(2 * time.Second)
	connected(t, "two hosts", old, b.node("newer", ""))
}

func TestTwoProcessesOnOneHost(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	h := l.host().plug("eth0", "10.1.0.1/24")
	l.settle()
	old := h.node("old", "")
	time.Sleep(2 * time.Second)
	connected(t, "one host", old, h.node("newer", ""))
	connected(t, "one host, one on loopback only", old, h.node("inner", "127.0.0.1"))
	connected(t, "one host, one on a single address", old, h.node("outer", "10.1.0.1"))
}

func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	h := l.host() // no network at all
	for _, addr := range []string{"127.0.0.1", "::1", "localhost"} {
		old := h.node("old", addr)
		time.Sleep(time.Second)
		newer := h.node("newer", addr)
		connected(t, addr, old, newer)
		old.shutdown()
		newer.shutdown()
	}
}

func (p *proc) shutdown() {
	p.stdin.Close()
	p.cmd.Wait()
}

func TestTwoInterfaces(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	left, right := l.host().plug("eth0", "10.1.0.1/24"), l.host().plug("eth0", "10.2.0.1/24")
	both := l.host().plug("eth0", "10.1.0.2/24").plug("eth1", "10.2.0.2/24")
	l.settle()
	mid := both.node("mid", "")
	time.Sleep(time.Second)
	connected(t, "first interface", mid, left.node("left", ""))
	connected(t, "second interface", mid, right.node("right", ""))
}

func TestIPv4Only(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	a, b := l.host(), l.host()
	for i, h := range []*host{a, b} {
		h.sysctl("net/ipv6/conf/all/disable_ipv6", "1")
		h.sysctl("net/ipv6/conf/default/disable_ipv6", "1")
		h.plug("eth0", fmt.Sprintf("10.1.0.%d/24", i+1))
	}
	old := a.node("old", "")
	time.Sleep(2 * time.Second)
	connected(t, "IPv4 only, no default route", old, b.node("newer", ""))
}

func TestIPv6Only(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	a, b := l.host().plug("eth0"), l.host().plug("eth0") // link-local addresses only
	l.settle()
	old := a.node("old", "")
	time.Sleep(2 * time.Second)
	connected(t, "IPv6 link-local only", old, b.node("newer", ""))
}

func TestLateInterface(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	a, b := l.host(), l.host().plug("eth0", "10.1.0.2/24")
	old, newer := a.node("old", ""), b.node("newer", "")
	time.Sleep(2 * time.Second)
	plugged := time.Now()
	a.plug("eth0", "10.1.0.1/24")
	e := old.await("alive", "newer", 0)
	newer.await("alive", "old", 0)
	t.Logf("late interface: connected %v after it was plugged in", e.At.Sub(plugged).Round(time.Millisecond))
}

func TestJoinWithoutMulticast(t *testing.T) {
	t.Parallel()
	l := newLAN(t, noMDNS)
	a, b, c := l.host().plug("eth0", "10.1.0.1/24"), l.host().plug("eth0", "10.1.0.2/24"), l.host().plug("eth0", "10.1.0.3/24")
	l.settle()
	late := b.node("b", "", "10.1.0.1:7460") // no node answers there yet
	time.Sleep(time.Second)
	hub := a.node("hub", "0.0.0.0:7460")
	e := late.await("alive", "hub", 0)
	t.Logf("join: connected %v after the other came up", e.At.Sub(hub.began).Round(time.Millisecond))
	third := c.node("c", "", "10.1.0.1:7460")
	connected(t, "found by a peer", late, third)
}

// lanPair is two connected nodes on two hosts.
func lanPair(t *testing.T) (ha, hb *host, a, b *proc) {
	t.Helper()
	l := newLAN(t, "MESH_TEST_SECRET="+mesh.NewSecret())
	ha, hb = l.host().plug("eth0", "10.1.0.1/24", "fd01::1/64"), l.host().plug("eth0", "10.1.0.2/24", "fd01::2/64")
	l.settle()
	a, b = ha.node("a", ""), hb.node("b", "")
	a.await("alive", "b", 0)
	b.await("alive", "a", 0)
	time.Sleep(500 * time.Millisecond)
	return ha, hb, a, b
}

func TestKilled(t *testing.T) {
	t.Parallel()
	_, _, a, b := lanPair(t)
	killed := time.Now()
	b.signal(syscall.SIGKILL)
	e := a.await("down", "b", 0)
	t.Logf("kill -9: seen after %v", e.At.Sub(killed).Round(10*time.Microsecond))
	if e.Peer.Cause != meshinfo.Crashed {
		t.Errorf("cause %q: want crashed", e.Peer.Cause)
	}
}

func TestLeaves(t *testing.T) {
	t.Parallel()
	_, _, a, b := lanPair(t)
	left := time.Now()
	b.signal(syscall.SIGTERM)
	e := a.await("down", "b", 0)
	t.Logf("departure: seen after %v", e.At.Sub(left).Round(10*time.Microsecond))
	if e.Peer.Cause != meshinfo.Departed {
		t.Errorf("cause %q: want departed", e.Peer.Cause)
	}
}

func TestStopped(t *testing.T) {
	t.Parallel()
	_, _, a, b := lanPair(t)
	stopped := time.Now()
	b.signal(syscall.SIGSTOP)
	s, e := a.await("suspect", "b", 0), a.await("down", "b", 0)
	t.Logf("SIGSTOP: suspect after %v, down after %v", s.At.Sub(stopped).Round(time.Millisecond), e.At.Sub(stopped).Round(time.Millisecond))
	if e.Peer.Cause != meshinfo.Unresponsive {
		t.Errorf("cause %q: want unresponsive", e.Peer.Cause)
	}
	seenA, seenB := a.seen(), b.seen()
	resumed := time.Now()
	b.signal(syscall.SIGCONT)
	back := a.await("alive", "b", seenA)
	b.await("alive", "a", seenB)
	t.Logf("SIGCONT: connected again after %v", back.At.Sub(resumed).Round(time.Millisecond))
}

// TestGivenUpIsNoCrash: a stopped process learns when it continues that it was given up; neither side says that the other
// crashed.
func TestGivenUpIsNoCrash(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds: not with -short")
	}
	for name, secret := range map[string]string{"open": "", "secret": mesh.NewSecret()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := []string{noMDNS, "MESH_TEST_SECRET=" + secret}
			b := startProc(t, env, exec.Command(os.Args[0]), "b", "127.0.0.1:0")
			a := startProc(t, env, exec.Command(os.Args[0]), "a", "127.0.0.1:0", b.await("started", "", 0).Peer.Addr)
			a.await("alive", "b", 0)
			b.await("alive", "a", 0)
			b.signal(syscall.SIGSTOP)
			if e := a.await("down", "b", 0); e.Peer.Cause != meshinfo.Unresponsive {
				t.Errorf("a: cause %q: want unresponsive", e.Peer.Cause)
			}
			b.signal(syscall.SIGCONT)
			if e := b.await("down", "a", 0); e.Peer.Cause != meshinfo.GaveUp || !strings.Contains(e.Peer.Detail, "nothing heard from this node for") {
				t.Errorf("b: cause %q, %s: want gave_up", e.Peer.Cause, e.Peer.Detail)
			}
		})
	}
}

func TestCutAndHealed(t *testing.T) {
	t.Parallel()
	cutFor(t, 4*time.Second)
}

func TestCutForAMinute(t *testing.T) {
	t.Parallel()
	if os.Getenv("MESH_TEST_LONG") == "" {
		t.Skip("takes a minute: set MESH_TEST_LONG=1")
	}
	cutFor(t, time.Minute)
}

func cutFor(t *testing.T, d time.Duration) {
	_, hb, a, b := lanPair(t)
	cut := time.Now()
	hb.cut("eth0")
	e := a.await("down", "b", 0)
	eb := b.await("down", "a", 0)
	t.Logf("cut: down after %v and %v", e.At.Sub(cut).Round(time.Millisecond), eb.At.Sub(cut).Round(time.Millisecond))
	if e.Peer.Cause != meshinfo.Unreachable || eb.Peer.Cause != meshinfo.Unreachable {
		t.Errorf("causes %q and %q: want unreachable", e.Peer.Cause, eb.Peer.Cause)
	}
	time.Sleep(d - time.Since(cut))
	seenA, seenB := a.seen(), b.seen()
	healed := time.Now()
	hb.heal("eth0")
	back, backB := a.await("alive", "b", seenA), b.await("alive", "a", seenB)
	t.Logf("healed after %v: connected again after %v and %v", d, back.At.Sub(healed).Round(time.Millisecond), backB.At.Sub(healed).Round(time.Millisecond))
}

func TestAvahiSeesNodes(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"avahi-daemon", "avahi-browse", "dbus-daemon", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	l := newLAN(t)
	a, b := l.host().plug("eth0", "10.1.0.1/24", "fd01::1/64"), l.host().plug("eth0", "10.1.0.2/24", "fd01::2/64")
	l.settle()
	a.node("edge.one", "0.0.0.0:7460")
	// A D-Bus and an Avahi daemon in a mount namespace with its own /run leave the machine's alone.
	script := `mount -t tmpfs none /run && mkdir -p /run/dbus /run/avahi-daemon &&
dbus-daemon --system --fork --nopidfile && avahi-daemon --daemonize --no-drop-root --no-chroot --no-rlimits --no-proc-title >/dev/null 2>&1
avahi-browse -rtp _tcpctl._tcp
avahi-daemon --kill; kill $(pidof -s dbus-daemon) 2>/dev/null; true`
	cmd := exec.Command("ip", "netns", "exec", b.ns, "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script)
	out, err := cmd.CombinedOutput()
	t.Logf("avahi-browse:\n%s", out)
	if err != nil && len(out) == 0 {
		t.Skipf("avahi does not start here: %v", err)
	}
	for _, want := range []string{"10.1.0.1", ";7460;", "mesh=netns", "node=edge.one"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("avahi-browse does not show %q", want)
		}
	}
}
