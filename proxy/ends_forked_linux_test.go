package proxy_test

import (
	"crypto/tls"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// copySockets copies the descriptors of a service's connections to a client and to its backend for the rest of the test,
// as each child process has copies of all descriptors from its fork to its exec.
func (v *visit) copySockets(client net.Conn, backend string) {
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
		// A connection of another test, whose listener is closed, may have this one's address, too.
		ofClient := addrOf(local) == v.addr() && addrOf(remote) == client.LocalAddr().String()
		if err == nil && (ofClient || addrOf(remote) == backend) {
			own = append(own, fd)
		}
	}
	if len(own) != 2 {
		v.Fatalf("%d descriptors are the service's connections, want 2", len(own))
	}
	for _, fd := range own {
		if err := copyDescriptor(v, fd); err != nil {
			v.Fatal(err)
		}
	}
}

// copyDescriptor copies a descriptor for the rest of the test.
func copyDescriptor(t testing.TB, fd int) error {
	c, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		t.Cleanup(func() { unix.Close(c) })
	}
	return err
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
					var c *client
					var raw net.Conn
					if config == nil {
						c = v.dial("")
						raw = c.Conn
					} else {
						c = v.speaks(config.Clone(), nil)
						raw = c.Conn.(*tls.Conn).NetConn()
					}
					c.says("hello")
					c.hears("a hello")
					v.copySockets(raw, s.addr())
					switch by {
					case proxy.ByClient:
						(&client{Conn: raw}).reset()
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
		v.copySockets(c, path)
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
	c.ConnectTimeout = time.Hour
	c.Backends = []proxy.BackendConfig{{Name: "a", Addr: backend}}
	v := start(t, c)
	v.dial("one")
	var link string
	v.eventually("it is dialled", func() bool { link = copyDialled(t, backend); return link != "" })
	v.Kick("ana", "", v.Sessions(false)[0].ID)
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
		if copyDescriptor(t, fd) == nil {
			return link
		}
	}
	return ""
}

// dialled returns the connections to an address of 127.0.0.1 that wait for its SYN-ACK, as /proc calls them.
func dialled(t *testing.T, addr string) (links []string) {
	rows, err := tcpTable(int(netip.MustParseAddrPort(addr).Port()), "02")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rows {
		links = append(links, "socket:["+f[9]+"]")
	}
	return links
}
