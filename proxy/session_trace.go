package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// A session whose log is at the level debug leaves a line at each of its steps:
// what has come, and what follows. Lines are handed to a goroutine that logs
// them, as events are, so that a slow log holds up no client; they are no
// events, and there are too many of them to be kept.

// tracesKept is how far the log may fall behind before lines are dropped.
const tracesKept = 4096

// traceLine is one of a session's lines.
type traceLine struct {
	at               time.Time
	session          uint64
	service, backend string
	text             string
	args             []any // of text, which is formatted where it is logged
}

// traced says whether sessions leave lines now. It is asked at each step.
func (e *Engine) traced() bool {
	return e.cfg.Log != nil && e.cfg.Log.Enabled(context.Background(), slog.LevelDebug)
}

// logTrace writes a line to the log. The log of lines calls it.
func (e *Engine) logTrace(l traceLine, missed uint64) {
	ctx := context.Background()
	if missed > 0 {
		e.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "debug lines were not logged: the log takes them too slowly", slog.Uint64("lines", missed))
	}
	r := slog.NewRecord(l.at, slog.LevelDebug, fmt.Sprintf(l.text, l.args...), 0)
	r.AddAttrs(slog.String(logService, l.service), slog.String(logSession, sessionID(l.session)))
	if l.backend != "" {
		r.AddAttrs(slog.String(logBackend, l.backend))
	}
	if h := e.cfg.Log.Handler(); h.Enabled(ctx, slog.LevelDebug) {
		h.Handle(ctx, r)
	}
}

// trace leaves a line. The args must not change afterwards.
func (s *Session) trace(backend *Backend, text string, args ...any) {
	l := traceLine{at: time.Now(), session: s.number, service: s.service.name, text: text, args: args}
	if backend != nil {
		l.backend = backend.name
	}
	s.service.engine.traces.Add(func(uint64) traceLine { return l })
}

// traceEvent leaves a line of what has come, before the stage sees it. A session in
// the stages after admit holds its backend, and nothing else changes it.
func (s *Session) traceEvent(ev relay.Event) {
	var backend *Backend
	if s.stage > atAdmit && s.stage < atRecord {
		backend = s.last
	}
	switch ev.Kind {
	case relay.Begin:
		if s.stage == 0 {
			s.trace(nil, "accepted %s, on the %s runner", s.client.Name(), s.runner().Name())
		}
	case relay.HandshakeDone:
		s.traceHandshake(ev)
	case relay.Connected:
		s.trace(backend, "connected to %s after %s", backend.target(), time.Since(s.opened)-s.dialled)
	case relay.Failed:
		s.trace(backend, "dial of %s failed: %s", backend.target(), health.Explain(ev.Err))
	case relay.PeerClosed:
		s.trace(backend, "the client has ended: %s", ev.End)
	case relay.Ended:
		if ev.End == relay.Closed {
			return // by us: the line of why stands before
		}
		side := ByClient
		if ev.Side == s.server {
			side = ByBackend
		}
		s.trace(backend, "the %s has ended its side: %s", side, ev.End)
	case relay.Signal:
		if o, ok := ev.Arg.(endRequest); ok {
			s.trace(backend, "asked to end by %s: %s", o.by, explain(o.reason, o.detail))
		} else {
			s.trace(nil, "it is for no session: it is not counted")
		}
	}
}

// traceHandshake says which step of the opening has come to its end. Behind
// it, the same event is of a client of a Protocol that has been answered, or is
// not held any more while it waits.
func (s *Session) traceHandshake(ev relay.Event) {
	g, _ := ev.Arg.(handshakeResult)
	switch {
	case s.stage != 0 && s.stage != atRecord && s.protocol.state == answering && s.protocol.err == nil:
		s.trace(nil, "the client has the answer to its handshake")
	case s.stage != 0:
	case ev.Err != nil:
		s.trace(nil, "handshake failed: %v", ev.Err)
	case g.pending != nil:
		s.trace(nil, "handshake of %s done", s.service.config().protocolName())
	case g.secure != nil:
		s.trace(nil, "handshake of %s done", tls.VersionName(tls.VersionTLS13))
	case g.conn != nil:
		name := "TLS"
		if conn, ok := g.conn.(*tls.Conn); ok {
			name = tls.VersionName(conn.ConnectionState().Version)
		}
		s.trace(nil, "handshake of %s done", name)
	case g.from.IsValid():
		s.trace(nil, "PROXY header read: it is for %s", g.from)
	default:
		s.trace(nil, "PROXY header read: it names no client")
	}
}

// traceTransition says what the stage has made of the event. Of one that waits in
// the queue only what is its own may be read.
func (s *Session) traceTransition(ev relay.Event, a transition) {
	switch {
	case s.stage == atAdmit && a == next:
		s.trace(s.last, "admitted to %s after %s in the queue", s.last.target(), s.waited)
	case s.stage == atAdmit && a == wait && ev.Kind == relay.Begin:
		s.trace(nil, "waits in the queue")
	case s.stage == atDial && a == wait && (ev.Kind == relay.Begin || ev.Kind == relay.Failed) && s.ending == nil:
		s.trace(s.last, "dials %s, attempt %d", s.last.target(), s.dials)
	case s.stage == atDial && a == requeue:
		s.trace(nil, "goes back to its position in the queue")
	case s.stage == atDial && a == next:
		s.trace(s.last, "relays")
	case s.stage == atRecord && ev.Kind == relay.Begin:
		in, out := s.bytes()
		e := s.ending
		s.trace(nil, "ended by %s after %s in phase %s: %s; %d bytes from the client, %d to it", e.by,
			time.Since(s.opened), e.phase, cmp.Or(explain(e.reason, e.details()), "no reason"), in, out)
	}
}
