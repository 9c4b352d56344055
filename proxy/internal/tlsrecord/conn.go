package tlsrecord

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// handshakeConn is the connection under crypto/tls during a handshake. It reads ahead,
// but returns no byte beyond the current record, since a tls.Conn would keep what
// follows the handshake. One tls.Conn uses it, in one goroutine.
type handshakeConn struct {
	net.Conn
	ended atomic.Bool // the peer's FIN has been read

	// taken: a Session has taken over, and anything that a tls.Conn sends would reuse a
	// nonce. passing: a tls.Conn continues to use it, and it changes nothing.
	taken   atomic.Bool // atomic, as the end of a context may call Close at any time
	passing bool

	buf  *[bufferLen]byte // from a pool; nil: it would be empty
	r, w int              // buf[r:w] was read ahead

	header [headerLen]byte // of the current record
	seen   int             // bytes of header that Read has returned
	rest   int             // bytes of the record after the header that Read has not returned

	passed []byte // after the takeover: a record that the tls.Conn may read; see tickets

	secrets [2][]byte // the traffic secrets, once they are known
	sent    []byte    // what was written since
}

const (
	clientSecret = iota
	serverSecret
)

// bufferLen is usually enough for the handshake's records in one read.
const bufferLen = 4 << 10

var buffers = sync.Pool{New: func() any { return new([bufferLen]byte) }}

var errTaken = errors.New("tlsrecord: the connection has been taken over from crypto/tls")

// NetConn returns the connection itself.
func (c *handshakeConn) NetConn() net.Conn { return c.Conn }

// Ended reports whether the peer's FIN has been read.
func (c *handshakeConn) Ended() bool { return c.ended.Load() }

func (c *handshakeConn) Read(p []byte) (int, error) {
	if c.taken.Load() {
		return c.readPassed(p)
	}
	if c.r == c.w {
		if c.passing {
			c.release()
			return c.receive(p)
		}
		if c.buf == nil {
			c.buf = buffers.Get().(*[bufferLen]byte)
		}
		n, err := c.receive(c.buf[:])
		if n <= 0 {
			return 0, err
		}
		c.r, c.w = 0, n // the next read returns the error again
	}
	if c.passing {
		n := copy(p, c.buf[c.r:c.w])
		c.r += n
		return n, nil
	}
	return c.handOut(p), nil
}

// readPassed is Read once a Session has taken over.
func (c *handshakeConn) readPassed(p []byte) (n int, err error) {
	if c.passed == nil {
		return 0, errTaken
	}
	if len(c.passed) == 0 {
		return 0, errNoMore
	}
	n = copy(p, c.passed)
	c.passed = c.passed[n:]
	return n, nil
}

func (c *handshakeConn) receive(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		c.ended.Store(true)
	}
	return n, err
}

// handOut returns buffered bytes of the current record, and no more.
func (c *handshakeConn) handOut(p []byte) (n int) {
	if c.seen < headerLen {
		k := min(len(p), headerLen-c.seen, c.w-c.r)
		copy(c.header[c.seen:], c.buf[c.r:c.r+k])
		n = c.move(p, k)
		if c.seen += n; c.seen < headerLen {
			return n
		}
		c.rest = RecordLen(c.header[:]) - headerLen
	}
	k := c.move(p[n:], min(len(p)-n, c.rest, c.w-c.r))
	if c.rest -= k; c.rest == 0 {
		c.seen = 0
	}
	return n + k
}

// move copies n buffered bytes to p.
func (c *handshakeConn) move(p []byte, n int) int {
	copy(p[:n], c.buf[c.r:c.r+n])
	c.r += n
	return n
}

// betweenRecords reports whether the last record was returned in full.
func (c *handshakeConn) betweenRecords() bool { return c.seen == 0 }

func (c *handshakeConn) Write(p []byte) (int, error) {
	if c.taken.Load() {
		return 0, errTaken
	}
	if !c.passing && c.secrets[serverSecret] != nil {
		c.sent = append(c.sent, p...)
	}
	return c.Conn.Write(p)
}

// Close keeps a connection open that a Session uses.
func (c *handshakeConn) Close() error {
	if c.taken.Load() {
		return errTaken
	}
	return c.Conn.Close()
}

// finish ends the handshake. If a Session has taken over, it returns the bytes that
// were read ahead.
func (c *handshakeConn) finish(isTaken bool) (early []byte) {
	for i := range c.secrets {
		clear(c.secrets[i])
	}
	c.secrets, c.sent, c.passing = [2][]byte{}, nil, !isTaken
	if isTaken {
		c.taken.Store(true)
		if c.r < c.w {
			early = bytes.Clone(c.buf[c.r:c.w])
		}
		c.r = c.w
	}
	if c.r == c.w {
		c.release()
	}
	return early
}

// release returns the buffer to its pool.
func (c *handshakeConn) release() {
	if c.buf != nil {
		buffers.Put(c.buf)
		c.buf, c.r, c.w = nil, 0, 0
	}
}

// keyLog is a Config.KeyLogWriter: it keeps the traffic secrets for conn, and
// passes all lines on to next, which may be nil.
type keyLog struct {
	conn *handshakeConn
	next io.Writer
}

// The labels of the lines (the NSS key log format, now RFC 9850).
var labels = [2]string{clientSecret: "CLIENT_TRAFFIC_SECRET_0", serverSecret: "SERVER_TRAFFIC_SECRET_0"}

// Write takes one line: label, the client's random, secret.
func (l keyLog) Write(line []byte) (int, error) {
	fields := bytes.Fields(line)
	for i, label := range labels {
		if len(fields) == 3 && string(fields[0]) == label {
			secret := make([]byte, hex.DecodedLen(len(fields[2])))
			if _, err := hex.Decode(secret, fields[2]); err != nil {
				return 0, err
			}
			l.conn.secrets[i] = secret
		}
	}
	if l.next == nil {
		return len(line), nil
	}
	return l.next.Write(line)
}
