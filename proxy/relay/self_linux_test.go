package relay_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestAConnectionToItself is refused, whatever address was dialled: if nothing listens,
// connect may choose that very port. Here it is requested.
func TestAConnectionToItself(t *testing.T) {
	for _, to := range []string{"127.0.0.1", "127.9.9.9", "::1", "0.0.0.0"} {
		t.Run(to, func(t *testing.T) {
			ln, err := net.Listen("tcp", net.JoinHostPort(to, "0"))
			if err != nil {
				t.Skip(err)
			}
			port := ln.Addr().(*net.TCPAddr).Port
			asked := netip.AddrPortFrom(netip.MustParseAddr(to), uint16(port))
			ln.Close()
			local := net.TCPAddrFromAddrPort(asked)
			if to == "0.0.0.0" {
				local.IP = net.IPv4(127, 0, 0, 1)
			}
			dialer := net.Dialer{LocalAddr: local}
			itself := func(ctx context.Context, _, _ string) (net.Conn, error) {
				c, err := dialer.DialContext(ctx, "tcp", asked.String())
				if err != nil {
					t.Errorf("it is not even tried: %v", err)
				}
				return c, err
			}
			c, err := relay.Connect(t.Context(), relay.Dial{Network: "tcp", Addr: asked.String(), Func: itself})
			if !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("it has connected: %v, %v", c, err)
			}
			// Its port is free again at once, for a backend.
			if ln, err = net.Listen("tcp", asked.String()); err != nil {
				t.Fatal(err)
			}
			other, err := net.Dial("tcp", asked.String())
			if err != nil {
				t.Fatal(err)
			}
			if isItself(t, other, asked) {
				t.Error("a connection to another socket counts as one to itself")
			}
			accepted, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []net.Conn{other, accepted} {
				reset(c.(*net.TCPConn))
			}
			ln.Close()
			if c, err = itself(t.Context(), "", ""); err != nil {
				t.Fatal(err)
			}
			if !isItself(t, c, asked) {
				t.Error("a connection to itself counts as one to another socket")
			}
			reset(c.(*net.TCPConn))
		})
	}
}

func isItself(t *testing.T, c net.Conn, asked netip.AddrPort) (is bool) {
	control(t, c, func(fd int) error {
		is = relay.IsItself(fd, asked)
		return nil
	})
	return is
}

// TestDelayAndKeepAliveAreAsAsked on both sides of both runners, even if a client's
// connection becomes one of Go's, which sets its own, and if the socket was opened with
// other options, as before a reload.
func TestDelayAndKeepAliveAreAsAsked(t *testing.T) {
	for name, newRunner := range map[string]func() relay.Runner{
		"stream": func() relay.Runner { return new(relay.Stream) },
		"loop":   func() relay.Runner { return new(relay.Loop) },
	} {
		asks := []relay.Sock{{}, {Delay: true, KeepAlive: -1, UserTimeout: 30 * time.Second}}
		for i, ask := range asks {
			t.Run(name+" delay "+strconv.FormatBool(ask.Delay), func(t *testing.T) {
				b := newBackend(t)
				r := newRunner()
				h := open(t, r, "tcp", b.addr(), holding, func(h *harness) {
					h.l.Close()
					before, err := relay.Listen("127.0.0.1:0", asks[1-i])
					if err != nil {
						t.Fatal(err)
					}
					defer before.Close()
					control(t, before.Listener, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1) }) // as a loop does
					if h.l, err = before.Dup(ask); err != nil {
						t.Fatal(err)
					}
				})
				h.come()
				waiter := next(t, h.begun)
				got := make(chan net.Conn, 1)
				waiter.signal(func(s *session) {
					c := relay.BecomeConn(s.client)
					s.client.StopWatch()
					got <- c
				})
				asAsked(t, "client", receive(t, got), ask)
				dialled, err := relay.Connect(t.Context(), relay.Dial{Network: "tcp", Addr: b.addr(), Sock: ask})
				if err != nil {
					t.Fatal(err)
				}
				asAsked(t, "backend", dialled, ask)
				dialled.Close()
				waiter.signal(leave)
				next(t, h.over)
			})
		}
	}
}

func asAsked(t *testing.T, side string, c net.Conn, ask relay.Sock) {
	t.Helper()
	control(t, c, func(fd int) error {
		noDelay, _ := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY)
		alive, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE)
		timeout, _ := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if (noDelay == 0) != ask.Delay || (alive == 0) != (ask.KeepAlive < 0) || timeout != int(ask.UserTimeout.Milliseconds()) {
			t.Errorf("the %s's socket: TCP_NODELAY %d, SO_KEEPALIVE %d, TCP_USER_TIMEOUT %d", side, noDelay, alive, timeout)
		}
		return err
	})
}

// securedTask ends once it is connected.
type securedTask struct {
	session
	connected func(net.Conn)
}

func (s *securedTask) Step(ev relay.Event) {
	if ev.Kind == relay.Connected {
		s.backend = ev.Side
		s.connected(s.backend.Conn())
		s.finish()
		return
	}
	s.session.Step(ev)
}

// TestKeepAliveOfADialThatLeavesTheLoop: a connection that Dial.Secure makes one of Go's,
// as for an older TLS, has it at once.
func TestKeepAliveOfADialThatLeavesTheLoop(t *testing.T) {
	for _, ask := range []relay.Sock{{}, {Delay: true, KeepAlive: -1}} {
		h := open(t, new(relay.Loop), "tcp", newBackend(t).addr(), func(h *harness) {
			h.dial.Sock = ask
			h.dial.Secure = func(_ context.Context, c net.Conn) (net.Conn, error) { return c, nil }
			h.make = func(h *harness, client *relay.Side) relay.Task {
				return &securedTask{session{harness: h, client: client}, func(c net.Conn) {
					asAsked(t, "backend", c.(interface{ NetConn() net.Conn }).NetConn(), ask)
				}}
			}
		})
		h.come()
		next(t, h.over)
	}
}
