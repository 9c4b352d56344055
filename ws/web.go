package ws

import (
	dll "container/list"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// webStall is how long one who reads an answer of Config.Web may take nothing
// of it. However long all of it takes is the reader's matter.
const webStall = 30 * time.Second

// serveWeb answers a request that is not for the WebSocket.
func (l *Listener) serveWeb(w http.ResponseWriter, r *http.Request, fed *fedConn) {
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	if conn == nil { // in a server of the program's own
		l.cfg.Web.ServeHTTP(w, r)
		return
	}
	if fed != nil {
		fed.isForWeb()
	}
	if !l.cfg.WebLimit.begin(conn) {
		w.Header().Set("Connection", "close")
		w.Header().Set("Retry-After", "1")
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	defer l.cfg.WebLimit.end(conn)
	rc := http.NewResponseController(w)
	rc.SetWriteDeadline(time.Time{})
	if raw := rawOf(bottomOf(conn)); hasPulse(raw) {
		defer watchProgress(conn, raw, l.webStall).stop()
	} else {
		w = webWriter{w, rc, l.webStall}
	}
	l.cfg.Web.ServeHTTP(w, r)
	rc.SetWriteDeadline(time.Now().Add(l.webStall)) // for what is buffered still
}

// progress cuts off a reader that takes nothing more. A deadline would do for
// what is written in small parts; but the kernel takes megabytes at once, and
// a slow reader needs minutes before there is room again.
type progress struct {
	conn  net.Conn
	raw   syscall.RawConn
	every time.Duration
	mu    sync.Mutex
	acked uint64
	timer *time.Timer // nil: it is over
}

func watchProgress(conn net.Conn, raw syscall.RawConn, every time.Duration) *progress {
	p := &progress{conn: conn, raw: raw, every: every}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(every, p.look)
	return p
}

func (p *progress) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil {
		return
	}
	now, known := pulseOf(p.raw)
	if known && now.unsent > 0 && now.acked == p.acked {
		cutOff(bottomOf(p.conn))
		return
	}
	p.acked = now.acked
	p.timer.Reset(p.every)
}

func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
	p.timer = nil
}

// webWriter is for systems that do not tell: each part of an answer has its
// own time.
type webWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration
}

func (w webWriter) Write(p []byte) (int, error) {
	w.rc.SetWriteDeadline(time.Now().Add(w.stall))
	return w.ResponseWriter.Write(p)
}

func (w webWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A WebLimit bounds the connections over which something is asked of
// Config.Web, in all Listeners that have it: browsers open six for a page and
// keep them. One more takes the place of that which has been idle for longest;
// where there is no such, it is told 503 and closed. A nil WebLimit is none.
type WebLimit struct {
	max   int
	mu    sync.Mutex
	conns map[net.Conn]*dll.Element // nil: a request is being answered
	idle  dll.List                  // of net.Conn, the longest first
}

// NewWebLimit makes a limit of max connections.
func NewWebLimit(max int) *WebLimit {
	return &WebLimit{max: max, conns: map[net.Conn]*dll.Element{}}
}

// begin is called for each request, and end after those for which it is true.
func (l *WebLimit) begin(c net.Conn) bool {
	if l == nil {
		return true
	}
	longest, ok := l.enter(c)
	if longest != nil {
		longest.Close()
	}
	return ok
}

// enter makes c one that is being answered, and gives the connection that has
// to go for it.
func (l *WebLimit) enter(c net.Conn) (longest net.Conn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, known := l.conns[c]
	switch {
	case at != nil:
		l.idle.Remove(at)
	case !known && len(l.conns) >= l.max:
		if l.idle.Len() == 0 {
			return nil, false
		}
		longest = l.forgetLocked(l.idle.Front().Value.(net.Conn))
	}
	l.conns[c] = nil
	return longest, true
}

func (l *WebLimit) end(c net.Conn) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, known := l.conns[c]; known && at == nil {
		l.conns[c] = l.idle.PushBack(c)
	}
}

// forget is for a connection that has ended, or has become a WebSocket.
func (l *WebLimit) forget(c net.Conn) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetLocked(c)
}

func (l *WebLimit) forgetLocked(c net.Conn) net.Conn {
	if at := l.conns[c]; at != nil {
		l.idle.Remove(at)
	}
	delete(l.conns, c)
	return c
}

func (l *Listener) connState(c net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		l.cfg.WebLimit.forget(c)
	}
}
