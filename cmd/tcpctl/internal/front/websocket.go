package front

import (
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

// WebSocket is a proxy.Protocol made of package ws.
type WebSocket struct {
	spec      config.WS
	web       http.Handler
	holdAfter time.Duration
	listener  *ws.Listener

	mu       sync.Mutex
	greeting int // calls of Handshake under way
	closed   bool
}

var _ proxy.Protocol = (*WebSocket)(nil)

// holdAfter is well before the first browser gives up an opening: Firefox,
// after 20 s.
const holdAfter = 10 * time.Second

// NewWebSocket makes one of what a file says of it. web, when it is not nil,
// answers what is no handshake, instead of the files in spec.Web.
func NewWebSocket(spec config.WS, web http.Handler) (*WebSocket, error) {
	w := &WebSocket{spec: spec, web: web, holdAfter: holdAfter}
	if web == nil && spec.Web != "" {
		web = files(spec.Web, spec.DotFiles)
	}
	var err error
	w.listener, err = ws.NewListener(ws.Config{
		Path:             spec.Path,
		Origins:          spec.Origins,
		Subprotocols:     spec.Subprotocols,
		Encoding:         ws.Encoding(spec.Encoding),
		ReplaceInvalid:   spec.InvalidText == "replace",
		Compression:      spec.Compression,
		Ping:             orOff(spec.Ping),
		HandshakeTimeout: orOff(spec.HandshakeTimeout),
		MaxHeader:        int(spec.MaxHeader),
		Web:              web,
		WebLimit:         fileLimit(),
	})
	if err != nil {
		return nil, fmt.Errorf("front: %w", err)
	}
	return w, nil
}

// orOff is for durations of which zero is another default, and negative off.
func orOff(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// Name is what a session's Via shows.
func (w *WebSocket) Name() string { return "ws" }

// AnswerAfter is when a client that waits gets its 101.
func (w *WebSocket) AnswerAfter() time.Duration { return w.holdAfter }

// KeepAlive is for connections over which files are fetched.
func (w *WebSocket) KeepAlive(on bool) { w.listener.SetKeepAlives(on) }

// Same says whether a reload can keep this one: no handshake is disturbed.
func (w *WebSocket) Same(other proxy.Protocol) bool {
	o, ok := other.(*WebSocket)
	return ok && reflect.DeepEqual(w.spec, o.spec) && w.web == nil && o.web == nil
}

// Handshake waits for a handshake, bounded by handshake_timeout.
func (w *WebSocket) Handshake(conn net.Conn, a proxy.Arrival) (proxy.PendingClient, error) {
	w.mu.Lock()
	w.greeting++
	w.mu.Unlock()
	defer w.greeted()
	p, err := w.listener.Handshake(conn, ws.Origin{Proxied: a.Trusted, Hosts: hostsFor(w.spec.Hosts, conn, a), Web: a.Detach})
	var bad *ws.RefusedError
	switch {
	case errors.As(err, &bad):
		return nil, refusal(bad, &w.spec)
	case err != nil:
		return nil, err
	}
	return guest{p}, nil
}

func (w *WebSocket) greeted() {
	w.mu.Lock()
	w.greeting--
	last := w.closed && w.greeting == 0
	w.mu.Unlock()
	if last {
		w.listener.Close()
	}
}

// Close ends it once no handshake is under way, and no file is being fetched.
func (w *WebSocket) Close() {
	w.listener.SetKeepAlives(false)
	w.mu.Lock()
	last := !w.closed && w.greeting == 0
	w.closed = true
	w.mu.Unlock()
	if last {
		w.listener.Close()
	}
}
