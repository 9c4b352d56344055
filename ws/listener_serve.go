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

// Listen listens on a "tcp" or "unix" address, as net.Listen does, and serves it
// in a goroutine until Close, which also closes the socket.
func Listen(network, addr string, cfg Config) (*Listener, error) {
	l, err := NewListener(cfg)
	if err != nil {
		return nil, err
	}
	// Go's default of 15 s is more often than needed beside pings.
	lc := net.ListenConfig{KeepAlive: time.Minute}
	ln, err := lc.Listen(context.Background(), network, addr)
	if err != nil {
		return nil, fmt.Errorf("ws: %w", err)
	}
	l.addr = ln.Addr()
	l.serving.Go(func() { l.serve(ln) })
	return l, nil
}

// Serve accepts connections from ln until Close, and closes ln. With Config.TLS
// it speaks TLS on them. It always returns an error: net.ErrClosed after Close,
// else that of ln.Accept.
func (l *Listener) Serve(ln net.Listener) error {
	addr := ln.Addr() // without l's lock: ln belongs to the program
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		ln.Close()
		return fmt.Errorf("ws: serve: %w", net.ErrClosed)
	}
	l.addr = cmp.Or(l.addr, addr)
	l.serving.Add(1)
	l.mu.Unlock()
	defer l.serving.Done()
	return l.serve(ln)
}

func (l *Listener) serve(ln net.Listener) error {
	if l.cfg.TLS != nil {
		cfg := l.cfg.TLS.Clone()
		cfg.NextProtos = []string{"http/1.1"} // an upgrade is not possible in HTTP/2
		ln = tls.NewListener(eofListener{ln}, cfg)
	}
	err := l.server.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		err = net.ErrClosed
	}
	return fmt.Errorf("ws: serve: %w", err)
}

// newServer makes the http.Server. ReadHeaderTimeout is one deadline for all
// headers of a request, however slowly they arrive.
func (l *Listener) newServer() *http.Server {
	s := &http.Server{
		Handler:           l,
		ReadHeaderTimeout: l.cfg.HandshakeTimeout,
		ReadTimeout:       l.cfg.HandshakeTimeout,
		IdleTimeout:       cmp.Or(l.cfg.HandshakeTimeout, defaultHandshakeTimeout),
		MaxHeaderBytes:    max(l.cfg.MaxHeaderBytes-4<<10, 1), // net/http allows 4 KiB more
		ErrorLog:          l.cfg.ErrorLog,
		ConnState:         l.connState,
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	s.ErrorLog = cmp.Or(s.ErrorLog, log.New(io.Discard, "", 0))
	return s
}

// SetKeepAlivesEnabled sets, as in http.Server, whether connections with requests
// for Config.Web stay open for another request, in the Listener's own server. By
// default they do; false also closes idle ones.
func (l *Listener) SetKeepAlivesEnabled(on bool) { l.server.SetKeepAlivesEnabled(on) }

// ErrNoHandshake is returned by Handshake for a connection that ended without a
// valid handshake: the client closed it, was too slow, or made only requests for
// Config.Web. A refused handshake is a *RefusedError, which wraps ErrNoHandshake.
var ErrNoHandshake = errors.New("ws: the connection ended without a handshake")

// Handshake serves HTTP on a connection that the caller has accepted until it has
// a valid handshake, which it returns; Next does not. conn may be a
// connection over TLS, which is one with a method ConnectionState, such as a *tls.Conn:
// Config.TLS is not used. The Listener owns conn from the call on, and closes it
// before it returns an error (see ErrNoHandshake; net.ErrClosed after Close);
// then the Pending owns it.
func (l *Listener) Handshake(conn net.Conn, opts HandshakeOptions) (*Pending, error) {
	began := time.Now()
	p, read, denied, err := l.fastHandshake(conn, opts)
	switch {
	case err != nil:
		conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrNoHandshake, err)
	case p != nil:
		return p, nil
	}
	f := &handshakeConn{Conn: conn, opts: opts, prefix: read, denied: denied, elapsed: time.Since(began), pending: make(chan *Pending, 1), closed: make(chan struct{})}
	if t, ok := conn.(*tls.Conn); ok {
		if err := l.handshakeTLS(t); err != nil {
			conn.Close()
			return nil, fmt.Errorf("%w: %w", ErrNoHandshake, err)
		}
	}
	if s, ok := conn.(secureConn); ok {
		state := s.ConnectionState()
		f.tls = &state
	}
	select {
	case l.startHandshakeServer().conns <- f:
	case <-l.done:
		conn.Close()
		return nil, fmt.Errorf("ws: handshake: %w", net.ErrClosed)
	}
	select {
	case p := <-f.pending:
		return p, nil
	case <-f.closed:
		return nil, f.handshakeErr()
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

// startHandshakeServer returns the listener that feeds net/http from Handshake,
// and starts serving it at the first call.
func (l *Listener) startHandshakeServer() *connListener {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.handshakeServer == nil {
		l.handshakeServer = &connListener{conns: make(chan *handshakeConn), done: l.done}
		if !l.closed {
			l.serving.Go(l.serveHandshakes)
		}
	}
	return l.handshakeServer
}

func (l *Listener) serveHandshakes() { l.server.Serve(l.handshakeServer) }
