package ws

import (
	"net"
	"net/http"
	"strings"
)

// An Origin is what the caller of Handshake knows of a connection that does
// not show in what comes over it. The zero value is a client of whom nothing
// is known.
type Origin struct {
	// Proxied: the other end is a proxy, which is to be believed when it says
	// by X-Forwarded-Host or Forwarded which host its client asked for.
	Proxied bool

	// Hosts says whether a request may be for a host: a name or an address
	// without its port, in small letters; "" where the request has none. nil:
	// for any. Requests for Config.Web are not asked about.
	Hosts func(host string, r *http.Request) bool

	// Web is called when the first request over the connection turns out to be
	// for Config.Web, before it is answered. A handshake may still follow.
	Web func()
}

// host is the one that the client has asked for, with its port if it had one.
func (o Origin) host(r *http.Request) string {
	if o.Proxied {
		if host := forwardedHost(r.Header); host != "" {
			return host
		}
	}
	return r.Host
}

func (o Origin) allows(r *http.Request) bool {
	return o.Hosts == nil || o.Hosts(bareName(o.host(r)), r)
}

// forwardedHost is what the first of the proxies was asked for: those behind
// it add theirs at the end. "" where none says.
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

// bareName leaves out the port, the brackets of an IPv6 address, and a dot at
// the end.
func bareName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}
