package relay_test

import (
	"io"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestResetWithoutACloseFrame: a Framed client that was reset, after the kernel has
// reported that to another call, reads an end of stream without a close frame. It still
// counts as a reset, for the backend and in the event.
func TestResetWithoutACloseFrame(t *testing.T) {
	b := newBackend(t)
	client := make(chan *resetBeforeRead, 1)
	h := open(t, &wrapping{client: client}, "tcp", b.addr())
	c, s := h.come(), b.take()
	w := receive(t, client)
	reset(c)
	within(t, "the reset has arrived and its error was taken", func() bool {
		gone := false
		control(t, w.TCPConn, func(fd int) error {
			e, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
			gone = syscall.Errno(e) == syscall.ECONNRESET
			return err
		})
		return gone
	})
	close(w.read)
	if end := next(t, h.over); !end.reset || end.ends[0].Side != end.client || end.ends[0].End != relay.Reset {
		t.Errorf("it ended with %+v", end.ends)
	}
	if _, err := s.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("the backend has read %v", err)
	}
}

// wrapping is the stream runner, with a Framed client in each session.
type wrapping struct {
	relay.Stream
	client chan *resetBeforeRead
}

func (p *wrapping) Relay(t relay.Task, client, backend *relay.Side) {
	client.StopWatch()
	w := &resetBeforeRead{bare: bare{TCPConn: client.Conn().(*net.TCPConn)}, read: make(chan struct{})}
	client.Wrap(w)
	p.client <- w
	p.Stream.Relay(t, client, backend)
}

// resetBeforeRead reads once read is closed, and reports each end of stream as one
// without a close frame.
type resetBeforeRead struct {
	bare
	read chan struct{}
}

func (c *resetBeforeRead) NetConn() net.Conn { return c.TCPConn }

func (c *resetBeforeRead) WriteTo(dst io.Writer) (int64, error) {
	<-c.read
	n, err := io.Copy(dst, struct{ io.Reader }{c.TCPConn})
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
