package relay_test

import (
	"io"
	"net"

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

// unframed are no frames at all; but what is to be sent is moved.
type unframed struct{ conn net.Conn }

func (*unframed) Attach(relay.FramesHost) {}
func (*unframed) Detach([]byte)           {}

func (*unframed) Early([]byte) ([]byte, bool, error) { return nil, false, nil }

func (*unframed) Unframe(b []byte) ([]byte, error) { return b, nil }

// Ended knows no other goodbye than the end of the stream.
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

func (*unframed) HasControl() bool                      { return false }
func (*unframed) AppendControl(b []byte) ([]byte, bool) { return b, false }

func (e *unframed) CloseWrite() error { return e.conn.(interface{ CloseWrite() error }).CloseWrite() }
func (e *unframed) CloseGoing() error { return e.CloseWrite() }
