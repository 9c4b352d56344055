package ws

import (
	dll "container/list"
	"net"
	"net/http"
	"sync"
	"time"
)

// webStallTimeout is how long a client of Config.Web may acknowledge nothing of a
// response before it is disconnected. The response as a whole has no limit.
const webStallTimeout = 30 * time.Second

// serveWeb answers a request that is not a handshake.
func (l *Listener) serveWeb(w http.ResponseWriter, r *http.Request, fed *handshakeConn) {
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	if conn == nil { // in another http.Server
		l.cfg.Web.ServeHTTP(w, r)
		return
	}
	if fed != nil {
		fed.notifyWeb()
	}
	if !l.cfg.WebLimit.begin(conn) {
		w.Header().Set("Connection", "close")
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many connections for web pages", http.StatusServiceUnavailable)
		return
	}
	defer l.cfg.WebLimit.end(conn)
	rc := http.NewResponseController(w)
	rc.SetWriteDeadline(time.Time{})
	if socket := controllerOf(netConnOf(conn)); hasTCPInfo(socket) {
		defer watchWebProgress(conn, socket, l.webStallTimeout).stop()
	} else {
		w = webWriter{w, rc, l.webStallTimeout}
	}
	l.cfg.Web.ServeHTTP(w, r)
	rc.SetWriteDeadline(time.Now().Add(l.webStallTimeout)) // for what is still buffered
}

// webProgress disconnects a client that acknowledges nothing more. A write deadline
// would do for a response in small parts; but the kernel buffers megabytes, and
// a slow client needs minutes before there is room again.
type webProgress struct {
	conn    net.Conn
	socket  controller
	timeout time.Duration
	mu      sync.Mutex
	acked   uint64
	timer   *time.Timer // nil: stopped
}

func watchWebProgress(conn net.Conn, socket controller, every time.Duration) *webProgress {
	p := &webProgress{conn: conn, socket: socket, timeout: every}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(every, p.check)
	return p
}

func (p *webProgress) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil {
		return
	}
	now, known := readTCPInfo(p.socket)
	if known && now.unacked > 0 && now.acked == p.acked {
		shutdownConn(netConnOf(p.conn))
		return
	}
	p.acked = now.acked
	p.timer.Reset(p.timeout)
}

func (p *webProgress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
	p.timer = nil
}

// webWriter is for systems without tcpInfo: each Write of a response has a deadline
// of its own.
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

// A WebLimit bounds the connections with requests for Config.Web, over all
// Listeners that have it: browsers open six for a page and keep them. A new one
// beyond the limit replaces the one that has been idle for longest; if all are in
// use, it gets 503 and is closed. A nil *WebLimit is no limit.
type WebLimit struct {
	max   int
	mu    sync.Mutex
	conns map[net.Conn]*dll.Element // nil: a request is being answered
	idle  dll.List                  // of net.Conn, the longest first
}

// NewWebLimit returns a limit of max connections.
func NewWebLimit(max int) *WebLimit {
	return &WebLimit{max: max, conns: map[net.Conn]*dll.Element{}}
}

// begin is called before each request, and end after each for which begin is true.
func (l *WebLimit) begin(c net.Conn) bool {
	if l == nil {
		return true
	}
	longest, ok := l.beginLocked(c)
	if longest != nil {
		longest.Close()
	}
	return ok
}

// beginLocked registers a request of c, and returns the idle connection to close for
// it.
func (l *WebLimit) beginLocked(c net.Conn) (longest net.Conn, ok bool) {
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

// forget is called for a connection that has ended, or has become a WebSocket.
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
