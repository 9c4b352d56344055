package proxy

import (
	"net"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// runner chooses the runner for a service's sessions: the event loops if both sides are
// sockets, plain or with TLS 1.3, otherwise goroutines.
func (e *Engine) runner(c ServiceConfig) relay.Runner {
	if c.Relay == "stream" || c.notForLoop() != "" {
		return &e.stream
	}
	return &e.loop
}

// runners holds both, for Session.runs.
type runners struct{ stream, loop relay.Runner }

func (r *runners) of(run relay.Runner) *relay.Runner {
	switch run {
	case r.loop:
		return &r.loop
	case r.stream:
		return &r.stream
	}
	other := run // otherwise run would be on the heap for each session
	return &other
}

// moveToStream moves the session to the stream runner if the loops cannot carry it:
// because of its service, as chosen or reloaded meanwhile, or of what its client
// speaks. It is called in a step of the opening.
func (s *Session) moveToStream() {
	e := s.service.engine
	if s.onLoop() {
		e.loop.Move(s)
		s.runs.Store(&e.runners.stream)
		if e.traced() {
			s.trace(nil, "moves to the stream runner")
		}
		s.moveProtocol()
	}
}

// moveProtocol gives a Protocol's client the connection that its side has become.
func (s *Session) moveProtocol() {
	g := s.protocol
	switch {
	case g == nil:
	case g.conn != nil:
		g.conn.Moved(s.client.Conn())
		s.service.queue.Do(func() { s.client.Wrap(g.conn) })
	default:
		g.PendingClient.Moved(s.client.Conn())
		s.service.queue.Do(func() { s.client.Wrap(s.onlyWatched(g.PendingClient)) })
	}
}

func (s *Session) onLoop() bool { return s.runner() == s.service.engine.runners.loop }

// moveIfNotForLoop is moveToStream if the loops cannot carry the service.
func (s *Session) moveIfNotForLoop() {
	if s.service.config().notForLoop() != "" {
		s.moveToStream()
	}
}

// notForLoop returns in a few words why the event loops cannot carry a service; "":
// they can.
func (c ServiceConfig) notForLoop() string {
	switch {
	case !relay.HasLoop:
		return "event loops need Linux"
	case c.Dial != nil:
		return "it has its own Dial"
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
