package relay_test

import (
	"io"
	"net"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// parking is the stream runner for clients that are Framed, whose sessions are
// parked whenever they are quiet.
type parking struct{ relay.Stream }

func (p *parking) Relay(t relay.Task, client, backend *relay.Side) {
	if c, ok := client.Conn().(*net.TCPConn); ok {
		client.EndWatch()
		client.Wrap(bare{c})
	}
	p.Stream.Relay(t, client, backend)
}

// bare puts bytes into no frames at all.
type bare struct{ *net.TCPConn }

func (bare) CanPark() bool { return true }

func (b bare) WriteTo(dst io.Writer) (int64, error) {
	return io.Copy(dst, struct{ io.Reader }{b.TCPConn})
}

func (b bare) ReadFromOnce(src io.Reader) (int64, error) {
	buf := make([]byte, 32<<10)
	n, err := src.Read(buf)
	if n == 0 {
		return 0, err
	}
	n, err = b.Write(buf[:n])
	return int64(n), err
}
