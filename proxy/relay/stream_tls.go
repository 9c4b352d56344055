package relay

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/proxy/internal/tlsrecord"
)

// tlsConn is the TLS of a side as a net.Conn: of one that was a loop's and has become a
// net.Conn, what crypto/tls's Conn is for sides that have always been one; of one that
// is raw, see loopTLSConn.
type tlsConn struct {
	net.Conn

	tls   *TLS
	mu    sync.Mutex // of tls, whose session is nil once the side is closed
	plain []byte     // to be read
	ended atomic.Bool

	writing sync.Mutex // in the order of the records
	unsent  []byte     // records that are to be sent before others
	failed  error      // of a write, behind which the records do not go on
}

func (c *tlsConn) Read(p []byte) (n int, err error) {
	in := partials.Get().(*[tlsrecord.MaxRecord]byte)
	defer partials.Put(in)
	records := c.takePartial(in[:0])
	for len(c.plain) == 0 && len(p) > 0 {
		if n, records, err = c.open(p, records); n > 0 || err != nil {
			break
		}
		var m int
		m, err = c.Conn.Read(in[len(records):])
		if records = in[:len(records)+m]; m > 0 {
			continue
		}
		if errors.Is(err, io.EOF) {
			c.ended.Store(true)
			err = ErrTLSTruncated
		}
		break
	}
	c.keepPartial(records)
	if n > 0 || err != nil {
		return n, err
	}
	n = copy(p, c.plain)
	if c.plain = c.plain[n:]; len(c.plain) == 0 {
		c.plain = nil
	}
	return n, nil
}

// open opens whole records into p, and what p has no room for into plain. It sends what
// has to be answered, and moves the beginning of a record to the front of records.
func (c *tlsConn) open(p, records []byte) (n int, rest []byte, err error) {
	room := p[:0:len(p)]
	if len(p) < tlsrecord.MaxPlain {
		b := buffers.Get().(*[bufferSize]byte)
		defer buffers.Put(b)
		room = b[:0]
	}
	var plain []byte
	var used int
	answer := false
	if !c.locked(func(s *tlsrecord.Session) {
		plain, used, err = s.Open(room, records)
		c.tls.err, answer = err, s.Pending()
	}) {
		return 0, records, net.ErrClosed
	}
	if a, ok := tlsrecord.AlertOf(err); ok {
		c.answer(func(s *tlsrecord.Session, b []byte) []byte { return s.Alert(b, a) })
	} else if answer {
		c.answer((*tlsrecord.Session).AppendControl)
	}
	n = len(plain)
	if len(p) < tlsrecord.MaxPlain {
		n = copy(p, plain)
		c.plain = append([]byte(nil), plain[n:]...)
	}
	if n > 0 {
		err = nil // it comes again
	}
	return n, records[:copy(records, records[used:])], err
}

func (c *tlsConn) takePartial(b []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	b = append(b, c.tls.partial...)
	c.tls.drop()
	return b
}

func (c *tlsConn) keepPartial(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tls.session != nil && c.tls.err == nil {
		c.tls.keep(b)
	}
}

// locked reports false, and does nothing, where the side is closed.
func (c *tlsConn) locked(do func(*tlsrecord.Session)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tls.session == nil {
		return false
	}
	do(c.tls.session)
	return true
}

// add appends records to unsent. writing is held.
func (c *tlsConn) add(records func(s *tlsrecord.Session, b []byte) []byte) error {
	if c.failed == nil && !c.locked(func(s *tlsrecord.Session) { c.unsent = records(s, c.unsent) }) {
		c.failed = net.ErrClosed
	}
	return c.failed
}

// answer sends records that the reader has to send, which must not wait for a writer: a
// key update goes with its next record, too.
func (c *tlsConn) answer(records func(s *tlsrecord.Session, b []byte) []byte) {
	if !c.writing.TryLock() {
		return
	}
	defer c.writing.Unlock()
	if c.add(records) != nil {
		return
	}
	if _, isRaw := c.Conn.(writerNow); isRaw {
		c.flushNow()
	} else {
		c.flush()
	}
}

// flush writes what is unsent. writing is held.
func (c *tlsConn) flush() error {
	n, err := c.Conn.Write(c.unsent)
	if c.unsent = c.unsent[n:]; err != nil {
		c.failed = err
	}
	return err
}

// writerNow is a connection that can be written to without waiting.
type writerNow interface {
	// WriteNow writes what fits: n < len(p) without an error says that no more did.
	WriteNow(p []byte) (n int, err error)
}

// flushNow is flush of as much as fits.
func (c *tlsConn) flushNow() error {
	n, err := c.Conn.(writerNow).WriteNow(c.unsent)
	if c.unsent = c.unsent[n:]; err != nil {
		c.failed = err
	}
	if len(c.unsent) == 0 {
		c.unsent = nil
	}
	return err
}

// perWrite is how much is sealed at a time: a record, which together with what
// was unsent fits into a pooled buffer.
const perWrite = tlsrecord.MaxPlain - 1

// Write seals and writes all of p. After an error, also that of a deadline, nothing can
// be written any more.
func (c *tlsConn) Write(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	b := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(b)
	for len(p) > n {
		part := p[n:min(n+perWrite, len(p))]
		c.unsent = append(b[:0], c.unsent...)
		err := c.add(func(s *tlsrecord.Session, b []byte) []byte { return s.Seal(b, part) })
		if err == nil {
			err = c.flush()
		}
		c.unsent = nil // behind an error it does not go on
		if err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// CloseWrite sends close_notify, and the FIN.
func (c *tlsConn) CloseWrite() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	err := c.closeNotify()
	closeWriteUnder(c)
	return err
}

// closeNotify writes what is unsent with close_notify behind it. writing is held.
func (c *tlsConn) closeNotify() error {
	if err := c.add((*tlsrecord.Session).CloseNotify); err != nil {
		return err
	}
	return c.flush()
}

// Close sends close_notify, if nothing that is being written stands before it, and
// closes the connection.
func (c *tlsConn) Close() error {
	if c.writing.TryLock() {
		c.Conn.SetWriteDeadline(time.Now().Add(writeFirstTimeout))
		c.closeNotify()
		c.writing.Unlock()
	}
	return c.Conn.Close()
}

// NetConn is the connection itself.
func (c *tlsConn) NetConn() net.Conn { return c.Conn }

// Ended reports whether the peer's FIN has been read, without a close_notify before it.
func (c *tlsConn) Ended() bool { return c.ended.Load() }

// ConnectionState is that of the handshake, until the relay begins.
func (c *tlsConn) ConnectionState() tls.ConnectionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tls.state == nil {
		return tls.ConnectionState{Version: tls.VersionTLS13, ServerName: c.tls.name, HandshakeComplete: true}
	}
	return *c.tls.state
}
