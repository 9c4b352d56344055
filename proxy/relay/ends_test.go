package relay_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

func pause(ms int) { time.Sleep(time.Duration(ms) * time.Millisecond) }

func TestAnEndOfStreamLeavesTheOtherDirection(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		for _, first := range []string{"client", "backend"} {
			b := newBackend(t)
			h := open(t, r, "tcp", b.addr())
			one, two := h.come(), b.take()
			if first == "backend" {
				one, two = two, one
			}
			say(t, one, "last words")
			one.CloseWrite()
			hear(t, two, "last words")
			hearEnd(t, two)
			pause(20)
			say(t, two, "an answer")
			hear(t, one, "an answer")
			two.CloseWrite()
			hearEnd(t, one)
			s := next(t, h.over)
			if len(s.ends) != 2 || s.ends[0].End != relay.FIN || s.ends[0].Last || s.ends[1].End != relay.FIN || !s.ends[1].Last {
				t.Errorf("%s first: it ended with %+v", first, s.ends)
			}
			h.l.Close()
		}
	})
}

// TestAResetDeliversWhatCameBeforeIt, even to a slow reader.
func TestAResetDeliversWhatCameBeforeIt(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"little": 10, "more than the sockets hold at first": 3 << 20} {
		t.Run(name, func(t *testing.T) {
			eachRunner(t, func(t *testing.T, r relay.Runner) {
				b := newBackend(t)
				h := open(t, r, "tcp", b.addr())
				c, s := h.come(), b.take()
				session := next(t, h.begun)
				wrote := make(chan bool)
				go func() {
					defer close(wrote)
					c.Write(make([]byte, size))
				}()
				read := 0
				buf := make([]byte, 64<<10)
				for session.client.In() < int64(size) {
					if size > 1<<20 {
						n, err := s.Read(buf)
						if err != nil {
							t.Fatal(err)
						}
						read += n
					}
				}
				<-wrote
				reset(c)
				pause(20)
				var err error
				for err == nil {
					var n int
					n, err = s.Read(buf)
					read += n
					time.Sleep(100 * time.Microsecond)
				}
				if read != size || !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("%d of %d bytes, then %v", read, size, err)
				}
				if s := next(t, h.over); s.ends[0].End != relay.Reset || s.ends[0].Side != s.client {
					t.Errorf("it ended with %+v", s.ends)
				}
			})
		})
	}
}

// TestAResetDuringABulkTransfer ends it at once in both directions, wherever the bytes
// are.
func TestAResetDuringABulkTransfer(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		for range 20 {
			c, s := h.come(), b.take()
			ended := make(chan error)
			go func() {
				block := make([]byte, 256<<10)
				for {
					if _, err := s.Write(block); err != nil {
						ended <- err
						return
					}
				}
			}()
			if _, err := io.CopyN(io.Discard, c, 8<<20); err != nil {
				t.Fatal(err)
			}
			reset(c)
			if err := receive(t, ended); errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
			if s := next(t, h.over); s.ends[0].Side != s.client || s.ends[0].End != relay.Reset {
				t.Errorf("it ended with %+v", s.ends)
			}
		}
	})
}

// TestAClientThatHasClosedIsNotReadFor: it has ended its side cleanly and takes no
// more, so a backend that sends endlessly is reset, once it has got what the client
// sent.
func TestAClientThatHasClosedIsNotReadFor(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		c, s := h.come(), b.take()
		say(t, c, "goodbye")
		c.Close()
		var err error
		for block := make([]byte, 256<<10); err == nil; {
			_, err = s.Write(block)
		}
		if errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		hear(t, s, "goodbye")
		next(t, h.over)
	})
}

// TestADeafBackendsAnswerIsDelivered: it has closed with unread bytes, which is a
// reset, before the client has got all of its answer.
func TestADeafBackendsAnswerIsDelivered(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		c, s := h.come(), b.take()
		const size = 1 << 20
		answered := make(chan bool)
		go func() {
			defer close(answered)
			s.Write(make([]byte, size))
			session := next(t, h.live)
			for session.backend.In() < size {
				pause(1)
			}
			say(t, c, "more that is not read")
			for session.backend.Out() == 0 {
				pause(1)
			}
			s.Close()
		}()
		n, _ := io.Copy(io.Discard, slow{c})
		<-answered
		if n != size {
			t.Errorf("%d of %d bytes", n, size)
		}
		next(t, h.over)
	})
}

// slow is a slow reader.
type slow struct{ io.Reader }

func (s slow) Read(b []byte) (int, error) {
	time.Sleep(200 * time.Microsecond)
	return s.Reader.Read(b[:min(len(b), 16<<10)])
}

// TestCloseEndsBothDirections, idle or in the middle of a stalled stream.
func TestCloseEndsBothDirections(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		for _, busy := range []bool{false, true} {
			b := newBackend(t)
			h := open(t, r, "tcp", b.addr())
			c, s := h.come(), b.take()
			live := next(t, h.begun)
			say(t, c, "x")
			hear(t, s, "x")
			wrote := make(chan bool)
			go func() {
				defer close(wrote)
				if busy {
					s.Write(make([]byte, 64<<20)) // they are not read
				}
			}()
			if busy {
				within(t, "the stream moves", func() bool { return live.client.Out() > 1<<20 })
			}
			live.signal(func(s *session) {
				r.Close(s.client, true)
				r.Close(s.backend, true)
			})
			<-wrote
			if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("busy %t: the client saw %v", busy, err)
			}
			over := next(t, h.over)
			if len(over.ends) != 2 || over.ends[1].End != relay.Closed || !over.ends[1].Last {
				t.Errorf("busy %t: it ended with %+v", busy, over.ends)
			}
			h.l.Close()
		}
	})
}

// TestAResetInTheMiddleOfOneDirection: one side sends much and the other nothing; both
// see the reset, and neither sees an end of stream before it, however long the copying
// takes to stop.
func TestAResetInTheMiddleOfOneDirection(t *testing.T) {
	t.Cleanup(relay.BetweenChecks(func() { time.Sleep(2 * time.Millisecond) }))
	eachRunnerAlone(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr())
		for n := range 20 {
			c, s := h.come(), b.take()
			live := next(t, h.begun)
			from, to := c, s
			if n%2 > 0 {
				from, to = s, c
			}
			go io.Copy(io.Discard, slow{to})
			if _, err := from.Write(make([]byte, 4<<20)); err != nil {
				t.Error(err)
			}
			live.signal(func(s *session) {
				r.Close(s.client, true)
				r.Close(s.backend, true)
			})
			if _, err := from.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("session %d: the sender saw %v", n, err)
			}
			next(t, h.over)
		}
	})
}

// TestAPanicAsAnEndIsPassedOn: that direction has ended nevertheless, so that nothing is read for a client that
// has gone, even if the task does not close the session.
func TestAPanicAsAnEndIsPassedOn(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	h := open(t, new(relay.Stream), "tcp", b.addr(), func(h *harness) {
		h.dial.Func = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			return panicsAtEnd{c}, err
		}
	})
	c, s := h.come(), b.take()
	next(t, h.live)
	c.CloseWrite()
	if end := receive(t, h.peerClosed); end != relay.Reset {
		t.Errorf("the panic is told as %s", end)
	}
	c.SetLinger(0)
	c.Close()
	go io.Copy(s, zeros{})
	if over := next(t, h.over); len(over.ends) != 2 || over.ends[0].Side != over.client {
		t.Errorf("it ended with %+v", over.ends)
	}
}

type panicsAtEnd struct{ net.Conn }

func (panicsAtEnd) CloseWrite() error { panic("no end") }

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
