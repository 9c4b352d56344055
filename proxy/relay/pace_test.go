package relay_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// burst passes at once within any limit that is as low as those of the tests.
const burst = 32 << 10

func limited(bytesPerSecond int64) func(*harness) {
	return func(h *harness) { h.limit = bytesPerSecond }
}

// TestALimitHoldsBytesBack: bytes beyond the burst take their time in each direction,
// arrive completely, and the end of stream follows them.
func TestALimitHoldsBytesBack(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		const rate, more = 128 << 10, 64 << 10
		h := open(t, r, "tcp", b.addr(), limited(rate))
		c, s := h.come(), b.take()
		sent := make([]byte, burst+more)
		rand.Read(sent)
		began := time.Now()
		done := make(chan error, 4)
		for _, end := range []*net.TCPConn{c, s} {
			go func() {
				_, err := end.Write(sent)
				done <- errors.Join(err, end.CloseWrite())
			}()
			go func() {
				got, err := io.ReadAll(end)
				if err == nil && !bytes.Equal(got, sent) {
					err = errors.New("the bytes have changed")
				}
				done <- err
			}()
		}
		for range 4 {
			if err := receive(t, done); err != nil {
				t.Error(err)
			}
		}
		if took, least := time.Since(began), time.Second*more/rate; took < least {
			t.Errorf("it took only %s of %s", took, least)
		}
		over := next(t, h.over)
		if in, out := over.client.In(), over.backend.Out(); in != int64(len(sent)) || out != in || over.ends[0].End != relay.FIN || over.ends[1].End != relay.FIN {
			t.Errorf("%d in, %d out, ends %+v", in, out, over.ends)
		}
	})
}

// TestALimitDoesNotDelayWhatIsWithinIt, byte by byte, at a limit that passes only the
// burst.
func TestALimitDoesNotDelayWhatIsWithinIt(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr(), limited(1))
		c, s := h.come(), b.take()
		for range 200 {
			say(t, c, "ping")
			hear(t, s, "ping")
			say(t, s, "pong")
			hear(t, c, "pong")
		}
	})
}

// beyond is a session whose client has sent more than its limit passes, so that the
// rest waits for longer than any test.
func beyond(t *testing.T, r relay.Runner) (h *harness, c, s *net.TCPConn, live *session) {
	b := newBackend(t)
	h = open(t, r, "tcp", b.addr(), limited(1))
	c, s = h.come(), b.take()
	live = next(t, h.live)
	c.Write(make([]byte, burst)) // separately: a read that is partly beyond the limit waits as a whole
	if _, err := io.ReadFull(s, make([]byte, burst)); err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("beyond"))
	within(t, "more was read than may pass", func() bool { return live.client.In() > burst })
	return h, c, s, live
}

// TestWhatALimitHoldsEndsWithItsSession, without waiting for the limit.
func TestWhatALimitHoldsEndsWithItsSession(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(h *harness, live *session, s *net.TCPConn){
		"closed by us": func(h *harness, live *session, _ *net.TCPConn) {
			live.signal(func(s *session) {
				h.run.Close(s.client, true)
				h.run.Close(s.backend, true)
			})
		},
		"reset by the backend": func(_ *harness, _ *session, s *net.TCPConn) { reset(s) },
	} {
		t.Run(name, func(t *testing.T) {
			eachRunner(t, func(t *testing.T, r relay.Runner) {
				h, c, s, live := beyond(t, r)
				end(h, live, s)
				if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the client has %v", err)
				}
				next(t, h.over)
			})
		})
	}
}

// TestALimitIsOfOneDirection: while one waits, the other continues, and ends.
func TestALimitIsOfOneDirection(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h, c, s, live := beyond(t, r)
		for range 100 {
			say(t, s, "pong")
			hear(t, c, "pong")
		}
		s.CloseWrite()
		hearEnd(t, c)
		live.signal(func(s *session) {
			h.run.Close(s.client, true)
			h.run.Close(s.backend, true)
		})
		next(t, h.over)
	})
}
