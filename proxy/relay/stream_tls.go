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

// tlsConn is a side's TLS as a net.Conn. For a raw side see loopTLSConn; for a side
// that was raw and has become a net.Conn, it takes the place of crypto/tls's Conn.
type tlsConn struct {
	net.Conn

	tls   *TLS
	mu    sync.Mutex // guards tls, whose session is nil once the side is closed
	plain []byte     // opened, not read yet
	ended atomic.Bool

	writing sync.Mutex // held from sealing to writing, to keep the records in order
	unsent  []byte     // records to send before others
	failed  error      // error of a write, after which no record may follow
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

// open opens whole records into p, and into plain where p has no room. It sends the
// answers, and moves an incomplete record to the front of records.
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
		err = nil // the next call returns it again
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

// locked reports false, without calling do, if the side is closed.
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
// key update is also sent with the writer's next record.
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

// flushNow is flush without waiting.
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

// perWrite is how much is sealed at a time: a record that, together with what was
// unsent, fits into a pooled buffer.
const perWrite = tlsrecord.MaxPlain - 1

// Write seals and writes all of p. After an error, even of a deadline, nothing more can
// be written.
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
		c.unsent = nil // after an error nothing more is sent
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

// closeNotify writes what is unsent, and then close_notify. writing is held.
func (c *tlsConn) closeNotify() error {
	if err := c.add((*tlsrecord.Session).CloseNotify); err != nil {
		return err
	}
	return c.flush()
}

// Close sends close_notify, unless a write is in progress, and closes the connection.
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

// ConnectionState returns that of the handshake, until the relay begins.
func (c *tlsConn) ConnectionState() tls.ConnectionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tls.state == nil {
		return tls.ConnectionState{Version: tls.VersionTLS13, ServerName: c.tls.name, HandshakeComplete: true}
	}
	return *c.tls.state
}
