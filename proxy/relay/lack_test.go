package relay_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

func called(what string, e error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError(what, e)}
}

func TestOursOrTheirs(t *testing.T) {
	for _, c := range []struct {
		err  error
		want relay.Lack
	}{
		{nil, ""},
		{io.EOF, ""},
		{context.DeadlineExceeded, ""},
		{called("connect", syscall.ECONNREFUSED), ""},
		{called("connect", syscall.ETIMEDOUT), ""},
		{called("connect", syscall.EHOSTUNREACH), ""},
		{called("read", syscall.ECONNRESET), ""},
		{called("connect", syscall.EADDRNOTAVAIL), relay.LackPorts},
		{called("connect", syscall.EADDRINUSE), relay.LackPorts},
		{called("connect", syscall.EAGAIN), relay.LackPorts},
		{&net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EAGAIN)}, ""},
		{called("bind", syscall.EADDRINUSE), relay.LackPorts},
		{called("bind", syscall.EADDRNOTAVAIL), relay.LackSource},
		{called("socket", syscall.EMFILE), relay.LackDescriptors},
		{called("accept", syscall.ENFILE), relay.LackDescriptors},
		{called("socket", syscall.ENOBUFS), relay.LackMemory},
		{called("connect", syscall.ENOMEM), relay.LackMemory},
		{called("epoll_ctl", syscall.ENOSPC), relay.LackMemory},
		{&fs.PathError{Op: "fork/exec", Path: "/bin/x", Err: syscall.EAGAIN}, relay.LackProcesses},
		{&fs.PathError{Op: "fork/exec", Path: "/bin/x", Err: syscall.ENOENT}, ""},
	} {
		if runtime.GOOS == "windows" && c.want != "" {
			continue // its numbers differ
		}
		got := relay.LackOf(c.err)
		if got != c.want {
			t.Errorf("%v lacks %q, want %q", c.err, got, c.want)
		}
		if got != "" && got.Try() == "" {
			t.Errorf("%s: no hint what to try", got)
		}
	}
}

// TestAFailureThatTellsMore: a name may have an IPv6 address that this machine cannot
// even try; the refusal by its IPv4 address counts.
func TestAFailureThatTellsMore(t *testing.T) {
	ours, theirs := called("connect", syscall.EADDRNOTAVAIL), called("connect", syscall.ECONNREFUSED)
	for _, c := range []struct{ first, then, want error }{
		{nil, ours, ours},
		{ours, theirs, theirs},
		{theirs, ours, theirs},
		{theirs, context.DeadlineExceeded, theirs},
	} {
		if got := relay.PreferError(c.first, c.then); got != c.want {
			t.Errorf("of %v and %v: %v", c.first, c.then, got)
		}
	}
}

// nobodys is an address that no machine has.
var nobodys = netip.MustParseAddr("192.0.2.77")

func TestASourceAddress(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has the whole of 127.0.0.0/8")
	}
	sources := []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.3")}
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		for i, want := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.2"} {
			h := open(t, r, "tcp", b.addr(), func(h *harness) { h.dial.Source, h.dial.SourceOffset = sources, uint32(i) })
			c := h.come()
			server := b.take()
			if got := server.RemoteAddr().(*net.TCPAddr).IP.String(); got != want {
				t.Errorf("dial %d came from %s, want %s", i, got, want)
			}
			say(t, server, "hello")
			hear(t, c, "hello")
			reset(c)
			next(t, h.over)
		}
	})
}

// TestASourceAddressOfTheOtherFamily is not used: the system chooses.
func TestASourceAddressOfTheOtherFamily(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		ln, err := net.Listen("tcp", "[::1]:0")
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { ln.Close() })
		b := &backend{t, ln}
		for _, source := range []netip.Addr{netip.MustParseAddr("::1"), nobodys} {
			h := open(t, r, "tcp", b.addr(), func(h *harness) { h.dial.Source = []netip.Addr{source} })
			c := h.come()
			server := b.take()
			if got := server.RemoteAddr().(*net.TCPAddr).IP.String(); got != "::1" {
				t.Errorf("it came from %s", got)
			}
			reset(c)
			next(t, h.over)
		}
	})
}

// TestASourceAddressThatIsNotOurs is a lack of ours, and the next one is tried.
func TestASourceAddressThatIsNotOurs(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr(), func(h *harness) { h.dial.Source = []netip.Addr{nobodys} })
		h.come()
		if s := next(t, h.over); relay.LackOf(s.failed) != relay.LackSource {
			t.Errorf("it failed with %v", s.failed)
		}
		h = open(t, r, "tcp", b.addr(), func(h *harness) { h.dial.Source = []netip.Addr{nobodys, netip.MustParseAddr("127.0.0.1")} })
		c := h.come()
		say(t, b.take(), "hello")
		hear(t, c, "hello")
		reset(c)
		next(t, h.over)
	})
}

// TestAQuietConnectionIsNotAccepted: the server's accept never returns for it.
func TestAQuietConnectionIsNotAccepted(t *testing.T) {
	if !relay.HasQuiet {
		t.Skip("this system cannot do that")
	}
	b := newBackend(t)
	const times = 50
	late := 0 // resets after the ACK, which the kernel delays by at least 40 ms
	for range times {
		began := time.Now()
		c, err := relay.Connect(t.Context(), relay.Dial{Network: "tcp", Addr: b.addr(), Timeout: patience, Quiet: true})
		if err != nil {
			t.Fatal(err)
		}
		reset(c.(*net.TCPConn))
		if time.Since(began) > 30*time.Millisecond {
			late++
		}
	}
	accepted := 0
	for b.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(300 * time.Millisecond)); ; accepted++ {
		c, err := b.Accept()
		if err != nil {
			break
		}
		c.Close()
	}
	if accepted > late {
		t.Errorf("%d of %d were accepted, and %d were late", accepted, times, late)
	}
	var timeout net.Error
	_, err := relay.Connect(t.Context(), relay.Dial{Network: "tcp", Addr: proxytest.Full(t), Timeout: 50 * time.Millisecond, Quiet: true})
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a silent one: %v", err)
	}
}
