package proxy

import (
	"net"

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
		return "TLS needs a net.Conn"
	case c.Protocol != nil:
		return c.Protocol.Name() + " needs a net.Conn"
	case c.AcceptProxy, c.SendProxy != 0:
		return "a PROXY header is read and written on a net.Conn"
	case c.RateLimit > 0:
		return "a rate limit waits in a goroutine"
	case c.Dial != nil:
		return "Dial makes connections that are not plain sockets"
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
