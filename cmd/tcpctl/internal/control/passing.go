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

// passing sends a Client's requests to peers, over one HTTP/2 connection, since there may be two hundred requests at a
// time, each waiting for events. The first request dials it, and the others wait: otherwise each would dial, and the
// socket closes the oldest connection if there are too many. The connection is closed after the last outstanding
// request: the next one goes to the process that then accepts, which is another after an upgrade. A process of a
// version without HTTP/2, which has yet to be upgraded, is asked over HTTP/1.
type passing struct {
	http2, http1 *http.Transport

	mu       sync.Mutex
	underWay int
	dialled  chan struct{} // closed once the protocol is known; nil: no request is outstanding
	old      bool          // the process has only HTTP/1; valid while dialled is set
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func newPassing(dial dialFunc) *passing {
	p := &passing{
		http2: &http.Transport{Protocols: new(http.Protocols), HTTP2: &http.HTTP2Config{StrictMaxConcurrentRequests: true}, IdleConnTimeout: 30 * time.Second},
		// 24 of the at least 32 connections that such a socket accepts.
		http1: &http.Transport{DialContext: dial, MaxConnsPerHost: 24, IdleConnTimeout: 30 * time.Second},
	}
	p.http2.Protocols.SetUnencryptedHTTP2(true)
	p.http2.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &begun{Conn: c, dial: ctx}, nil
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

// ask sends a request by the protocol that the process speaks. It calls known if that turns out to be HTTP/1.
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
		if r.GetBody != nil { // nothing was sent, but the body was closed
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

// errHTTP1 means that a server speaks only HTTP/1.
var errHTTP1 = errors.New("control: no HTTP/2")

// begun is a connection whose first write, of the preface and the settings, waits for the first byte of the answer: 0, from
// the length of a SETTINGS frame, or the beginning of a refusal in HTTP/1. So the protocol of each connection is known before
// a request is sent, whichever process accepted it. The preface is not sent earlier, alone: a server gives up when the settings
// are not there within two seconds of it.
type begun struct {
	net.Conn
	dial  context.Context // in which the first write ends, too; nil: it has ended
	first [1]byte
	read  bool
}

func (b *begun) Write(p []byte) (int, error) {
	n, err := b.Conn.Write(p)
	if ctx := b.dial; ctx != nil && err == nil {
		b.dial = nil
		err = b.answered(ctx)
	}
	return n, err
}

// answered waits for the first byte of the answer.
func (b *begun) answered(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { b.SetDeadline(time.Unix(1, 0)) })
	_, err := io.ReadFull(b.Conn, b.first[:])
	switch {
	case !stop():
		err = ctx.Err()
	case err == nil && b.first[0] != 0:
		err = errHTTP1
	}
	return err
}

func (b *begun) Read(p []byte) (int, error) {
	if b.read || len(p) == 0 {
		return b.Conn.Read(p)
	}
	b.read = true
	return copy(p, b.first[:]), nil
}
