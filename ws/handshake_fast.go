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

// fastHandshake parses a valid handshake that is complete in the first read of a
// connection, as nearly all are, without the goroutines and buffers that
// net/http needs. Everything else goes to net/http, together with the bytes that
// were read, so that there is one place which answers invalid requests.
// A handshake that only lacks authorization is denied there, too.
func (l *Listener) fastHandshake(conn net.Conn, opts HandshakeOptions) (p *Pending, read []byte, denied *RefusedError, err error) {
	t := newBlockReader(conn, min(l.cfg.MaxHeaderBytes, maxFrame))
	_, ofLoop := conn.(loopConn)
	if t.raw == nil && !ofLoop || l.cfg.HandshakeTimeout == 0 || l.isClosed() {
		return nil, nil, nil, nil
	}
	t.readFull = ofLoop // so that it reads into a whole block
	conn.SetReadDeadline(time.Now().Add(l.cfg.HandshakeTimeout))
	b, n, err := t.read()
	defer b.release()
	if n == 0 {
		return nil, nil, nil, err
	}
	conn.SetReadDeadline(time.Time{})
	text := b.buf[headroom : headroom+n]
	r, early := parseRequest(text)
	if r == nil || !isHandshake(r) || l.isClosed() {
		return nil, bytes.Clone(text), nil, nil
	}
	to, opts, bad := l.route(r, opts)
	if bad != nil || to.check(r, opts) != nil {
		return nil, bytes.Clone(text), nil, nil
	}
	if denied := to.authorize(r); denied != nil {
		return nil, bytes.Clone(text), denied, nil
	}
	if s, ok := conn.(secureConn); ok {
		state := s.ConnectionState()
		r.TLS = &state
	}
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		r.RemoteAddr = a.AddrPort().String()
	}
	p = to.newPending(conn, r, bytes.Clone(early))
	p.raw = t.raw
	to.track(p)
	return p, nil, nil, nil
}

func (l *Listener) isClosed() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

var requestReaders = sync.Pool{New: func() any { return &requestReader{buf: bufio.NewReader(nil)} }}

type requestReader struct {
	text bytes.Reader
	buf  *bufio.Reader
}

// parseRequest parses a complete and plain request and returns the bytes after
// it. It returns nil for one that an http.Server rejects or might reject.
func parseRequest(text []byte) (r *http.Request, rest []byte) {
	if !bytes.Contains(text, []byte("\r\n\r\n")) {
		return nil, nil
	}
	in := requestReaders.Get().(*requestReader)
	defer requestReaders.Put(in)
	in.text.Reset(text)
	in.buf.Reset(&in.text)
	r, err := http.ReadRequest(in.buf)
	rest = text[len(text)-in.text.Len()-in.buf.Buffered():]
	in.text.Reset(nil)
	if err != nil || !isPlainHost(r.Host) || r.Header.Get("Expect") != "" {
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

// isPlainHost accepts names and addresses; net/http decides on anything else.
func isPlainHost(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") == ""
}
