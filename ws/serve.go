package ws

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Listen listens on a TCP or Unix address and serves it. Close ends both.
func Listen(network, addr string, cfg Config) (*Listener, error) {
	l, err := NewListener(cfg)
	if err != nil {
		return nil, err
	}
	// Go's 15 s is a probe too many beside pings.
	lc := net.ListenConfig{KeepAlive: time.Minute}
	ln, err := lc.Listen(context.Background(), network, addr)
	if err != nil {
		return nil, fmt.Errorf("ws: %w", err)
	}
	l.addr = ln.Addr()
	l.serving.Add(1)
	go l.serveUntilClose(ln)
	return l, nil
}

func (l *Listener) serveUntilClose(ln net.Listener) {
	defer l.serving.Done()
	l.serve(ln)
}

// Serve takes the connections of ln, whose owner it becomes, until Close; it
// returns net.ErrClosed then, or the error that ended ln.
func (l *Listener) Serve(ln net.Listener) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		ln.Close()
		return fmt.Errorf("ws: serve: %w", net.ErrClosed)
	}
	if l.addr == nil {
		l.addr = ln.Addr()
	}
	l.serving.Add(1)
	l.mu.Unlock()
	defer l.serving.Done()
	return l.serve(ln)
}

func (l *Listener) serve(ln net.Listener) error {
	if l.cfg.TLS != nil {
		cfg := l.cfg.TLS.Clone()
		cfg.NextProtos = []string{"http/1.1"} // an upgrade is not possible in HTTP/2
		ln = tls.NewListener(endListener{ln}, cfg)
	}
	err := l.server.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		err = net.ErrClosed
	}
	return fmt.Errorf("ws: serve: %w", err)
}

// newServer has net/http's own deadlines: that for the headers is one for all
// of them, however slowly they come.
func (l *Listener) newServer() *http.Server {
	s := &http.Server{
		Handler:           l,
		ReadHeaderTimeout: l.cfg.HandshakeTimeout,
		ReadTimeout:       l.cfg.HandshakeTimeout,
		IdleTimeout:       cmp.Or(l.cfg.HandshakeTimeout, defaultHandshakeTimeout),
		MaxHeaderBytes:    max(l.cfg.MaxHeader-4<<10, 1), // net/http allows for 4 KiB more
		ErrorLog:          l.cfg.ErrorLog,
		ConnState:         l.connState,
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	if s.ErrorLog == nil {
		s.ErrorLog = log.New(io.Discard, "", 0)
	}
	return s
}

// SetKeepAlives says whether connections on which something else than a
// handshake was asked for stay open for another request; they do by default.
// Off closes those that are idle.
func (l *Listener) SetKeepAlives(on bool) { l.server.SetKeepAlivesEnabled(on) }

// ErrNoHandshake is returned by Handshake for a connection that ended without
// one: the client left or was too slow, or only fetched files. One that was
// refused is a *RefusedError, which wraps it.
var ErrNoHandshake = errors.New("ws: the connection ended without a handshake")

// Handshake serves one connection that the caller has accepted (and perhaps
// begun TLS on, as *tls.Conn), until it has brought a handshake that passes.
// That is not shown to Next. The connection belongs to the Listener from now
// on, and then to the Pending.
func (l *Listener) Handshake(conn net.Conn, from Origin) (*Pending, error) {
	began := time.Now()
	p, read, err := l.quick(conn, from)
	switch {
	case err != nil:
		conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrNoHandshake, err)
	case p != nil:
		return p, nil
	}
	f := &fedConn{Conn: conn, from: from, read: read, late: time.Since(began), got: make(chan *Pending, 1), gone: make(chan struct{})}
	if t, ok := conn.(*tls.Conn); ok {
		if err := l.handshakeTLS(t); err != nil {
			conn.Close()
			return nil, fmt.Errorf("%w: %w", ErrNoHandshake, err)
		}
		state := t.ConnectionState()
		f.tls = &state
	}
	select {
	case l.feeder().conns <- f:
	case <-l.done:
		conn.Close()
		return nil, fmt.Errorf("ws: handshake: %w", net.ErrClosed)
	}
	select {
	case p := <-f.got:
		return p, nil
	case <-f.gone:
		return nil, f.noHandshake()
	}
}

func (l *Listener) handshakeTLS(t *tls.Conn) error {
	ctx := context.Background()
	if d := l.cfg.HandshakeTimeout; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	return t.HandshakeContext(ctx)
}

// feeder starts the server behind Handshake when it is first needed.
func (l *Listener) feeder() *feed {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.feed == nil {
		l.feed = &feed{conns: make(chan *fedConn), done: l.done}
		if !l.closed {
			l.serving.Add(1)
			go l.serveFeed()
		}
	}
	return l.feed
}

func (l *Listener) serveFeed() {
	defer l.serving.Done()
	l.server.Serve(l.feed)
}
