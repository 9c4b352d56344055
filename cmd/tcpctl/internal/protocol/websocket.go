package protocol

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// WebSocket is the proxy.Protocol of WebSocket clients, by package ws.
type WebSocket struct {
	spec      config.WS
	web       http.Handler
	auth      *auth // nil: every client is allowed
	holdAfter time.Duration
	listener  *ws.Listener

	mu         sync.Mutex
	handshakes int // calls of Handshake under way
	closed     bool
}

var _ proxy.Protocol = (*WebSocket)(nil)

// holdAfter is well before browsers give up on a handshake; Firefox is the first, after 20 s.
const holdAfter = 10 * time.Second

// NewWebSocket makes the protocol from its table in the file. A web that is not
// nil answers requests that are no handshake, instead of the files in spec.Web.
func NewWebSocket(spec config.WS, web http.Handler) (*WebSocket, error) {
	secrets, err := newAuth(spec.Auth)
	if err != nil {
		return nil, err
	}
	w := &WebSocket{spec: spec, web: web, auth: secrets, holdAfter: holdAfter}
	if web == nil && spec.Web != "" {
		web = files(spec.Web, spec.DotFiles)
	}
	var authorize func(*http.Request) string
	if secrets != nil {
		authorize = secrets.authorize
	}
	w.listener, err = ws.NewListener(ws.Config{
		Path:             spec.Path,
		Origins:          spec.Origins,
		Subprotocols:     spec.Subprotocols,
		Encoding:         ws.Encoding(spec.Encoding),
		ReplaceInvalid:   spec.InvalidText == "replace",
		Compression:      spec.Compression,
		Ping:             orOff(spec.Ping),
		HandshakeTimeout: orOff(spec.HandshakeTimeout),
		MaxHeaderBytes:   int(spec.MaxHeader),
		Authorize:        authorize,
		Web:              secrets.pages(web),
		WebLimit:         fileLimit(),
	})
	if err != nil {
		return nil, fmt.Errorf("websocket: %w", err)
	}
	return w, nil
}

// orOff turns the file's 0 (off) into a negative duration: for package ws, 0 is the default.
func orOff(d time.Duration) time.Duration {
	return cmp.Or(d, -1)
}

// Name is what a session's Via shows.
func (w *WebSocket) Name() string { return "ws" }

// AnswerAfter is how long a waiting client waits for its 101 at most.
func (w *WebSocket) AnswerAfter() time.Duration { return w.holdAfter }

// KeepAlive switches keep-alive of the connections over which files are fetched.
func (w *WebSocket) KeepAlive(on bool) { w.listener.SetKeepAlivesEnabled(on) }

// Same reports whether a reload can keep this one, so that it disturbs no
// handshake.
func (w *WebSocket) Same(other proxy.Protocol) bool {
	o, ok := other.(*WebSocket)
	if !ok || !reflect.DeepEqual(w.spec, o.spec) || w.web != nil || o.web != nil {
		return false
	}
	w.auth = o.auth // keep the old one, whose file is being watched
	return true
}

// Handshake waits for a client's handshake, for handshake_timeout at most.
func (w *WebSocket) Handshake(conn net.Conn, a proxy.Arrival) (proxy.PendingClient, error) {
	w.mu.Lock()
	w.handshakes++
	w.mu.Unlock()
	defer w.handshakeDone()
	if a.Sharers != nil {
		return w.handshakeShared(conn, a)
	}
	p, err := w.listener.Handshake(conn, w.handshakeOptions(conn, a))
	var bad *ws.RefusedError
	switch {
	case errors.As(err, &bad):
		return nil, refusal(bad, &w.spec)
	case err != nil:
		return nil, err
	}
	return pendingClient{p, ""}, nil
}

func (w *WebSocket) handshakeDone() {
	w.mu.Lock()
	w.handshakes--
	last := w.closed && w.handshakes == 0
	w.mu.Unlock()
	if last {
		w.listener.Close()
	}
}

// Close closes the listener once no handshake is under way and no file is being
// fetched.
func (w *WebSocket) Close() {
	w.listener.SetKeepAlivesEnabled(false)
	w.mu.Lock()
	last := !w.closed && w.handshakes == 0
	w.closed = true
	w.mu.Unlock()
	if last {
		w.listener.Close()
	}
}
