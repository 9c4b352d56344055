package relay_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestBothEndCleanlyAtOnce: neither sees a reset, and none is reported, however long it
// takes to determine how a side ended. TCPCTL_VISITS=10000 makes it long.
func TestBothEndCleanlyAtOnce(t *testing.T) {
	for name, sessions := range map[string]int{"": visits() / 2, "checking takes a while": visits() / 5} {
		t.Run(name, func(t *testing.T) {
			if name != "" {
				t.Cleanup(relay.BetweenChecks(func() { time.Sleep(2 * time.Millisecond) }))
			}
			eachRunnerAlone(t, func(t *testing.T, r relay.Runner) {
				b := newBackend(t)
				h := open(t, r, "tcp", b.addr())
				const pairs = 20
				var all sync.WaitGroup
				for range pairs {
					all.Go(func() {
						for range sessions / pairs {
							c, s := dialTo(t, h.l.Addr().String()), b.take()
							all.Go(func() { endAndHear(t, s) })
							endAndHear(t, c)
						}
					})
				}
				all.Wait()
				for range sessions / pairs * pairs {
					if s := next(t, h.over); s.reset || len(s.ends) != 2 || s.ends[0].End != relay.FIN || s.ends[1].End != relay.FIN {
						t.Fatalf("it ended with %+v", s.ends)
					}
				}
			})
		})
	}
}

// endAndHear sends, ends its stream, and reads the other's until its end.
func endAndHear(t *testing.T, c *net.TCPConn) {
	defer c.Close()
	if _, err := io.WriteString(c, "so long"); err != nil {
		t.Error(err)
	}
	c.CloseWrite()
	if got, err := io.ReadAll(c); err != nil || string(got) != "so long" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestASideThatHasEndedAndIsReset: it has closed, and its system answers further data
// with a reset. The other side sees that with its first write, and the session ends,
// whichever side it was and whatever it had sent.
func TestASideThatHasEndedAndIsReset(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		for _, first := range []string{"client", "backend"} {
			b := newBackend(t)
			h := open(t, r, "tcp", b.addr())
			one, two := h.come(), b.take()
			if first == "backend" {
				one, two = two, one
			}
			say(t, one, "goodbye")
			one.Close()
			hear(t, two, "goodbye")
			hearEnd(t, two)
			say(t, two, "one answer, and no more")
			s := next(t, h.over)
			other := s.backend
			if first == "backend" {
				other = s.client
			}
			if len(s.ends) != 2 || s.ends[0].End != relay.FIN || s.ends[1].End != relay.Gone || s.ends[1].Side != other || !s.ends[1].Last {
				t.Errorf("%s first: it ended with %+v", first, s.ends)
			}
			within(t, "the other side sees the reset", func() bool {
				_, err := two.Write([]byte("x"))
				return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
			})
			h.l.Close()
		}
	})
}

// TestASideThatIsResetAfterItsEnd gets its end delivered first, however much of its
// data is still in flight.
func TestASideThatIsResetAfterItsEnd(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		c, s := h.come(), b.take()
		const size = 1 << 20
		wrote := make(chan bool)
		go func() {
			defer close(wrote)
			c.Write(make([]byte, size))
		}()
		session := next(t, h.begun)
		receive(t, wrote)
		within(t, "the proxy's system has it", func() bool { return relay.Unsent(c) == 0 })
		c.Close() // a close with an unread answer discards what its own system still has to send
		within(t, "the peer takes no more", func() bool {
			now := session.client.In()
			pause(50)
			return now > 0 && session.client.In() == now
		})
		say(t, s, "an answer to one who has gone")
		n, err := io.Copy(io.Discard, slow{s})
		if n != size {
			t.Errorf("%d of %d bytes, %v", n, size, err)
		}
		if s := next(t, h.over); s.ends[0].Side != s.client || s.ends[0].End != relay.FIN && s.ends[0].End != relay.Reset {
			t.Errorf("it ended with %+v", s.ends)
		}
	})
}
