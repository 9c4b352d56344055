package ws

import (
	"net"
	"net/http"
	"strings"
)

// HandshakeOptions are options of the caller of Listener.Handshake for one
// connection. With the zero value every host is allowed, and the request alone
// decides.
type HandshakeOptions struct {
	// TrustForwarded means that the peer is a proxy whose X-Forwarded-Host or
	// Forwarded header has the host that the client requested.
	TrustForwarded bool

	// AllowHost reports whether the Listener serves a requested host: a name or
	// address in lower case without its port, "" if the request has none. Other hosts
	// are refused with 421. nil allows every host. It is not called for requests for
	// Config.Web.
	AllowHost func(host string, r *http.Request) bool

	// Route returns the Listener that answers a request, and its options, if several
	// Listeners share the connection, such as those of services by host and path. An
	// error refuses the request. It is called once for each request, by one goroutine
	// at a time; the Route of the options that it returns is not called. nil: the
	// Listener of Handshake answers all requests.
	Route func(*http.Request) (*Listener, HandshakeOptions, *RefusedError)

	// OnWeb, if set, is called before the first request for Config.Web on the
	// connection is answered. A handshake may still follow.
	OnWeb func()
}

// RequestedHost returns the host of a request as AllowHost gets it.
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
