package relay_test

import (
	"io"
	"net"
	"sync/atomic"
	"syscall"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// idling is the stream runner for Framed clients, whose sessions are idle whenever they
// are quiet.
type idling struct{ relay.Stream }

func (p *idling) Relay(t relay.Task, client, backend *relay.Side) {
	if c, ok := client.Conn().(*net.TCPConn); ok {
		client.StopWatch()
		client.Wrap(&bare{TCPConn: c})
	}
	p.Stream.Relay(t, client, backend)
}

// bare has no frames at all.
type bare struct {
	*net.TCPConn
	shut atomic.Bool
}

func (*bare) CanIdle() bool { return true }

func (b *bare) CloseWrite() error {
	b.shut.Store(true)
	return b.TCPConn.CloseWrite()
}

// WriteTo has no close frame but the end of the stream, which it is not if a write has
// taken the reset before.
func (b *bare) WriteTo(dst io.Writer) (int64, error) {
	n, err := io.Copy(dst, struct{ io.Reader }{b.TCPConn})
	if err == nil && relay.WasReset(b.TCPConn) && !b.shut.Load() { // in this order
		err = syscall.ECONNRESET
	}
	return n, err
}

func (b *bare) ReadFromOnce(src io.Reader) (int64, error) {
	buf := make([]byte, 32<<10)
	n, err := src.Read(buf)
	if n == 0 {
		return 0, err
	}
	n, err = b.Write(buf[:n])
	return int64(n), err
}
