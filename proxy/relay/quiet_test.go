package relay_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// endsQuiet repeats EndQuiet for a side until it ends.
func (s *session) endsQuiet(side func(*session) *relay.Side, after time.Duration, over <-chan struct{}) {
	for {
		s.signal(func(s *session) {
			if !s.finished {
				s.harness.run.EndQuiet(s, side(s), after)
			}
		})
		select {
		case <-over:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func ofClient(s *session) *relay.Side  { return s.client }
func ofBackend(s *session) *relay.Side { return s.backend }

// closed returns a channel that is closed once f has returned.
func closed(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	return done
}

// TestEndQuiet: the client sees the end; what it still sends arrives; then the backend
// sees the end.
func TestEndQuiet(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		c, s := h.come(), b.take()
		say(t, c, "hello")
		hear(t, s, "hello")
		say(t, s, "hi")
		hear(t, c, "hi")
		live := next(t, h.live)
		live.endsQuiet(ofBackend, 0, closed(func() { hearEnd(t, c) }))
		say(t, c, "late")
		hear(t, s, "late")
		live.endsQuiet(ofClient, 0, closed(func() { hearEnd(t, s) }))
		over := next(t, h.over)
		if len(over.ends) != 2 || over.reset || over.ends[0].End != relay.Quiet || over.ends[0].Side != over.backend ||
			over.ends[1].End != relay.Quiet || over.ends[1].Side != over.client || !over.ends[1].Last {
			t.Errorf("it ended with %+v", over.ends)
		}
	})
}

// TestEndQuietAndTheClientEnds, as clients do that have seen the end.
func TestEndQuietAndTheClientEnds(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		c, s := h.come(), b.take()
		live := next(t, h.live)
		live.endsQuiet(ofBackend, time.Millisecond, closed(func() { hearEnd(t, c) }))
		say(t, c, "bye")
		c.Close()
		hear(t, s, "bye")
		hearEnd(t, s)
		over := next(t, h.over)
		if len(over.ends) != 2 || over.reset || over.ends[1].End != relay.FIN || over.ends[1].Side != over.client {
			t.Errorf("it ended with %+v", over.ends)
		}
	})
}

// TestEndQuietWaits while bytes are in flight: the client reads nothing, so they are in
// sockets, pipes and buffers; and until both sides have been quiet for so long.
func TestEndQuietWaits(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		c, s := h.come(), b.take()
		live := next(t, h.live)
		all := make([]byte, 16<<20)
		for i := range all {
			all[i] = byte(i >> 8)
		}
		written := closed(func() {
			if _, err := s.Write(all); err != nil {
				t.Error(err)
			}
		})
		within(t, "more has arrived than the client's socket holds", func() bool { return live.client.Out() > 1<<20 })
		for range 50 {
			live.signal(func(s *session) { h.run.EndQuiet(s, s.backend, 0) })
			time.Sleep(time.Millisecond)
		}
		var got []byte
		read := closed(func() { got, _ = io.ReadAll(c) })
		<-written // otherwise it may be quiet between two writes of the backend
		live.endsQuiet(ofBackend, 0, read)
		if !bytes.Equal(got, all) {
			t.Errorf("%d bytes of %d have arrived, or other bytes", len(got), len(all))
		}
		c.Close()
		hearEnd(t, s)
		next(t, h.over)
	})
}

// TestEndQuietOfABusySession does nothing.
func TestEndQuietOfABusySession(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t).echo()
		h := open(t, r, "tcp", b.addr())
		c := h.come()
		live := next(t, h.live)
		for range 50 {
			live.signal(func(s *session) { h.run.EndQuiet(s, s.backend, time.Hour) })
			say(t, c, "ping")
			hear(t, c, "ping")
		}
		c.Close()
		if over := next(t, h.over); over.ends[0].End != relay.FIN {
			t.Errorf("it ended with %+v", over.ends)
		}
	})
}

// TestEndQuietLosesNothing: whenever the end comes, everything that the client has sent
// arrives, and everything that the backend has sent before it.
func TestEndQuietLosesNothing(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		for range 40 {
			c, s := h.come(), b.take()
			live := next(t, h.live)
			arrived := make(chan int64, 1)
			go func() {
				n, b := int64(0), make([]byte, 4096)
				for {
					more, err := s.Read(b)
					if n += int64(more); err != nil {
						arrived <- n
						return
					}
					s.Write(b[:more]) // an answer, which fails if it is too late
				}
			}()
			sent := make(chan int64, 1)
			stop := make(chan struct{})
			go func() { sent <- chatter(c, stop) }()
			answered := int64(0)
			live.endsQuiet(ofBackend, 0, closed(func() { answered, _ = io.Copy(io.Discard, c) }))
			close(stop)
			total := <-sent
			c.CloseWrite()
			if n := <-arrived; n != total {
				t.Errorf("%d bytes of %d have arrived", n, total)
			}
			if answered > total {
				t.Errorf("%d bytes of %d were answered", answered, total)
			}
			s.Close()
			next(t, h.over)
			c.Close()
		}
	})
}

// chatter sends now and then until stop, and returns how many bytes.
func chatter(c net.Conn, stop <-chan struct{}) (total int64) {
	for {
		select {
		case <-stop:
			return total
		case <-time.After(time.Duration(rand.IntN(300)) * time.Microsecond):
		}
		n, err := c.Write(make([]byte, 1+rand.IntN(100)))
		if total += int64(n); err != nil {
			return total
		}
	}
}
