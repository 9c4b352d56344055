package relay_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

func init() {
	runners["frames"] = func() relay.Runner { return new(framing) }
}

// framing is the loop runner for clients that speak in frames.
type framing struct{ relay.Loop }

func (p *framing) Relay(t relay.Task, client, backend *relay.Side) {
	client.StopWatch()
	client.Frame(&unframed{conn: client.Conn()})
	p.Loop.Relay(t, client, backend)
}

// unframed is a protocol without frames, but data to be sent is moved.
type unframed struct{ conn net.Conn }

func (*unframed) Attach(relay.FramesHost) {}
func (*unframed) Detach([]byte)           {}

func (*unframed) Early([]byte) ([]byte, bool, error) { return nil, false, nil }

func (*unframed) Unframe(b []byte) ([]byte, error) { return b, nil }

// Ended has no close frame but the end of the stream.
func (*unframed) Ended(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (*unframed) Frame(b []byte, n int) ([]byte, error) {
	const at = relay.FrameRoom - 3
	return b[at : at+copy(b[at:], b[relay.FrameRoom:relay.FrameRoom+n])], nil
}

func (*unframed) CanSplice() bool                              { return true }
func (*unframed) AppendHeader(b []byte, _ int) ([]byte, error) { return b, nil }

func (*unframed) HasControl() bool                      { return false }
func (*unframed) AppendControl(b []byte) ([]byte, bool) { return b, false }

func (e *unframed) CloseWrite() error { return e.conn.(interface{ CloseWrite() error }).CloseWrite() }
func (e *unframed) CloseGoing() error { return e.CloseWrite() }

// TestFramesPanicInASplice: a panic of Frames on a splicer's thread ends their session.
func TestFramesPanicInASplice(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	h := open(t, &panicking{}, "tcp", b.addr())
	c, s := h.come(), b.take()
	go io.Copy(s, zeros{})
	if n, err := io.Copy(io.Discard, c); err == nil {
		t.Errorf("the client got %d bytes and a clean end", n)
	}
	end := next(t, h.over)
	var told *relay.PanicError
	if ev := end.ends[0]; ev.Side != end.client || !errors.As(ev.Err, &told) || told.Value != "no header" {
		t.Errorf("it ended with %+v", end.ends)
	}
}

// panicking is framing with Frames that make no header.
type panicking struct{ framing }

func (p *panicking) Relay(t relay.Task, client, backend *relay.Side) {
	client.StopWatch()
	client.Frame(noHeader{&unframed{conn: client.Conn()}})
	p.Loop.Relay(t, client, backend)
}

type noHeader struct{ *unframed }

func (noHeader) AppendHeader([]byte, int) ([]byte, error) { panic("no header") }

// TestSplicedFramesAreWhole: the backend's bytes arrive in whole frames, including
// those that are unsent when the client is detached. The pipe of frames has room for
// everything in the first pipe, or for less than a frame.
func TestSplicedFramesAreWhole(t *testing.T) {
	t.Parallel()
	for _, sizes := range [][]int{nil, {4 << 10, 4 << 10}, {1 << 20, 4 << 10}, {1 << 20, 32 << 10}} {
		b := newBackend(t)
		run := new(relay.Loop)
		run.UsePipes(t, sizes...)
		s := &detached{unsent: make(chan []byte, 1), read: make(chan struct{})}
		h := open(t, run, "tcp", b.addr(), func(h *harness) { h.make = s.task })
		c, server := h.come(), b.take()
		next(t, h.live)
		go server.Write(numbered(64 << 20))
		got := make([]byte, 8<<20)
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		var before int64
		within(t, "the client takes no more", func() bool {
			was := before
			before = s.backend.In()
			time.Sleep(100 * time.Millisecond)
			return before == was
		})
		h.run.Post(s, relay.Event{Kind: relay.Signal, Arg: func(*session) { s.client.StopWatch() }})
		rest, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		close(s.read)
		stream := append(append(got, rest...), receive(t, s.unsent)...)
		var payload []byte
		for len(stream) >= 4 {
			n := int(binary.BigEndian.Uint32(stream))
			if stream = stream[4:]; n > len(stream) {
				t.Fatalf("pipes of %v: a frame of %d bytes has %d", sizes, n, len(stream))
			}
			payload, stream = append(payload, stream[:n]...), stream[n:]
		}
		if want := numbered(int(s.backend.In())); len(stream) > 0 || !bytes.Equal(payload, want) {
			t.Errorf("pipes of %v: %d bytes of %d arrived, or other bytes", sizes, len(payload), len(want))
		}
		next(t, h.over)
	}
}

// detached is a session whose client speaks in frames that begin with their length, and
// stays open after the relay until everything sent to it is read.
type detached struct {
	session
	unsent chan []byte // of Detach
	read   chan struct{}
}

func (d *detached) task(h *harness, client *relay.Side) relay.Task {
	d.harness, d.client = h, client
	return d
}

func (d *detached) Step(ev relay.Event) {
	switch {
	case ev.Kind == relay.Connected:
		c := d.client.Conn()
		d.client.StopWatch()
		d.client.Frame(lengthFrames{&unframed{conn: c}, d.unsent})
		d.session.Step(ev)
	case ev.Kind == relay.Ended && ev.Last:
		c := d.client.Conn().(interface{ CloseWrite() error })
		d.harness.run.Do(d, func() relay.Event {
			c.CloseWrite()
			<-d.read
			return relay.Event{Kind: relay.HandshakeDone}
		})
	case ev.Kind == relay.HandshakeDone:
		d.finish()
	case ev.Kind != relay.Ended:
		d.session.Step(ev)
	}
}

type lengthFrames struct {
	*unframed
	unsent chan<- []byte
}

func (f lengthFrames) Detach(unsent []byte) { f.unsent <- bytes.Clone(unsent) }

func (lengthFrames) AppendHeader(b []byte, n int) ([]byte, error) {
	return binary.BigEndian.AppendUint32(b, uint32(n)), nil
}

func (lengthFrames) Frame(b []byte, n int) ([]byte, error) {
	const at = relay.FrameRoom - 4
	binary.BigEndian.PutUint32(b[at:], uint32(n))
	return b[at : relay.FrameRoom+n], nil
}
