package proxy_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// copySockets copies the descriptors of a service's connections for the rest of the test, as each child process has
// copies of all descriptors from its fork to its exec.
func (v *visit) copySockets(backend string) {
	v.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		v.Fatal(err)
	}
	var own []int
	for _, f := range all {
		fd, err := strconv.Atoi(f.Name())
		if err != nil {
			v.Fatal(err)
		}
		local, _ := unix.Getsockname(fd)
		remote, err := unix.Getpeername(fd)
		if err == nil && (addrOf(local) == v.addr() || addrOf(remote) == backend) {
			own = append(own, fd)
		}
	}
	if len(own) != 2 {
		v.Fatalf("%d descriptors are the service's connections, want 2", len(own))
	}
	for _, fd := range own {
		c, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			v.Fatal(err)
		}
		v.Cleanup(func() { unix.Close(c) })
	}
}

func addrOf(a unix.Sockaddr) string {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return (&net.TCPAddr{IP: a.Addr[:], Port: a.Port}).String()
	case *unix.SockaddrUnix:
		return a.Name
	}
	return ""
}

// TestAResetWaitsForNoProcess that is being started: the kernel resets a connection at the last close of its
// descriptor, and a slot's next client would reach the backend before.
func TestAResetWaitsForNoProcess(t *testing.T) {
	onEach(t, func(t *testing.T) {
		for name, config := range map[string]*tls.Config{"plain": nil, "TLS 1.2": {MaxVersion: tls.VersionTLS12}, "TLS 1.3": {}} {
			for _, by := range []string{proxy.ByClient, proxy.ByBackend, proxy.ByOperator} {
				t.Run(name+", by the "+by, func(t *testing.T) {
					t.Parallel()
					s := newServer(t, "a")
					sc := unchecked(onRunner(t))
					if config != nil {
						sc.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
					}
					v := start(t, sc, s)
					raw := v.dialRaw()
					c := &client{TB: t, Conn: raw, r: bufio.NewReader(raw)}
					if config != nil {
						conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MaxVersion: config.MaxVersion})
						c = &client{TB: t, Conn: conn, r: bufio.NewReader(conn)}
					}
					c.says("hello")
					c.hears("a hello")
					v.copySockets(s.addr())
					switch by {
					case proxy.ByClient:
						raw.SetLinger(0)
						raw.Close()
					case proxy.ByBackend:
						s.kill()
					case proxy.ByOperator:
						v.Kick("ana", "", v.Sessions(false)[0].ID)
					}
					if by != proxy.ByClient {
						c.isReset()
					}
					if by != proxy.ByBackend {
						v.eventually("the backend has its reset", func() bool { return s.resets.Load() == 1 })
					}
					v.untilIdle()
				})
			}
		}
	})
}

// TestTheEndOfAUnixSocketWaitsForNoProcess either.
func TestTheEndOfAUnixSocketWaitsForNoProcess(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		path := filepath.Join(t.TempDir(), "a")
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		s := serveOn(t, "a", ln)
		sc := unchecked(relay)
		sc.Backends = []proxy.BackendConfig{{Name: "a", Addr: "unix:" + path}}
		v := start(t, sc)
		c := v.dial("hello")
		c.hears("a hello")
		v.copySockets(path)
		c.reset()
		v.eventually("the backend's connection has ended", func() bool { return s.open() == 0 })
	})
}

// TestADialThatIsGivenUpIsNotConnected later, when the backend has room again: the backend would have one client more
// than it has slots.
func TestADialThatIsGivenUpIsNotConnected(t *testing.T) {
	t.Parallel()
	backend := proxytest.Full(t)
	c := unchecked("loop")
	c.ConnectTimeout = 200 * time.Millisecond
	c.Backends = []proxy.BackendConfig{{Name: "a", Addr: backend}}
	v := start(t, c)
	v.dial("one")
	var link string
	v.eventually("it is dialled", func() bool { link = copyDialled(t, backend); return link != "" })
	v.eventually("the dial is given up", func() bool { return !slices.Contains(dialled(t, backend), link) })
}

// copyDialled copies the descriptor of a connection that is not there yet for the rest of the test, and returns what
// /proc calls it, "" if there is none.
func copyDialled(t *testing.T, addr string) string {
	links := dialled(t, addr)
	all, _ := os.ReadDir("/proc/self/fd")
	for _, f := range all {
		link, _ := os.Readlink("/proc/self/fd/" + f.Name())
		if !slices.Contains(links, link) {
			continue
		}
		fd, _ := strconv.Atoi(f.Name())
		if c, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
			t.Cleanup(func() { unix.Close(c) })
			return link
		}
	}
	return ""
}

// dialled are the connections to an IPv4 address that wait for its SYN-ACK, as /proc calls them.
func dialled(t *testing.T, addr string) (links []string) {
	at := netip.MustParseAddrPort(addr)
	table, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	ip := at.Addr().As4()
	remote := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), at.Port())
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 9 && f[2] == remote && f[3] == "02" {
			links = append(links, "socket:["+f[9]+"]")
		}
	}
	return links
}
