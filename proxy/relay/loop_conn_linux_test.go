package relay_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// opener is a task whose session begins with an opening over its client's Conn.
type opener struct {
	session
	open  func(c net.Conn) []byte // returns what is for the relay
	after func(*opener)
}

func (o *opener) Step(ev relay.Event) {
	switch ev.Kind {
	case relay.Begin:
		c := o.client.Conn()
		o.harness.run.Do(o, func() relay.Event { return relay.Event{Kind: relay.HandshakeDone, Arg: o.open(c)} })
	case relay.HandshakeDone:
		early, _ := ev.Arg.([]byte)
		o.client.Unread(early)
		o.after(o)
	default:
		o.session.Step(ev)
	}
}

// openingHarness is a harness on the loop whose sessions begin with an opening.
type openingHarness struct {
	*harness
	loop    *relay.Loop
	opening chan *opener
}

func opening(t *testing.T, open func(net.Conn) []byte, after func(h *openingHarness, o *opener), addr string) *openingHarness {
	stream := &relay.Stream{}
	loop := &relay.Loop{Other: stream}
	t.Cleanup(stream.Shutdown)
	h := &openingHarness{loop: loop, opening: make(chan *opener, 100)}
	h.harness = &harness{TB: t, run: loop, dial: relay.Dial{Network: "tcp", Addr: addr, Timeout: patience},
		begun: make(chan *session, 100), live: make(chan *session, 100), over: make(chan *session, 100), peerClosed: make(chan relay.End, 100), timer: make(chan time.Time, 100)}
	l, err := relay.Listen("127.0.0.1:0", relay.Sock{})
	if err != nil {
		t.Fatal(err)
	}
	h.l = l
	t.Cleanup(func() {
		l.Close()
		loop.Shutdown()
	})
	loop.Serve(l, func(client *relay.Side) {
		o := &opener{session: session{harness: h.harness, client: client}, open: open, after: func(o *opener) { after(h, o) }}
		loop.Begin(o, client)
		h.opening <- o
	})
	return h
}

func dials(h *openingHarness, o *opener) { h.run.Dial(o, h.dial) }

// TestTheOpeningOnTheLoop reads in parts, and by deadlines, and writes more than the
// socket takes; what it has read is relayed first, and counted.
func TestTheOpeningOnTheLoop(t *testing.T) {
	late := make(chan error, 1)
	big := bytes.Repeat([]byte("answer "), 1<<20)
	h := opening(t, func(c net.Conn) []byte {
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		late <- err
		c.SetReadDeadline(time.Time{})
		b := make([]byte, 10)
		io.ReadFull(c, b)
		if n, err := c.Write(big); n != len(big) || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
		return b[5:]
	}, dials, newBackend(t).echo().addr())
	c := h.come()
	var timeout net.Error
	if err := receive(t, late); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("the deadline gave %v", err)
	}
	for _, b := range "12345first" {
		say(t, c, string(b))
		time.Sleep(time.Millisecond)
	}
	got := make([]byte, len(big))
	time.Sleep(20 * time.Millisecond) // it fills the socket
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, big) {
		t.Fatalf("the answer has changed: %v", err)
	}
	say(t, c, "then")
	hear(t, c, "firstthen")
	c.CloseWrite()
	hearEnd(t, c)
	if s := next(t, h.over); s.client.In() != 9 || s.client.Out() != 9 || s.ends[0].End != relay.FIN {
		t.Errorf("in %d, out %d, %+v", s.client.In(), s.client.Out(), s.ends)
	}
}

// TestAClientThatEndsInTheOpening, or resets.
func TestAClientThatEndsInTheOpening(t *testing.T) {
	failed := make(chan error, 2)
	h := opening(t, func(c net.Conn) []byte {
		_, err := c.Read(make([]byte, 1))
		failed <- err
		return nil
	}, func(_ *openingHarness, o *opener) { o.finish() }, "")
	c := h.come()
	c.CloseWrite()
	if err := receive(t, failed); err != io.EOF {
		t.Errorf("its end was %v", err)
	}
	reset(h.come())
	if err := receive(t, failed); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("its reset was %v", err)
	}
	next(t, h.over)
	next(t, h.over)
}

// TestCloseDuringTheOpening ends what the opening waits for, and closes the socket at once:
// later calls of the opening do not reach a socket that has reused its descriptor.
func TestCloseDuringTheOpening(t *testing.T) {
	for _, writes := range []bool{false, true} {
		begun, failed, may := make(chan bool, 1), make(chan error, 1), make(chan bool)
		h := opening(t, func(c net.Conn) (none []byte) {
			begun <- true
			err := error(nil)
			for err == nil {
				if writes {
					_, err = c.Write(make([]byte, 1<<16))
				} else {
					_, err = c.Read(make([]byte, 1))
				}
			}
			failed <- err
			<-may
			_, err = c.Write([]byte{1})
			failed <- err
			return nil
		}, func(_ *openingHarness, o *opener) { o.finish() }, "")
		c := h.come()
		receive(t, begun)
		h.l.Close()
		before := len(descriptors())
		o := receive(t, h.opening)
		h.run.Post(o, relay.Event{Kind: relay.Signal, Arg: func(*session) { h.run.Close(o.client, true) }})
		if err := receive(t, failed); !errors.Is(err, net.ErrClosed) {
			t.Errorf("it ended with %v", err)
		}
		within(t, "the socket is closed", func() bool { return len(descriptors()) < before })
		close(may)
		if err := receive(t, failed); !errors.Is(err, net.ErrClosed) {
			t.Errorf("then it wrote: %v", err)
		}
		next(t, h.over)
		if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client saw %v", err)
		}
	}
}

// TestMove moves a session to the other runner after its opening: bytes read by the
// opening or in the socket, a timer, a watch and events in between are not lost, and
// the opening's conn continues.
func TestMove(t *testing.T) {
	b := newBackend(t).echo()
	signals := make(chan int, 10)
	var over net.Conn
	h := opening(t, func(c net.Conn) []byte {
		over = c
		b := make([]byte, 5)
		io.ReadFull(c, b)
		return b
	}, func(h *openingHarness, o *opener) {
		h.run.Watch(o, o.client)
		h.run.SetTimer(o, 10*time.Millisecond)
		for i := range 3 {
			h.loop.Post(o, relay.Event{Kind: relay.Signal, Arg: func(*session) { signals <- i }})
		}
		h.loop.Move(o)
		h.run = h.loop.Other
	}, b.addr())
	c := h.come()
	say(t, c, "early, and in the socket")
	o := receive(t, h.opening)
	for i := range 3 {
		if n := receive(t, signals); n != i {
			t.Errorf("event %d came as number %d", n, i)
		}
	}
	receive(t, h.timer)
	c.CloseWrite()
	if end := receive(t, h.peerClosed); end != relay.HalfFIN {
		t.Errorf("the watch says %v", end)
	}
	if tcp, ok := over.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn); !ok || over.RemoteAddr().String() != c.LocalAddr().String() || tcp.LocalAddr().String() != over.LocalAddr().String() {
		t.Errorf("its conn is %v", over)
	}
	h.run.Post(o, relay.Event{Kind: relay.Signal, Arg: func(*session) { h.run.Dial(o, h.dial) }})
	hear(t, c, "early, and in the socket")
	hearEnd(t, c)
	if s := next(t, h.over); s.client.In() != 24 || s.client.Out() != 24 {
		t.Errorf("in %d, out %d", s.client.In(), s.client.Out())
	}
}

// TestTheHandshakeOnTheLoopHasADeadline, however little comes meanwhile.
func TestTheHandshakeOnTheLoopHasADeadline(t *testing.T) {
	failed := make(chan error, 1)
	h := opening(t, func(c net.Conn) []byte {
		_, _, err := relay.TLSServer(c, &tls.Config{}, 50*time.Millisecond, true)
		failed <- err
		return nil
	}, func(_ *openingHarness, o *opener) { o.finish() }, "")
	c := h.come()
	for _, b := range []byte{22, 3, 1, 2, 0} {
		c.Write([]byte{b})
		time.Sleep(5 * time.Millisecond)
	}
	if err := receive(t, failed); err != context.DeadlineExceeded {
		t.Errorf("it ended with %v", err)
	}
	next(t, h.over)
}
