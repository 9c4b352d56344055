package protocol

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// route chooses, for each request on a connection, which of the services that share an address
// answers it: over one connection a browser, or a proxy in front, may fetch a page of one service
// and become a client of another. Requests are read by the net/http server of the first service.
type route struct {
	conn    net.Conn
	arrival proxy.Arrival
	to      string // the service that the last request was for
}

// handshakeOptions returns the options of one service's handshakes on a connection.
func (w *WebSocket) handshakeOptions(conn net.Conn, a proxy.Arrival) ws.HandshakeOptions {
	return ws.HandshakeOptions{TrustForwarded: a.Trusted, AllowHost: hostsFor(w.spec.Hosts, conn, a), OnWeb: a.Detach}
}

func (t *route) choose(r *http.Request) (*ws.Listener, ws.HandshakeOptions, *ws.RefusedError) {
	all := t.arrival.Sharers()
	to, bad := t.find(all, r)
	if bad != nil {
		if bad.Request = r; len(all) == 1 {
			t.to = all[0].Service
		}
		return nil, ws.HandshakeOptions{}, bad
	}
	t.to = to.Service
	w, ok := to.Protocol.(*WebSocket)
	if !ok {
		return nil, ws.HandshakeOptions{}, &ws.RefusedError{Kind: ws.RefusedPath, Status: http.StatusNotFound, Reason: "there is no WebSocket at this path", Request: r}
	}
	a := t.arrival
	a.Listen = to.Listen
	return w.listener, w.handshakeOptions(t.conn, a), nil
}

// find returns the service that a request is for. A page is served by the service that has pages,
// whatever path its WebSocket is at; of several such, by the one that matches the request,
// otherwise by the first.
func (t *route) find(all []proxy.Sharer, r *http.Request) (*proxy.Sharer, *ws.RefusedError) {
	host := ws.HandshakeOptions{TrustForwarded: t.arrival.Trusted}.RequestedHost(r)
	to, hostKnown := proxy.ChooseRequest(all, host, r.URL.Path)
	if !ws.IsHandshake(r) && (to == nil || !hasPages(to)) {
		if page := pagesFor(all, host, r.URL.Path); page != nil {
			to = page
		}
	}
	switch {
	case to == nil && len(all) == 1: // it refuses the request itself
		return &all[0], nil
	case to == nil && !hostKnown:
		return nil, &ws.RefusedError{Kind: ws.RefusedHost, Status: http.StatusNotFound, Reason: fmt.Sprintf("host %s is not served here", quote(host))}
	case to == nil:
		return nil, &ws.RefusedError{Kind: ws.RefusedPath, Status: http.StatusNotFound, Reason: "there is no WebSocket at this path"}
	case !to.Allowed:
		t.to = to.Service
		return nil, &ws.RefusedError{Kind: refusedAddress, Status: http.StatusForbidden, Reason: "clients of this address are not allowed"}
	}
	return to, nil
}

// refusedAddress is a refusal by the client's address, which package ws does not know.
const refusedAddress ws.Refusal = "denied"

func pagesFor(all []proxy.Sharer, host, path string) *proxy.Sharer {
	with := []proxy.Sharer{}
	for _, s := range all {
		if hasPages(&s) {
			with = append(with, s)
		}
	}
	if to, _ := proxy.ChooseRequest(with, host, path); to != nil {
		return to
	}
	for i := range with {
		with[i].Path = "/"
	}
	to, _ := proxy.ChooseRequest(with, host, path)
	return to
}

func hasPages(s *proxy.Sharer) bool {
	w, ok := s.Protocol.(*WebSocket)
	return ok && (w.web != nil || w.spec.Web != "")
}

// handshakeShared waits for a handshake for one of the services that share the address.
func (w *WebSocket) handshakeShared(conn net.Conn, a proxy.Arrival) (proxy.PendingClient, error) {
	t := &route{conn: conn, arrival: a}
	p, err := w.listener.Handshake(conn, ws.HandshakeOptions{TrustForwarded: a.Trusted, OnWeb: a.Detach, Route: t.choose})
	var bad *ws.RefusedError
	switch {
	case errors.As(err, &bad):
		return nil, t.refusal(bad)
	case err != nil:
		return nil, err
	}
	return pendingClient{p, t.to}, nil
}

// refusal returns the refusal by the service that refused the handshake, or by all of them.
func (t *route) refusal(bad *ws.RefusedError) *proxy.Refusal {
	for _, s := range t.arrival.Sharers() {
		if w, ok := s.Protocol.(*WebSocket); ok && s.Service == t.to {
			r := refusal(bad, &w.spec)
			r.Service = t.to
			return r
		}
	}
	r := refusal(bad, nil)
	if bad.Kind == ws.RefusedHost || bad.Kind == ws.RefusedPath {
		r.Hint = "no service on this address has it in its ws.hosts and ws.path"
	}
	return r
}
