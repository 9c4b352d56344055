package ws

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// A Listener accepts WebSocket connections. It is an http.Handler, for any
// http.Server, and has a server of its own (Listen, Serve, Handshake). It is
// also a net.Listener: Accept answers a handshake and returns the Conn, while
// Next returns a handshake that the program accepts or refuses later.
//
// Unlike an http.Server it tracks the connections that it has upgraded, and
// Shutdown closes them. Its methods may be called by any goroutine.
type Listener struct {
	cfg             Config
	settings        *settings
	server          *http.Server
	handshakes      chan *Pending
	webStallTimeout time.Duration
	done            chan struct{} // closed by Close

	mu              sync.Mutex
	closed          bool
	shuttingDown    bool // Shutdown has begun
	addr            net.Addr
	handshakeServer *connListener
	conns           map[*Conn]struct{}
	pending         map[*Pending]struct{}
	untracked       chan struct{} // not nil while Shutdown waits: closed once conns and pending are empty
	serving         sync.WaitGroup
}

// NewListener returns a Listener without a socket: its connections come from
// ServeHTTP, Serve and Handshake. The error says which field of cfg is invalid.
// The caller ends the Listener with Close or Shutdown.
func NewListener(cfg Config) (*Listener, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	l := &Listener{
		cfg:             cfg,
		settings:        newSettings(cfg.Ping, cfg.CloseTimeout, cfg.ReplaceInvalid, cfg.MaxInflated),
		handshakes:      make(chan *Pending),
		webStallTimeout: webStallTimeout,
		done:            make(chan struct{}),
		conns:           map[*Conn]struct{}{},
		pending:         map[*Pending]struct{}{},
	}
	l.server = l.newServer()
	return l, nil
}

// Next waits for a valid handshake, which the caller then owns and has to answer.
// Invalid ones are refused by the Listener. After Close the error is
// net.ErrClosed; there is no other.
func (l *Listener) Next() (*Pending, error) {
	select {
	case p := <-l.handshakes:
		return p, nil
	case <-l.done:
		return nil, fmt.Errorf("ws: next: %w", net.ErrClosed)
	}
}

// Accept waits for a valid handshake and answers it with 101. The net.Conn is a
// *Conn, which the caller owns. After Close the error is net.ErrClosed; there is
// no other.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		p, err := l.Next()
		if err != nil {
			return nil, err
		}
		if c, err := p.Accept(); err == nil {
			return c, nil
		}
		// The client has gone away meanwhile, which is no error of the Listener.
	}
}

// Addr returns the address of Listen, or of the first net.Listener given to
// Serve. Without one its Network and String return "websocket".
func (l *Listener) Addr() net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.addr == nil {
		return noAddr{}
	}
	return l.addr
}

type noAddr struct{}

func (noAddr) Network() string { return "websocket" }
func (noAddr) String() string  { return "websocket" }

// ServeHTTP checks a handshake, takes over its connection (http.Hijacker), and
// waits until Next returns it, for HandshakeTimeout at most: then the client gets
// 503. An invalid handshake is refused with a 4xx status; other requests go to
// Config.Web.
func (l *Listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fed, _ := r.Context().Value(connKey{}).(*handshakeConn)
	if fed != nil {
		fed.inHandler.Store(true)
	}
	var opts HandshakeOptions
	if fed != nil {
		opts = fed.opts
	}
	to, opts, bad := l.route(r, opts)
	if bad != nil {
		l.refused(fed, bad)
		bad.write(w)
		return
	}
	to.serveRequest(w, r, fed, opts)
}

// route is the Listener that answers a request, or else why none does.
func (l *Listener) route(r *http.Request, opts HandshakeOptions) (*Listener, HandshakeOptions, *RefusedError) {
	if opts.Route == nil {
		return l, opts, nil
	}
	return opts.Route(r)
}

// serveRequest answers a request that route has assigned to l.
func (l *Listener) serveRequest(w http.ResponseWriter, r *http.Request, fed *handshakeConn, opts HandshakeOptions) {
	if l.cfg.Web != nil && !isHandshake(r) && !l.wasHandshake(r) {
		l.serveWeb(w, r, fed)
		return
	}
	bad := l.check(r, opts)
	switch {
	case bad != nil:
	case fed != nil && fed.denied != nil:
		bad, fed.denied = fed.denied, nil
	default:
		bad = l.authorize(r)
	}
	if bad != nil {
		l.refused(fed, bad)
		bad.write(w)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		(&RefusedError{Status: http.StatusInternalServerError, Reason: "this server cannot upgrade a connection"}).write(w)
		return
	}
	conn.SetDeadline(time.Time{})
	early := make([]byte, rw.Reader.Buffered())
	rw.Read(early)
	p := l.newPending(conn, r.WithContext(context.WithoutCancel(r.Context())), early)
	if f, ok := conn.(*handshakeConn); ok {
		p.conn, p.Request.TLS = f.Conn, f.tls // the wrapper is not needed any more
		p.early = append(p.early, f.prefix...)
		p.handshake = f.pending
	}
	l.deliver(p)
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// refused records a refusal for Handshake to return, or logs it.
func (l *Listener) refused(fed *handshakeConn, bad *RefusedError) {
	if fed != nil {
		fed.refused.CompareAndSwap(nil, bad)
		return
	}
	l.server.ErrorLog.Printf("%v (%s %s from %s)", bad, quote(bad.Request.Method), quote(bad.Request.URL.Path), bad.Request.RemoteAddr)
}

func (l *Listener) newPending(conn net.Conn, r *http.Request, early []byte) *Pending {
	p := &Pending{listener: l, conn: conn, Request: r, early: early}
	p.negotiated, p.extensions = l.negotiate(r)
	p.Subprotocol = p.negotiated.subprotocol
	return p
}

// deliver gives p to the Handshake of its connection, or to Next.
func (l *Listener) deliver(p *Pending) {
	l.track(p)
	if p.handshake != nil {
		p.handshake <- p
		return
	}
	var timeout <-chan time.Time
	if d := l.cfg.HandshakeTimeout; d > 0 {
		timeout = time.After(d)
	}
	select {
	case l.handshakes <- p:
	case <-l.done:
		p.Refuse(http.StatusServiceUnavailable, 0, "shutting down")
	case <-timeout:
		p.Refuse(http.StatusServiceUnavailable, time.Second, "no handshake was accepted in time")
	}
}
