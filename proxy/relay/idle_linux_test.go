package relay_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// untilIdle waits until no goroutine waits for either side of a session.
func untilIdle(t *testing.T, s *session) {
	t.Helper()
	within(t, "both directions are idle", func() bool {
		idle := make(chan bool)
		s.signal(func(s *session) { idle <- s.client.Idle() && s.backend.Idle() })
		return receive(t, idle)
	})
}

func idleSession(t *testing.T) (h *harness, c, s *net.TCPConn, live *session) {
	b := newBackend(t)
	h = open(t, new(idling), "tcp", b.addr())
	c, s = h.come(), b.take()
	say(t, c, "hello")
	hear(t, s, "hello")
	live = next(t, h.live)
	untilIdle(t, live)
	return h, c, s, live
}

func TestAnIdleSessionContinues(t *testing.T) {
	h, c, s, live := idleSession(t)
	for range 3 {
		say(t, c, "still there?")
		hear(t, s, "still there?")
		untilIdle(t, live)
		say(t, s, "yes")
		hear(t, c, "yes")
		untilIdle(t, live)
	}
	c.CloseWrite()
	hearEnd(t, s)
	pause(20) // until only the other direction is idle
	say(t, s, "goodbye")
	s.Close()
	hear(t, c, "goodbye")
	hearEnd(t, c)
	if over := next(t, h.over); over.ends[0].End != relay.FIN || over.ends[1].End != relay.FIN || !over.ends[1].Last {
		t.Errorf("it ended with %+v", over.ends)
	}
}

func TestAnIdleSessionIsReset(t *testing.T) {
	for _, first := range []string{"client", "backend"} {
		h, one, two, _ := idleSession(t)
		if first == "backend" {
			one, two = two, one
		}
		reset(one)
		if _, err := io.Copy(io.Discard, two); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s first: the other saw %v", first, err)
		}
		if over := next(t, h.over); over.ends[0].End != relay.Reset {
			t.Errorf("%s first: it ended with %+v", first, over.ends)
		}
	}
}

func TestAnIdleSessionIsClosed(t *testing.T) {
	h, c, _, live := idleSession(t)
	live.signal(func(s *session) {
		s.harness.run.Close(s.client, true)
		s.harness.run.Close(s.backend, true)
	})
	if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client saw %v", err)
	}
	if over := next(t, h.over); over.ends[0].End != relay.Closed || over.ends[1].End != relay.Closed || !over.ends[1].Last {
		t.Errorf("it ended with %+v", over.ends)
	}
}

// TestStopWatchKeepsAReader, for a closing handshake that needs one.
func TestStopWatchKeepsAReader(t *testing.T) {
	h, c, _, live := idleSession(t)
	live.signal(func(s *session) { s.client.StopWatch() })
	pause(20)
	idle := make(chan bool)
	live.signal(func(s *session) { idle <- s.client.Idle() })
	if receive(t, idle) {
		t.Error("it is idle again")
	}
	reset(c)
	next(t, h.over)
}
