package ws

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// A Listener takes WebSocket clients. It is an http.Handler, to be mounted in
// any server, and has a server of its own (Listen, Serve, Handshake). What
// comes is had from Next, handshake by handshake, or from Accept, which makes
// it a net.Listener.
//
// It knows its connections, as net/http does not: Shutdown ends them.
type Listener struct {
	cfg      Config
	set      *settings
	server   *http.Server
	next     chan *Pending
	webStall time.Duration
	done     chan struct{} // closed by Close

	mu      sync.Mutex
	closed  bool
	addr    net.Addr
	feed    *feed
	conns   map[*Conn]struct{}
	pending map[*Pending]struct{}
	empty   chan struct{} // Shutdown waits: closed when there is none left
	serving sync.WaitGroup
}

// NewListener returns a Listener that takes what comes to ServeHTTP, Serve and
// Handshake. The error is for a Config that cannot be.
func NewListener(cfg Config) (*Listener, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	l := &Listener{
		cfg:      cfg,
		set:      newSettings(cfg.Ping, cfg.CloseTimeout, cfg.ReplaceInvalid, cfg.MaxInflated),
		next:     make(chan *Pending),
		webStall: webStall,
		done:     make(chan struct{}),
		conns:    map[*Conn]struct{}{},
		pending:  map[*Pending]struct{}{},
	}
	l.server = l.newServer()
	return l, nil
}

// Next waits for a handshake. It returns net.ErrClosed after Close.
func (l *Listener) Next() (*Pending, error) {
	select {
	case p := <-l.next:
		return p, nil
	case <-l.done:
		return nil, fmt.Errorf("ws: next: %w", net.ErrClosed)
	}
}

// Accept waits for a handshake and answers it. The net.Conn is a *Conn.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		p, err := l.Next()
		if err != nil {
			return nil, err
		}
		if c, err := p.Accept(); err == nil {
			return c, nil
		}
		// The client has left meanwhile, which is no error of the Listener.
	}
}

// Addr returns the address of the first net.Listener that is served.
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

// ServeHTTP judges a request, and hands a good handshake on to Next. It
// returns as soon as that has been taken, so that net/http's part of the
// connection is let go.
func (l *Listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fed, _ := r.Context().Value(connKey{}).(*fedConn)
	if fed != nil {
		fed.answering.Store(true)
	}
	if l.cfg.Web != nil && !isHandshake(r) && !l.wasHandshake(r) {
		l.serveWeb(w, r, fed)
		return
	}
	var from Origin
	if fed != nil {
		from = fed.from
	}
	if bad := l.check(r, from); bad != nil {
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
	if f, ok := conn.(*fedConn); ok {
		p.conn, p.Request.TLS = f.Conn, f.tls // the wrapper has done its work
		p.early = append(p.early, f.read...)
		p.handTo = f.got
	}
	l.deliver(p)
}

// connKey is of a request's context: the connection that it came over.
type connKey struct{}

// refused leaves word of a refusal for Handshake, or in the log.
func (l *Listener) refused(fed *fedConn, bad *RefusedError) {
	if fed != nil {
		fed.refused.CompareAndSwap(nil, bad)
		return
	}
	l.server.ErrorLog.Printf("%v (%s %s from %s)", bad, quote(bad.Request.Method), quote(bad.Request.URL.Path), bad.Request.RemoteAddr)
}

func (l *Listener) newPending(conn net.Conn, r *http.Request, early []byte) *Pending {
	p := &Pending{listener: l, conn: conn, Request: r, early: early}
	p.agreed, p.extensions = l.agree(r)
	p.Subprotocol = p.agreed.subprotocol
	return p
}

// deliver hands p to the one who waits for this very connection, or to Next.
func (l *Listener) deliver(p *Pending) {
	l.track(p)
	if p.handTo != nil {
		p.handTo <- p
		return
	}
	var timeout <-chan time.Time
	if d := l.cfg.HandshakeTimeout; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case l.next <- p:
	case <-l.done:
		p.Refuse(http.StatusServiceUnavailable, 0, "shutting down")
	case <-timeout:
		p.Refuse(http.StatusServiceUnavailable, time.Second, "busy")
	}
}
