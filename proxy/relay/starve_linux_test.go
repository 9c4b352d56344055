package relay_test

import (
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestOutOfDescriptorsIsWaitedOut: it is reported once, and clients that came meanwhile
// are served.
func TestOutOfDescriptorsIsWaitedOut(t *testing.T) {
	eachRunnerAlone(t, func(t *testing.T, r relay.Runner) {
		trouble := make(chan error, 100)
		b := newBackend(t).echo()
		h := open(t, r, "tcp", b.addr(), func(h *harness) { h.l.OnError = func(err error) { trouble <- err } })
		first := h.come()
		say(t, first, "hello")
		hear(t, first, "hello")

		// Sockets of our own, connected only once there are no free descriptors.
		var mine []int
		for range 3 {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			mine = append(mine, fd)
		}
		restore := noDescriptors(t)
		defer restore()
		at := &unix.SockaddrInet4{Port: h.l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
		for _, fd := range mine {
			if err := unix.Connect(fd, at); err != nil {
				t.Fatal(err)
			}
		}
		if err := receive(t, trouble); !errors.Is(err, unix.EMFILE) {
			t.Errorf("the error was %v", err)
		}
		pause(60)
		if n := len(trouble); n > 0 {
			t.Errorf("it was reported %d more times: %v", n, <-trouble)
		}
		restore()
		buf := make([]byte, 5)
		for _, fd := range mine {
			unix.Write(fd, []byte("hello"))
			if n, err := unix.Read(fd, buf); n != 5 || err != nil {
				t.Errorf("a client that came meanwhile got %d bytes, %v", n, err)
			}
			unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
			unix.Close(fd)
		}
		reset(first)
		for range 1 + len(mine) {
			next(t, h.over)
		}
	})
}

// noDescriptors leaves this process no free descriptor until restore is called.
func noDescriptors(t *testing.T) (restore func()) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	return func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) }
}

// TestOutOfDescriptorsAsServingBegins is waited out, too: a loop needs a descriptor of its
// own for the listener.
func TestOutOfDescriptorsAsServingBegins(t *testing.T) {
	eachRunnerAlone(t, func(t *testing.T, r relay.Runner) {
		restore, trouble, b := func() {}, make(chan error, 100), newBackend(t)
		defer func() { restore() }()
		h := open(t, r, "tcp", b.addr(), func(h *harness) {
			if l, ok := r.(interface{ Start() error }); ok && l.Start() != nil {
				t.Fatal("the loops did not start")
			}
			h.l.OnError = func(err error) { trouble <- err }
			restore = noDescriptors(t)
		})
		if err := receive(t, trouble); !errors.Is(err, unix.EMFILE) {
			t.Errorf("the error was %v", err)
		}
		restore()
		c := h.come()
		say(t, b.take(), "hello")
		hear(t, c, "hello")
		reset(c)
		next(t, h.over)
		if n := len(trouble); n > 0 {
			t.Errorf("it was reported %d more times: %v", n, <-trouble)
		}
	})
}
