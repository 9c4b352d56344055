package proxy

import (
	"net"
	"slices"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// runner chooses what does the waiting of a service's sessions: the event
// loops where both sides are plain sockets, the goroutines elsewhere.
func (e *Engine) runner(c ServiceConfig) relay.Runner {
	if c.Relay == "stream" || c.notForLoop() != "" {
		return &e.stream
	}
	return &e.loop
}

// notForLoop says in a few words why the event loops cannot carry a service;
// "" when they can.
func (c ServiceConfig) notForLoop() string {
	switch {
	case !relay.HasLoop:
		return "event loops need Linux"
	case c.TLS != nil:
		return "it has TLS"
	case c.sharesBy() != "":
		return "it shares its address by " + c.sharesBy()
	case c.Protocol != nil:
		return "it speaks " + c.Protocol.Name()
	case c.AcceptProxy, c.SendProxy != 0:
		return "it has a PROXY header"
	case c.RateLimit > 0:
		return "it has a rate_limit"
	case slices.ContainsFunc(c.Backends, func(b BackendConfig) bool { return b.TLS != nil }), slices.ContainsFunc(c.Discover, func(d DiscoverySource) bool { return d.TLS }):
		return "a backend speaks TLS"
	case c.Dial != nil:
		return "it has a Dial of its own"
	}
	for _, ln := range c.Listeners {
		switch ln.(type) {
		case *net.TCPListener, *net.UnixListener:
		default:
			return "a listener is not a plain socket"
		}
	}
	return ""
}
