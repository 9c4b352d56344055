package relay_test

import (
	"errors"
	"io"
	"syscall"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestTheKernelTellsWhetherAFINWasReceived even if a write has taken the error: a read
// then finds an end of stream, and the next write EPIPE, whether the connection was
// reset after its end or instead of it.
func TestTheKernelTellsWhetherAFINWasReceived(t *testing.T) {
	b := newBackend(t)
	for _, fin := range []bool{true, false} {
		c, s := dialTo(t, b.addr()), b.take()
		rc, err := s.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		control := func(f func(fd int)) {
			if err := rc.Control(func(fd uintptr) { f(int(fd)) }); err != nil {
				t.Fatal(err)
			}
		}
		say(t, c, "hello")
		hear(t, s, "hel")
		control(func(fd int) {
			if n := relay.ReadSoFar(fd); n != 3 {
				t.Errorf("%d bytes were read before, want 3", n)
			}
		})
		if fin {
			c.Close()
			within(t, "the end arrives", func() (came bool) {
				control(func(fd int) { came = relay.ReadSoFar(fd) < 0 })
				return came
			})
			say(t, s, "to a peer that has gone")
		} else {
			reset(c)
		}
		within(t, "a write after the one that gets the reset", func() bool {
			_, err := s.Write([]byte("x"))
			return errors.Is(err, syscall.EPIPE)
		})
		s.Write([]byte("x")) // in case the last one was the first to get it
		if rest, err := io.ReadAll(s); string(rest) != "lo" || err != nil {
			t.Errorf("FIN %t: heard %q, %v", fin, rest, err)
		}
		control(func(fd int) {
			if received, known := relay.FINReceived(fd, 5); received != fin || !known {
				t.Errorf("FIN %t: the kernel says %t, %t", fin, received, known)
			}
			if _, known := relay.FINReceived(fd, -1); known {
				t.Error("known without the number of bytes")
			}
		})
	}
}
