package relay_test

import (
	"testing"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestAWaiterIsWatchedWithoutTakingAByte in the three ways in which it can end, and its
// data can still be relayed.
func TestAWaiterIsWatchedWithoutTakingAByte(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr(), holding)

		bare := h.come()
		s := next(t, h.begun)
		bare.CloseWrite()
		if end := receive(t, h.peerClosed); end != relay.FIN {
			t.Errorf("an end without data was reported as %v", end)
		}
		s.signal(leave)
		next(t, h.over)

		gone := h.come()
		s = next(t, h.begun)
		say(t, gone, "words")
		reset(gone)
		if end := receive(t, h.peerClosed); end != relay.Reset {
			t.Errorf("a reset was reported as %v", end)
		}
		s.signal(leave)
		next(t, h.over)

		half := h.come()
		s = next(t, h.begun)
		say(t, half, "words")
		half.CloseWrite()
		if end := receive(t, h.peerClosed); end != relay.HalfFIN {
			t.Errorf("an end after bytes was reported as %v", end)
		}
		seen := make(chan relay.End, 1)
		s.signal(func(s *session) {
			seen <- s.client.Probe()
			goOn(s)
		})
		if end := receive(t, seen); end != relay.HalfFIN {
			t.Errorf("a second probe found %v", end)
		}
		c := b.take()
		hear(t, c, "words")
		hearEnd(t, c)
		say(t, c, "answer")
		hear(t, half, "answer")
		c.Close()
		next(t, h.over)
	})
}

// TestAWaiterThatOnlyTalksIsLeftAlone, and a half-closed one that goes away is reported
// again.
func TestAWaiterThatOnlyTalksIsLeftAlone(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h := open(t, r, "tcp", newBackend(t).addr(), holding)
		c := h.come()
		s := next(t, h.begun)
		for range 10 {
			say(t, c, "well? ")
		}
		pause(30)
		if len(h.peerClosed) > 0 {
			t.Errorf("an end was reported: %v", <-h.peerClosed)
		}
		c.CloseWrite()
		if end := receive(t, h.peerClosed); end != relay.HalfFIN {
			t.Errorf("half-closed was reported as %v", end)
		}
		reset(c)
		if end := receive(t, h.peerClosed); end != relay.Reset {
			t.Errorf("gone was reported as %v", end)
		}
		s.signal(leave)
		next(t, h.over)
	})
}
