// Package connlimit bounds how many connections an http.Server holds, and how
// long a request and its answer may make no progress, so that unused connections
// cannot take the process's descriptors:
//
//	srv := &http.Server{Handler: h}
//	connlimit.Bound(srv, 16)
//	go srv.Serve(ln)
package connlimit

import (
	"container/list"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	headerWait = 10 * time.Second // for a request's header
	bodyWait   = 10 * time.Second // for its body
	writeWait  = 10 * time.Second // for a client to read a part of the answer
	idleWait   = 2 * time.Minute  // for the next request
	maxHeader  = 16 << 10
)

// Bound makes srv hold at most max connections. One more takes the place of
// that which has been without a request for longest, so a client with a request
// is served even while another holds connections open by the thousand.
// Where each one has a request that is being answered, the new one is closed.
// Call it before Serve, with the Handler set; it sets ConnState and the
// timeouts.
func Bound(srv *http.Server, max int) {
	l := &limit{max: max, quiet: list.New(), conns: map[net.Conn]*conn{}}
	srv.ReadHeaderTimeout, srv.IdleTimeout, srv.MaxHeaderBytes = headerWait, idleWait, maxHeader
	srv.ConnState = l.state
	inner := srv.ConnContext
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if inner != nil {
			ctx = inner(ctx, c)
		}
		return context.WithValue(ctx, connKey{}, c)
	}
	h := srv.Handler
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(connKey{}).(net.Conn)
		l.begin(c)
		defer l.end(c)
		rc := http.NewResponseController(w)
		if r.ContentLength != 0 {
			// The server's ReadTimeout would also end long answers.
			rc.SetReadDeadline(time.Now().Add(bodyWait))
			r.Body = body{r.Body, rc}
		}
		h.ServeHTTP(writer{w, rc}, r)
		rc.SetWriteDeadline(time.Now().Add(writeWait)) // for what is still buffered
	})
}

type connKey struct{}

// limit has the connections of one server.
type limit struct {
	mu    sync.Mutex
	max   int
	conns map[net.Conn]*conn
	quiet *list.List // connections without a request, longest idle first
}

// conn is a connection: either it has active requests (several with HTTP/2), or it is in quiet.
type conn struct {
	requests int
	at       *list.Element
}

func (l *limit) begin(nc net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.conns[nc]
	if c == nil {
		return
	}
	if c.requests++; c.requests == 1 {
		l.quiet.Remove(c.at)
	}
}

func (l *limit) end(nc net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.conns[nc]
	if c == nil {
		return
	}
	if c.requests--; c.requests == 0 {
		c.at = l.quiet.PushBack(nc)
	}
}

// state is the server's ConnState callback; for a new connection the server calls it before it
// accepts another.
func (l *limit) state(nc net.Conn, s http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch s {
	case http.StateNew:
		if len(l.conns) >= l.max {
			oldest := l.quiet.Front()
			if oldest == nil {
				nc.Close()
				return
			}
			l.forget(oldest.Value.(net.Conn)).Close()
		}
		l.conns[nc] = &conn{at: l.quiet.PushBack(nc)}
	case http.StateClosed, http.StateHijacked:
		l.forget(nc)
	}
}

func (l *limit) forget(nc net.Conn) net.Conn {
	if c := l.conns[nc]; c != nil && c.requests == 0 {
		l.quiet.Remove(c.at)
	}
	delete(l.conns, nc)
	return nc
}

// body removes the read deadline at the end of a request's body.
type body struct {
	io.ReadCloser
	rc *http.ResponseController
}

func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// writer sets a new deadline for each part of an answer.
type writer struct {
	http.ResponseWriter
	rc *http.ResponseController
}

func (w writer) Write(p []byte) (int, error) {
	w.rc.SetWriteDeadline(time.Now().Add(writeWait))
	return w.ResponseWriter.Write(p)
}

func (w writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
