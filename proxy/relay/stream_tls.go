package relay

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/proxy/internal/tlsrecord"
)

// tlsConn is the TLS of a side that was a loop's and has become a net.Conn: what
// crypto/tls's Conn is for sides that have always been one.
type tlsConn struct {
	net.Conn

	mu      sync.Mutex // of session
	session *tlsrecord.Session

	in    []byte // records that are not opened yet
	plain []byte // to be read

	writing sync.Mutex // in the order of the records
}

func newTLSConn(c net.Conn, t *TLS) *tlsConn {
	return &tlsConn{Conn: c, session: t.session, in: append([]byte(nil), t.partial...)}
}

func (c *tlsConn) Read(p []byte) (int, error) {
	for len(c.plain) == 0 && len(p) > 0 {
		if err := c.open(); len(c.plain) > 0 {
			break
		} else if err != nil {
			return 0, err
		}
		b := make([]byte, tlsrecord.MaxRecord)
		n, err := c.Conn.Read(b)
		c.in = append(c.in, b[:n]...)
		switch {
		case n > 0:
		case errors.Is(err, io.EOF):
			return 0, ErrTLSTruncated
		default:
			return 0, err
		}
	}
	n := copy(p, c.plain)
	c.plain = c.plain[n:]
	return n, nil
}

// open opens the records that are there, and sends what has to be answered.
func (c *tlsConn) open() error {
	var used int
	var err error
	answer := false
	c.locked(func(s *tlsrecord.Session) {
		c.plain, used, err = s.Open(make([]byte, 0, max(len(c.in), tlsrecord.MaxPlain)), c.in)
		answer = s.Pending()
	})
	c.in = c.in[used:]
	if a, ok := tlsrecord.AlertOf(err); ok {
		c.send(func(s *tlsrecord.Session) []byte { return s.Alert(nil, a) })
	} else if answer {
		c.send(func(s *tlsrecord.Session) []byte { return s.AppendControl(nil) })
	}
	return err
}

func (c *tlsConn) locked(do func(*tlsrecord.Session)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do(c.session)
}

// send writes records.
func (c *tlsConn) send(records func(*tlsrecord.Session) []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	var b []byte
	c.locked(func(s *tlsrecord.Session) { b = records(s) })
	_, err := c.Conn.Write(b)
	return err
}

func (c *tlsConn) Write(p []byte) (int, error) {
	if err := c.send(func(s *tlsrecord.Session) []byte { return s.Seal(nil, p) }); err != nil {
		return 0, err
	}
	return len(p), nil
}

// CloseWrite sends close_notify, and the FIN.
func (c *tlsConn) CloseWrite() error {
	err := c.send(func(s *tlsrecord.Session) []byte { return s.CloseNotify(nil) })
	closeWriteUnder(c)
	return err
}

// Close sends close_notify, if nothing that is being written stands before it, and
// closes the connection.
func (c *tlsConn) Close() error {
	if c.writing.TryLock() {
		var last []byte
		c.locked(func(s *tlsrecord.Session) { last = s.CloseNotify(nil) })
		c.Conn.SetWriteDeadline(time.Now().Add(writeFirstTimeout))
		c.Conn.Write(last)
		c.writing.Unlock()
	}
	return c.Conn.Close()
}

// NetConn is the connection itself.
func (c *tlsConn) NetConn() net.Conn { return c.Conn }
