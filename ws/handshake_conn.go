package ws

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A connListener is the net.Listener of the net/http server behind Handshake.
type connListener struct {
	conns chan *handshakeConn
	done  chan struct{}
}

func (f *connListener) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

func (f *connListener) Close() error   { return nil }
func (f *connListener) Addr() net.Addr { return noAddr{} }

// A handshakeConn is the connection that Handshake gives to net/http. It signals
// Handshake when net/http has closed it.
type handshakeConn struct {
	net.Conn
	opts    HandshakeOptions
	prefix  []byte        // what was read from it before
	denied  *RefusedError // why the request in prefix was refused: Authorize is not called for it again
	elapsed time.Duration // since Handshake was called, subtracted from the first read deadline
	tls     *tls.ConnectionState
	pending chan *Pending
	closed  chan struct{}
	once    sync.Once

	hasRead    bool        // Read has returned bytes
	inHandler  atomic.Bool // ServeHTTP was called for a request of it
	readFailed atomic.Bool // Read has returned an error
	webOnce    sync.Once
	refused    atomic.Pointer[RefusedError]
	closing    atomic.Bool
}

// NetConn returns the connection under f, which can be asked about its progress.
func (f *handshakeConn) NetConn() net.Conn { return f.Conn }

func (f *handshakeConn) Read(p []byte) (n int, err error) {
	if len(f.prefix) > 0 {
		n = copy(p, f.prefix)
		f.prefix = f.prefix[n:]
	} else if n, err = f.Conn.Read(p); err != nil {
		f.readFailed.Store(true)
	}
	if n > 0 && !f.hasRead {
		f.hasRead = true
		if f.tls == nil && isClientHello(p[:n]) {
			f.refuse(&RefusedError{Kind: RefusedMalformed, Status: http.StatusBadRequest, Reason: "the client speaks TLS, and this port does not: use ws:// here"})
			return 0, net.ErrClosed
		}
	}
	return n, err
}

// Write records the responses that net/http sends without calling the handler:
// to what is not HTTP, or has headers that are too long. net/http sends the same
// 400 after a failed read, which is no refusal.
func (f *handshakeConn) Write(p []byte) (int, error) {
	if !f.inHandler.Load() && !f.readFailed.Load() {
		if status, reason, ok := readStatus(p); ok && status >= 400 {
			f.refused.CompareAndSwap(nil, &RefusedError{Kind: RefusedMalformed, Status: status, Reason: reason})
		}
	}
	return f.Conn.Write(p)
}

// readStatus parses the status line of a response, and the reason in its body.
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

func (f *handshakeConn) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		t, f.elapsed = t.Add(-f.elapsed), 0
	}
	return f.Conn.SetReadDeadline(t)
}

// CloseWrite lets net/http close a connection whose client still sends.
func (f *handshakeConn) CloseWrite() error {
	halfClose(f.Conn)
	return nil
}

// isClientHello reports whether a connection begins with a TLS handshake. It may have no end of line, for which net/http
// would wait until the deadline.
func isClientHello(read []byte) bool { return len(read) > 1 && read[0] == 22 && read[1] == 3 }

// refuse answers what is no HTTP request, and closes the connection.
func (f *handshakeConn) refuse(bad *RefusedError) {
	f.refused.Store(bad)
	fmt.Fprintf(f.Conn, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\n", bad.Status, http.StatusText(bad.Status), bad.Reason)
	f.Close()
}

// Close gives a refused client time to read the response: closing a socket with
// unread bytes resets the connection, and the reset destroys the response.
func (f *handshakeConn) Close() error {
	defer f.once.Do(func() { close(f.closed) })
	if f.refused.Load() != nil && !f.closing.Swap(true) {
		halfClose(f.Conn)
		discard(netConnOf(f.Conn), time.Now().Add(lingerTime))
	}
	return f.Conn.Close()
}

// notifyWeb calls HandshakeOptions.OnWeb, once.
func (f *handshakeConn) notifyWeb() {
	if f.opts.OnWeb != nil {
		f.webOnce.Do(f.opts.OnWeb)
	}
}

// handshakeErr returns why there was no handshake, once the connection is closed.
func (f *handshakeConn) handshakeErr() error {
	if bad := f.refused.Load(); bad != nil {
		return bad
	}
	return ErrNoHandshake
}
