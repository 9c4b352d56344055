package relay_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// eachPlainRunner leaves out the runners of framed clients, as frames do not carry
// urgent data.
func eachPlainRunner(t *testing.T, test func(t *testing.T, r relay.Runner)) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		if strings.HasSuffix(t.Name(), "/idle") || strings.HasSuffix(t.Name(), "/frames") {
			t.Skip("urgent data stays in the stream")
		}
		test(t, r)
	})
}

func control(t testing.TB, c any, do func(fd int) error) {
	t.Helper()
	rc, err := c.(syscall.Conn).SyscallConn()
	if err == nil {
		err = rc.Control(func(fd uintptr) {
			if e := do(int(fd)); e != nil {
				t.Error(e)
			}
		})
	}
	if err != nil {
		t.Error(err)
	}
}

// urge sends a byte of urgent data.
func urge(t testing.TB, c net.Conn, b byte) {
	t.Helper()
	control(t, c, func(fd int) error { return unix.Send(fd, []byte{b}, unix.MSG_OOB) })
}

// hearUrgent waits for an urgent byte.
func hearUrgent(t testing.TB, c net.Conn, want byte) {
	t.Helper()
	within(t, "an urgent byte arrives", func() (ok bool) {
		control(t, c, func(fd int) error {
			var b [1]byte
			n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_OOB|unix.MSG_DONTWAIT)
			if ok = err == nil && n == 1; ok && b[0] != want {
				t.Errorf("the urgent byte is %q, not %q", b[0], want)
			}
			return nil
		})
		return ok
	})
}

// TestUrgentDataGoesOnAsSuch, in its place, and what follows it does not wait,
// whichever side sends it and wherever it is.
func TestUrgentDataGoesOnAsSuch(t *testing.T) {
	eachPlainRunner(t, func(t *testing.T, r relay.Runner) {
		for _, from := range []string{"client", "backend"} {
			for _, before := range []string{"", "before it", strings.Repeat("x", 64<<10)} {
				b := newBackend(t)
				h := open(t, r, "tcp", b.addr())
				one, two := h.come(), b.take()
				if from == "backend" {
					one, two = two, one
				}
				for range 20 {
					if before != "" {
						say(t, one, before)
					}
					urge(t, one, '!')
					say(t, one, "behind it")
					hearUrgent(t, two, '!')
					hear(t, two, before+"behind it")
				}
				// A side that wants it inline gets it in its place.
				control(t, two, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1) })
				say(t, one, "abc")
				urge(t, one, '!')
				say(t, one, "def")
				hear(t, two, "abc!def")
				urge(t, one, '?')
				hear(t, two, "?")
				reset(one)
				next(t, h.over)
				h.l.Close()
			}
		}
	})
}

// TestUrgentDataOfAWaiter, before anything is read from it.
func TestUrgentDataOfAWaiter(t *testing.T) {
	eachPlainRunner(t, func(t *testing.T, r relay.Runner) {
		for _, ends := range []bool{false, true} {
			b := newBackend(t)
			h := open(t, r, "tcp", b.addr(), holding)
			c := h.come()
			waiter := next(t, h.begun)
			say(t, c, "early")
			urge(t, c, '!')
			say(t, c, "late")
			if ends {
				c.CloseWrite()
				receive(t, h.peerClosed)
			}
			waiter.signal(goOn)
			s := b.take()
			control(t, s, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1) })
			hear(t, s, "early!late")
			if ends {
				hearEnd(t, s)
			}
			reset(c)
			s.Close()
			next(t, h.over)
			h.l.Close()
		}
	})
}

// TestUrgentDataInBulk neither ends the stream nor delays it, and all other bytes
// arrive. The reader does not take urgent data, like most.
func TestUrgentDataInBulk(t *testing.T) {
	eachPlainRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		for _, from := range []string{"client", "backend"} {
			one, two := h.come(), b.take()
			if from == "backend" {
				one, two = two, one
			}
			all := bulk()
			rest := expected(all)
			var going sync.WaitGroup
			var heard, mark atomic.Int64
			going.Go(func() {
				for i := range len(all) >> 20 {
					if _, err := one.Write(all[i<<20:][:1<<20]); err != nil {
						t.Error(err)
					}
					if i%6 == 5 { // the last one right before the end
						// A new urgent byte makes the previous one an ordinary byte.
						within(t, "the reader has passed the previous one", func() bool { return heard.Load() > mark.Load() || i == 5 })
						urge(t, one, '!')
						mark.Store(int64(i+1) << 20)
					}
				}
				one.CloseWrite()
			})
			n, err := io.Copy(io.MultiWriter(&rest, counting{&heard}), two)
			going.Wait()
			if len(rest) > 0 || err != nil {
				t.Errorf("from the %s: %d bytes of %d, %v", from, n, len(all), err)
			}
			two.Close()
			if s := next(t, h.over); len(s.ends) != 2 || s.ends[0].End != relay.FIN {
				t.Errorf("it ended with %+v", s.ends)
			}
		}
	})
}

// TestUrgentDataRightAfterAWholeRead: an urgent byte that arrives just after a read has
// emptied the socket is found before the next read.
func TestUrgentDataRightAfterAWholeRead(t *testing.T) {
	eachPlainRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		var all sync.WaitGroup
		for range 3 { // a round is mostly a wait of a millisecond
			one, two := h.come(), b.take()
			all.Go(func() { urgeAfterReads(t, one, two, 600) })
		}
		all.Wait()
		for range 3 {
			next(t, h.over)
		}
	})
}

func urgeAfterReads(t *testing.T, one, two *net.TCPConn, rounds int) {
	defer one.Close()
	defer two.Close()
	block := make([]byte, 32<<10) // as much as one read takes
	for i := range rounds {
		one.Write(block)
		for began := time.Now(); time.Since(began) < time.Duration(i%100)*time.Microsecond; {
		}
		urge(t, one, '!')
		one.SetDeadline(time.Now().Add(patience))
		if n := readPastUrgent(two, block[:len(block)-1]); n < len(block)-1 {
			t.Errorf("after %d urgent bytes %d bytes of %d arrived", i, n, len(block)-1)
			return
		}
		one.Write([]byte("."))
		if n := readPastUrgent(two, block[:2]); string(block[:n]) != "\x00." {
			t.Errorf("after %d urgent bytes %q arrived", i, block[:n])
			return
		}
	}
}

// readPastUrgent reads len(b) bytes. A reader that waits at an urgent byte which it does not take is not always woken
// when the byte after it arrives (both were seen in the receive queue for a minute), so it tries again.
func readPastUrgent(c net.Conn, b []byte) (n int) {
	for began := time.Now(); n < len(b) && time.Since(began) < patience; {
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		m, err := c.Read(b[n:])
		n += m
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	return n
}

// counting counts what is written to it.
type counting struct{ n *atomic.Int64 }

func (c counting) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// TestAShortReadOfAUnixSocket: a read stops after descriptors that were sent along, and
// what follows them does not wait for more.
func TestAShortReadOfAUnixSocket(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		front := filepath.Join(t.TempDir(), "f")
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr(), func(h *harness) {
			h.l.Close()
			var err error
			if h.l, err = relay.Listen("unix:"+front, relay.Sock{}); err != nil {
				t.Fatal(err)
			}
		}, holding)
		c, err := net.Dial("unix", front)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		waiter := next(t, h.begun)
		if _, _, err := c.(*net.UnixConn).WriteMsgUnix([]byte("with it, "), unix.UnixRights(0), nil); err != nil {
			t.Fatal(err)
		}
		say(t, c, "behind it")
		waiter.signal(goOn)
		s := b.take()
		hear(t, s, "with it, behind it")
		c.Close()
		s.Close()
		next(t, h.over)
	})
}
