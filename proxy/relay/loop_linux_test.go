package relay

import (
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

type nopHandler struct{ name string }

func (nopHandler) onReady(*loop, uint32) {}

// TestASlotIsReusedWithAnotherGeneration: an event for its former handler reaches no
// handler.
func TestASlotIsReusedWithAnotherGeneration(t *testing.T) {
	var s slots
	one, two := &nopHandler{"one"}, &nopHandler{"two"}
	i := s.alloc(one)
	old := unix.EpollEvent{Fd: i, Pad: s.at(i).generation}
	if s.handlerOf(&old) != one {
		t.Error("an event did not reach its handler")
	}
	s.release(i)
	if s.handlerOf(&old) != nil {
		t.Error("an event of a released slot was handled")
	}
	if j := s.alloc(two); j != i {
		t.Errorf("slot %d was not reused, but %d", i, j)
	}
	if s.handlerOf(&old) != nil {
		t.Error("an event was handled twice")
	}
}

type testTimer struct {
	timer timer
	order *[]int64
}

func (b *testTimer) onTimer(*loop) { *b.order = append(*b.order, b.timer.at) }

func TestTimersExpireInOrder(t *testing.T) {
	var h timers
	var order []int64
	ts := make([]testTimer, 200)
	for i := range ts {
		ts[i].order = &order
		h.set(&ts[i].timer, int64(i*7919%200), &ts[i])
	}
	for i := 0; i < 200; i += 3 {
		h.stop(&ts[i].timer)
	}
	for i := 1; i < 200; i += 3 {
		h.set(&ts[i].timer, int64(i), &ts[i])
	}
	if h.expired(-1) != nil {
		t.Error("a timer expired early")
	}
	for t := h.expired(1000); t != nil; t = h.expired(1000) {
		t.handler.onTimer(nil)
	}
	if len(order) != 133 || len(h) != 0 {
		t.Fatalf("%d expired, %d remain", len(order), len(h))
	}
	for i := 1; i < len(order); i++ {
		if order[i] < order[i-1] {
			t.Fatalf("%d after %d", order[i], order[i-1])
		}
	}
}

// TestARawSideCanBecomeAConn of the stream runner for good.
func TestARawSideCanBecomeAConn(t *testing.T) {
	l, err := Listen("127.0.0.1:0", Sock{})
	if err != nil {
		t.Fatal(err)
	}
	var r Loop
	sides := make(chan *Side, 1)
	r.Serve(l, func(s *Side) {
		s.becomeConn()
		sides <- s
	})
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "hello")
	side := <-sides
	defer side.Conn().Close()
	b := make([]byte, 5)
	if _, err := io.ReadFull(side.Conn(), b); err != nil || string(b) != "hello" {
		t.Errorf("read %q, %v", b, err)
	}
	if side.Conn().RemoteAddr().String() != c.LocalAddr().String() || side.Local().String() != l.Addr().String() {
		t.Errorf("it is %v at %v", side.Conn().RemoteAddr(), side.Local())
	}
	if _, ok := side.Conn().(*net.TCPConn); !ok {
		t.Errorf("it became a %T", side.Conn())
	}
	l.Close()
	r.Shutdown()
}
