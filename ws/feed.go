package ws

import (
	"bytes"
	"crypto/tls"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A feed is the net.Listener that net/http sees behind Handshake.
type feed struct {
	conns chan *fedConn
	done  chan struct{}
}

func (f *feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

func (f *feed) Close() error   { return nil }
func (f *feed) Addr() net.Addr { return noAddr{} }

// A fedConn tells Handshake when net/http is done with the connection.
type fedConn struct {
	net.Conn
	from Origin
	read []byte        // of it already
	late time.Duration // since it came; its first request has less time by that
	tls  *tls.ConnectionState
	got  chan *Pending
	gone chan struct{}
	once sync.Once

	answering atomic.Bool // ServeHTTP has had a request of it
	failed    atomic.Bool // nothing more can be read of it
	forWeb    sync.Once
	refused   atomic.Pointer[RefusedError]
	closing   atomic.Bool
}

func (f *fedConn) Read(p []byte) (int, error) {
	if len(f.read) > 0 {
		n := copy(p, f.read)
		f.read = f.read[n:]
		return n, nil
	}
	n, err := f.Conn.Read(p)
	if err != nil {
		f.failed.Store(true)
	}
	return n, err
}

// Write looks at the answers that net/http gives by itself: to what is no HTTP,
// or too much of it. To one that has left, or was too slow, it says the same.
func (f *fedConn) Write(p []byte) (int, error) {
	if !f.answering.Load() && !f.failed.Load() {
		if status, reason, ok := readStatus(p); ok && status >= 400 {
			f.refused.CompareAndSwap(nil, &RefusedError{Kind: RefusedMalformed, Status: status, Reason: reason})
		}
	}
	return f.Conn.Write(p)
}

// readStatus reads the line that an answer begins with, and what it says in
// its body.
func readStatus(p []byte) (status int, reason string, ok bool) {
	head, body, _ := bytes.Cut(p, []byte("\r\n\r\n"))
	line, _, _ := strings.Cut(string(head), "\r\n")
	version, rest, found := strings.Cut(line, " ")
	code, text, _ := strings.Cut(rest, " ")
	status, err := strconv.Atoi(code)
	if !found || !strings.HasPrefix(version, "HTTP/") || err != nil {
		return 0, "", false
	}
	if reason = strings.TrimPrefix(strings.TrimSpace(string(body)), code+" "); reason == "" {
		reason = text
	}
	return status, strings.ToLower(reason), true
}

func (f *fedConn) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		t, f.late = t.Add(-f.late), 0
	}
	return f.Conn.SetReadDeadline(t)
}

// CloseWrite lets net/http part from a client that still sends.
func (f *fedConn) CloseWrite() error {
	halfClose(f.Conn)
	return nil
}

// Close waits for a client that was refused to read why: what it has sent
// meanwhile would make a reset of the end, which destroys the answer.
func (f *fedConn) Close() error {
	defer f.once.Do(func() { close(f.gone) })
	if f.refused.Load() != nil && !f.closing.Swap(true) {
		halfClose(f.Conn)
		drain(bottomOf(f.Conn), time.Now().Add(lingerTime))
	}
	return f.Conn.Close()
}

// isForWeb tells whoever waits for a handshake that the connection is used for
// something else meanwhile.
func (f *fedConn) isForWeb() {
	if f.from.Web != nil {
		f.forWeb.Do(f.from.Web)
	}
}

// noHandshake says why there was none, once the connection is closed.
func (f *fedConn) noHandshake() error {
	if bad := f.refused.Load(); bad != nil {
		return bad
	}
	return ErrNoHandshake
}
