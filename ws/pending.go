package ws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// A Pending is a client whose handshake has come and has not been answered. It
// can be held for as long as the client waits; whoever got it from Next owns
// it and ends it with one of Accept, Refuse and Close.
//
// Nothing reads from a held connection. Whether its client has left shows at
// NetConn, by MSG_PEEK or TCP_INFO, without a goroutine.
type Pending struct {
	// Request is the handshake. Its context has the values of the server's,
	// but is never cancelled.
	Request *http.Request

	// Subprotocol is what Accept will agree to. It is chosen by the Config,
	// and can be changed to another of Subprotocols, or to "".
	Subprotocol string

	// Header is sent with Accept's answer, besides what a handshake needs.
	Header http.Header

	listener   *Listener
	conn       net.Conn
	raw        syscall.RawConn // of conn, where it is known
	early      []byte
	agreed     agreement
	extensions string
	handTo     chan *Pending // Handshake's; nil: Next's
	answered   atomic.Bool
}

// ErrAnswered is returned for a Pending that has had its answer.
var ErrAnswered = errors.New("ws: this handshake has been answered")

// Subprotocols returns what the client offered, the best first.
func (p *Pending) Subprotocols() []string { return list(p.Request.Header, "Sec-WebSocket-Protocol") }

// Encoding returns the frames that the client will get: by its ?encoding=, or
// else by the Config.
func (p *Pending) Encoding() Encoding {
	if p.Subprotocol == "base64" {
		return Base64
	}
	return p.agreed.encoding
}

// NetConn returns the TCP connection at the bottom, under TLS too, to be
// watched. To read from it breaks the stream.
func (p *Pending) NetConn() net.Conn { return bottomOf(p.conn) }

// RemoteAddr returns the address of the TCP connection's peer.
func (p *Pending) RemoteAddr() net.Addr { return p.conn.RemoteAddr() }

// Early returns how many bytes came right behind the handshake. They will be
// the first that the Conn reads.
func (p *Pending) Early() int { return len(p.early) }

// Accept answers 101 and gives the connection to the caller. After an error it
// is closed.
func (p *Pending) Accept() (*Conn, error) {
	if p.answered.Swap(true) {
		return nil, ErrAnswered
	}
	var b strings.Builder
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ")
	b.WriteString(acceptKey(p.Request.Header.Get("Sec-WebSocket-Key")))
	b.WriteString("\r\n")
	if p.Subprotocol != "" {
		b.WriteString("Sec-WebSocket-Protocol: " + p.Subprotocol + "\r\n")
	}
	if p.extensions != "" {
		b.WriteString("Sec-WebSocket-Extensions: " + p.extensions + "\r\n")
	}
	p.Header.Write(&b)
	b.WriteString("\r\n")
	if err := p.answer(b.String()); err != nil {
		p.conn.Close()
		p.listener.forget(p)
		return nil, fmt.Errorf("ws: accept: %w", err)
	}
	p.agreed.subprotocol, p.agreed.encoding = p.Subprotocol, p.Encoding()
	c := newConn(p.conn, p.early, false, p.agreed, p.listener.set)
	c.listener = p.listener
	p.listener.replace(p, c)
	return c, nil
}

// Refuse answers with an HTTP status, such as 502, 503 or 504, and a line of
// text, and closes the connection. A retryAfter above zero is rounded up to
// seconds and sent too. It takes as long as the client needs to read the
// answer, and no longer than a second or two.
func (p *Pending) Refuse(status int, retryAfter time.Duration, reason string) error {
	var h [2]string
	if retryAfter > 0 {
		h = [2]string{"Retry-After", strconv.Itoa(int((retryAfter + time.Second - 1) / time.Second))}
	}
	return p.refuse(&RefusedError{Status: status, Reason: reason, header: h})
}

func (p *Pending) refuse(r *RefusedError) error {
	if p.answered.Swap(true) {
		return ErrAnswered
	}
	defer p.listener.forget(p)
	defer p.conn.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n",
		r.Status, http.StatusText(r.Status), len(r.Reason)+1)
	if r.header[0] != "" {
		b.WriteString(r.header[0] + ": " + r.header[1] + "\r\n")
	}
	b.WriteString("\r\n" + r.Reason + "\n")
	if err := p.answer(b.String()); err != nil {
		return fmt.Errorf("ws: refuse: %w", err)
	}
	halfClose(p.conn)
	drain(bottomOf(p.conn), time.Now().Add(lingerTime))
	return nil
}

// Close drops a client that has left, without an answer.
func (p *Pending) Close() error {
	if p.answered.Swap(true) {
		return ErrAnswered
	}
	p.listener.forget(p)
	return bottomOf(p.conn).Close()
}

func (p *Pending) answer(s string) error {
	if p.raw != nil { // there is room in a new socket, and then no deadline is needed
		n, err := writeNow(p.raw, []byte(s))
		if s = s[n:]; s == "" || err != nil {
			return err
		}
	}
	if d := p.listener.cfg.HandshakeTimeout; d > 0 {
		p.conn.SetWriteDeadline(time.Now().Add(d))
	}
	defer p.conn.SetWriteDeadline(time.Time{})
	_, err := io.WriteString(p.conn, s)
	return err
}
