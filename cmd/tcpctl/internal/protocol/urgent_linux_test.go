package protocol

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// urgentConn sends the first half of each Write with an urgent byte at its end.
type urgentConn struct{ *net.TCPConn }

func (c urgentConn) Write(b []byte) (int, error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	n, sent := 0, error(nil)
	err = rc.Write(func(fd uintptr) bool {
		n, sent = unix.SendmsgN(int(fd), b[:len(b)/2], nil, nil, unix.MSG_OOB)
		return sent != unix.EAGAIN
	})
	if err = errors.Join(err, sent); err != nil {
		return 0, err
	}
	rest, err := c.TCPConn.Write(b[n:])
	return n + rest, err
}

// TestUrgentDataOverTLS: an urgent byte within a client's records is read in order: in handshakes,
// while the client waits, and afterwards.
func TestUrgentDataOverTLS(t *testing.T) {
	t.Parallel()
	var client *tls.Config
	v := bridge(t, echo, func(c *proxy.ServiceConfig, w *WebSocket) {
		client = overTLS(c)
		oneSlot(c, w)
	})
	v.tls, v.dialUnder = client, func(c net.Conn) net.Conn { return urgentConn{c.(*net.TCPConn)} }
	first := v.dial()
	says(t, first, "one")
	second := v.arrive()
	v.untilWaiting(1)
	first.Close()
	c := v.in(second)
	for range 20 {
		says(t, c, "a line of some length, of which a byte in the middle is urgent")
	}
	c.Close()
	for range 2 {
		if r := v.record(); r.CloseCode != 1000 {
			t.Errorf("record %+v", r)
		}
	}
}

// TestUrgentDataInADownload: a WebSocket client gets an urgent byte of the backend as an ordinary
// one.
func TestUrgentDataInADownload(t *testing.T) {
	t.Parallel()
	const size = 1 << 10 * 251 << 6
	v := bridge(t, func(c *net.TCPConn) { io.Copy(urgentConn{c}, io.LimitReader(pattern{}, size)) }, nil)
	c := v.dial()
	if n, err := io.Copy(&same{}, c); n != size || err != nil {
		t.Errorf("%d of %d bytes arrived: %v", n, size, err)
	}
	ends(t, c, ws.NormalClosure)
}
