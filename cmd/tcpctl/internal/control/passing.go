package control

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// passing is how a Client asks of peers: over one connection of HTTP/2, because it may be two hundred questions at a
// time, each of which waits for events. The first request has it dialled, and the others wait for that: each would dial
// otherwise, and the socket ends the oldest connection where too many come. It ends with the last request that is under
// way: the next one goes to the process that accepts then, which is another after an upgrade. A process of a version
// before HTTP/2 is asked over HTTP/1: a new tcpctl meets one until that has been upgraded.
type passing struct {
	http2, http1 *http.Transport

	mu       sync.Mutex
	underWay int
	dialled  chan struct{} // closed once it is known how to ask; nil: no request is under way
	old      bool          // there is HTTP/1 only, while dialled is set
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func newPassing(dial dialFunc) *passing {
	p := &passing{
		http2: &http.Transport{Protocols: new(http.Protocols), HTTP2: &http.HTTP2Config{StrictMaxConcurrentRequests: true}, IdleConnTimeout: 30 * time.Second},
		// Of 32 connections, which such a socket takes at least.
		http1: &http.Transport{DialContext: dial, MaxConnsPerHost: 24, IdleConnTimeout: 30 * time.Second},
	}
	p.http2.Protocols.SetUnencryptedHTTP2(true)
	p.http2.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return beginHTTP2(ctx, c)
	}
	return p
}

func (p *passing) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.underWay++
	first := p.dialled == nil
	if first {
		p.dialled = make(chan struct{})
	}
	dialled := p.dialled
	p.mu.Unlock()
	end := sync.OnceFunc(p.end)
	open := func() {}
	if first {
		open = sync.OnceFunc(func() { close(dialled) })
		defer open()
		trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { open() }}
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
	} else {
		select {
		case <-dialled:
		case <-r.Context().Done():
			end()
			return nil, r.Context().Err()
		}
	}
	resp, err := p.ask(r, open)
	if err != nil {
		end()
		return nil, err
	}
	resp.Body = passingBody{resp.Body, end}
	return resp, nil
}

// ask sends a request in the way that the process understands. It calls known once that is HTTP/1.
func (p *passing) ask(r *http.Request, known func()) (*http.Response, error) {
	p.mu.Lock()
	old := p.old
	p.mu.Unlock()
	if !old {
		resp, err := p.http2.RoundTrip(r)
		if !errors.Is(err, errHTTP1) {
			return resp, err
		}
		p.mu.Lock()
		p.old = true
		p.mu.Unlock()
		known()
		if r.GetBody != nil { // nothing was sent, but the body is closed
			r = r.Clone(r.Context())
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
	}
	return p.http1.RoundTrip(r)
}

func (p *passing) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.underWay--; p.underWay == 0 {
		p.dialled, p.old = nil, false
		p.CloseIdleConnections()
	}
}

// CloseIdleConnections is http.Client's.
func (p *passing) CloseIdleConnections() {
	p.http2.CloseIdleConnections()
	p.http1.CloseIdleConnections()
}

type passingBody struct {
	io.ReadCloser
	end func()
}

func (b passingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// errHTTP1 says that a server knows HTTP/1 only.
var errHTTP1 = errors.New("control: no HTTP/2")

// preface is what a client of HTTP/2 begins with (RFC 9113, 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// beginHTTP2 sends the preface, and reads the first byte of the answer: of a frame of settings, whose length has zero there,
// or of a refusal in HTTP/1. So each connection is known before a request goes over it, whichever process accepted it.
func beginHTTP2(ctx context.Context, c net.Conn) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	b := &begun{Conn: c, sent: preface}
	_, err := io.WriteString(c, preface)
	if err == nil {
		_, err = io.ReadFull(c, b.first[:])
	}
	switch {
	case !stop():
		err = ctx.Err()
	case err == nil && b.first[0] != 0:
		err = errHTTP1
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return b, nil
}

// begun is a connection whose preface is sent, and the answer's first byte read.
type begun struct {
	net.Conn
	sent  string // yet to be left out of what is written
	first [1]byte
	read  bool
}

func (b *begun) Write(p []byte) (int, error) {
	left := min(len(p), len(b.sent))
	b.sent = b.sent[left:]
	n, err := b.Conn.Write(p[left:])
	return left + n, err
}

func (b *begun) Read(p []byte) (int, error) {
	if b.read || len(p) == 0 {
		return b.Conn.Read(p)
	}
	b.read = true
	return copy(p, b.first[:]), nil
}
