package ws

import (
	"net"
	"net/http"
	"strings"
)

// HandshakeOptions say what the caller of Listener.Handshake knows of a
// connection, or wants to know. In the zero value the request decides alone, and
// every host is allowed.
type HandshakeOptions struct {
	// TrustForwarded: the peer is a proxy whose X-Forwarded-Host or Forwarded
	// header says which host the client has requested.
	TrustForwarded bool

	// AllowHost reports whether the Listener answers to a requested host: a
	// name or address in lower case without its port, "" where the request has
	// none. Others are refused with 421. nil allows every host. It is not
	// called for requests for Config.Web.
	AllowHost func(host string, r *http.Request) bool

	// Route says which Listener answers a request, with what options: the
	// connection serves all of several Listeners, such as of services by host and
	// path. An error refuses the request. It is called by one goroutine at a time,
	// for each request, and not for a Listener that it has named. nil: the
	// Listener of Handshake answers all.
	Route func(*http.Request) (*Listener, HandshakeOptions, *RefusedError)

	// OnWeb is called before the first request for Config.Web on the
	// connection is answered, if there is one. A handshake may still follow.
	// nil: nothing is called.
	OnWeb func()
}

// RequestedHost is the host that a request is for, as AllowHost gets it.
func (o HandshakeOptions) RequestedHost(r *http.Request) string { return bareName(o.requestedHost(r)) }

// requestedHost is the host that the client has requested, with its port if it
// has one.
func (o HandshakeOptions) requestedHost(r *http.Request) string {
	if o.TrustForwarded {
		if host := forwardedHost(r.Header); host != "" {
			return host
		}
	}
	return r.Host
}

func (o HandshakeOptions) allowsHost(r *http.Request) bool {
	return o.AllowHost == nil || o.AllowHost(bareName(o.requestedHost(r)), r)
}

// forwardedHost is the host that was requested from the first proxy, or "":
// later proxies append theirs.
func forwardedHost(h http.Header) string {
	if all := list(h, "X-Forwarded-Host"); len(all) > 0 {
		return all[0]
	}
	for _, e := range ParseForwarded(h) {
		if e.Host != "" {
			return e.Host
		}
	}
	return ""
}

// bareName removes the port, the brackets of an IPv6 address, and a trailing dot.
func bareName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}
