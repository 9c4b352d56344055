package ws

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// quick takes a handshake that comes whole and in order in the first piece of
// a connection, as nearly all do, without the goroutines and buffers that a
// server needs for what else may come. Everything else is net/http's, which
// gets what was read first: it knows best what to answer.
func (l *Listener) quick(conn net.Conn, from Origin) (p *Pending, read []byte, err error) {
	t := newTap(conn, min(l.cfg.MaxHeader, maxFrame))
	if t.raw == nil || l.cfg.HandshakeTimeout == 0 || l.isClosed() {
		return nil, nil, nil
	}
	conn.SetReadDeadline(time.Now().Add(l.cfg.HandshakeTimeout))
	b, n, err := t.fill()
	defer b.release()
	if n == 0 {
		return nil, nil, err
	}
	conn.SetReadDeadline(time.Time{})
	text := b.buf[headroom : headroom+n]
	r, early := parseRequest(text)
	if r == nil || !isHandshake(r) || l.check(r, from) != nil || l.isClosed() {
		return nil, bytes.Clone(text), nil
	}
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		r.RemoteAddr = a.AddrPort().String()
	}
	p = l.newPending(conn, r, bytes.Clone(early))
	p.raw = t.raw
	l.track(p)
	return p, nil, nil
}

func (l *Listener) isClosed() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// requests are readers for parseRequest.
var requests = sync.Pool{New: func() any { return &requestReader{buf: bufio.NewReader(nil)} }}

type requestReader struct {
	text bytes.Reader
	buf  *bufio.Reader
}

// parseRequest reads a request that is whole and beyond doubt, and gives what
// comes behind it; nil for one that net/http's server would not take, or that
// might be one.
func parseRequest(text []byte) (r *http.Request, rest []byte) {
	if !bytes.Contains(text, []byte("\r\n\r\n")) {
		return nil, nil
	}
	in := requests.Get().(*requestReader)
	defer requests.Put(in)
	in.text.Reset(text)
	in.buf.Reset(&in.text)
	r, err := http.ReadRequest(in.buf)
	rest = text[len(text)-in.text.Len()-in.buf.Buffered():]
	in.text.Reset(nil)
	if err != nil || !isHost(r.Host) || r.Header.Get("Expect") != "" {
		return nil, nil
	}
	for name, values := range r.Header {
		if !isToken(name) {
			return nil, nil
		}
		for _, v := range values {
			if strings.IndexFunc(v, isControl) >= 0 {
				return nil, nil
			}
		}
	}
	return r, rest
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// isHost takes the hosts that there are; stranger ones may be allowed, too.
func isHost(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") == ""
}
