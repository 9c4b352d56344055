package ws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// A Pending is a client whose handshake is valid and has not been answered. The
// program that got it from Listener.Next or Listener.Handshake owns it for as long
// as the client waits, and must call one of Accept, Refuse and Close.
//
// Nothing but HasEnded reads from its connection, and it has no goroutine. NetConn shows
// whether the client has gone away, by MSG_PEEK or TCP_INFO.
type Pending struct {
	// Request is the handshake. Its context has the values of the server's
	// context, but is never cancelled.
	Request *http.Request

	// Subprotocol is the one that Accept will agree to. The Config has chosen
	// it; it may be changed to another of Subprotocols, or to "" for none.
	Subprotocol string

	// Header is sent with Accept's response, in addition to the headers of the
	// handshake, which cannot be in it. nil: none.
	Header http.Header

	listener   *Listener
	conn       net.Conn
	raw        syscall.RawConn // of conn, if it is a plain socket
	early      []byte
	negotiated negotiated
	extensions string
	handshake  chan *Pending // Handshake waits on it; nil: p is for Next
	answered   atomic.Bool
}

// ErrAnswered is returned by Accept, Refuse and Close for a Pending that one of
// them, or Listener.Shutdown, has answered before.
var ErrAnswered = errors.New("ws: this handshake has been answered")

// Subprotocols returns the subprotocols that the client offers, its preferred one
// first.
func (p *Pending) Subprotocols() []string { return list(p.Request.Header, "Sec-WebSocket-Protocol") }

// Encoding returns the encoding of the frames that the client will receive: that
// of ?encoding= in its URL, or else that of the Config.
func (p *Pending) Encoding() Encoding {
	if p.Subprotocol == "base64" {
		return Base64
	}
	return p.negotiated.encoding
}

// NetConn returns the TCP connection, also where there is TLS over it, for a poller
// and for socket options. Reading from it breaks the stream.
func (p *Pending) NetConn() net.Conn { return netConnOf(p.conn) }

// RemoteAddr returns the address of the TCP connection's peer.
func (p *Pending) RemoteAddr() net.Addr { return p.conn.RemoteAddr() }

// Buffered returns the number of bytes that the client has sent right behind its
// handshake. The Conn parses them first.
func (p *Pending) Buffered() int { return len(p.early) }

// HasEnded is for a client whose FIN has arrived, as NetConn shows, after bytes
// that may be only TLS's close_notify. It reads them, at most 4 KiB, and reports
// whether they were. Without TLS it reads nothing and returns false. The Conn
// parses what it has read first. HasEnded blocks if no FIN has arrived.
func (p *Pending) HasEnded() bool {
	if p.raw != nil {
		return false
	}
	b := make([]byte, 4<<10)
	n, err := 0, error(nil)
	for n < len(b) && err == nil {
		var more int
		more, err = p.conn.Read(b[n:])
		n += more
	}
	p.early = append(p.early, b[:n]...)
	return len(p.early) == 0 && !errors.Is(err, os.ErrDeadlineExceeded)
}

// Accept answers with 101 and returns the Conn, which the caller owns. If there is
// an error (ErrAnswered, that of writing the response, net.ErrClosed during
// Listener.Shutdown, or a Subprotocol that the client has not offered, which gets
// 500), there is nothing left to close.
func (p *Pending) Accept() (*Conn, error) {
	if s := p.Subprotocol; s != "" && !slices.Contains(p.Subprotocols(), s) {
		if err := p.Refuse(http.StatusInternalServerError, 0, "the server chose a subprotocol that was not offered"); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("ws: accept: the client has not offered the subprotocol %s", quote(s))
	}
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
	p.Header.WriteSubset(&b, reservedHeaders)
	b.WriteString("\r\n")
	if err := p.answer(b.String()); err != nil {
		p.conn.Close()
		p.listener.untrack(p)
		return nil, fmt.Errorf("ws: accept: %w", err)
	}
	p.negotiated.subprotocol, p.negotiated.encoding = p.Subprotocol, p.Encoding()
	c := newConn(p.conn, p.early, false, p.negotiated, p.listener.settings)
	c.listener = p.listener
	if !p.listener.replace(p, c) {
		c.CloseWith(GoingAway, "")
		return nil, fmt.Errorf("ws: accept: %w", net.ErrClosed)
	}
	return c, nil
}

// reservedHeaders are not sent from Pending.Header: a client refuses a response that
// repeats a header of the handshake, or has one that a 101 must not have (RFC 9110,
// section 8.6).
var reservedHeaders = map[string]bool{"Upgrade": true, "Connection": true, "Sec-Websocket-Accept": true, "Sec-Websocket-Protocol": true,
	"Sec-Websocket-Extensions": true, "Content-Length": true, "Transfer-Encoding": true}

// Refuse answers with an HTTP status, such as 502, 503 or 504, and the reason as a
// line of text, and closes the connection. A status that is no error, which are
// those from 400 to 599, is sent as 500. A positive retryAfter is sent as
// Retry-After, rounded up to seconds. Refuse waits until the client has read the
// response, at most a second longer than writing it takes.
func (p *Pending) Refuse(status int, retryAfter time.Duration, reason string) error {
	if status < 400 || status > 599 {
		status = http.StatusInternalServerError
	}
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
	defer p.listener.untrack(p)
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
	discard(netConnOf(p.conn), time.Now().Add(lingerTime))
	return nil
}

// Close closes the connection without a response, for a client that has gone away.
func (p *Pending) Close() error {
	if p.answered.Swap(true) {
		return ErrAnswered
	}
	p.listener.untrack(p)
	return netConnOf(p.conn).Close()
}

func (p *Pending) answer(s string) error {
	if p.raw != nil { // the buffer of a new socket has room, so no deadline is needed
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
