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

// At log level debug a session leaves a line at each of its steps: the event, and what
// follows. A goroutine logs the lines, as with events, so that a slow log delays no
// client; they are not events, since there are too many of them to keep.

// tracesKept is how far the log may fall behind before lines are dropped.
const tracesKept = 4096

// traceLine is one of a session's lines.
type traceLine struct {
	at               time.Time
	session          uint64
	service, backend string
	text             string
	args             []any // of text, formatted when logged
}

// traced reports whether sessions leave lines now. It is called at each step.
func (e *Engine) traced() bool {
	return e.cfg.Log != nil && e.cfg.Log.Enabled(context.Background(), slog.LevelDebug)
}

// logTrace writes a line to the log, for the goroutine that logs lines.
func (e *Engine) logTrace(l traceLine, missed uint64) {
	ctx := context.Background()
	if missed > 0 {
		e.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "debug lines were not logged: the log is too slow", slog.Uint64("lines", missed))
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

// traceEvent leaves a line for an event, before the stage handles it. A session in the
// stages after admit holds its backend, and nothing else changes it.
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
			return // by us: an earlier line says why
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
			s.trace(nil, "not a session: not counted")
		}
	}
}

// traceHandshake says which step of the opening has ended. After the opening the same
// event means that a Protocol's client has been answered, or is no longer held while it
// waits.
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
		s.trace(nil, "PROXY header read: the client is %s", g.from)
	default:
		s.trace(nil, "PROXY header read: it names no client")
	}
}

// traceTransition says what follows the event. Only a waiting session's own fields may
// be read.
func (s *Session) traceTransition(ev relay.Event, a transition) {
	switch {
	case s.stage == atAdmit && a == next:
		s.trace(s.last, "admitted to %s after %s in the queue", s.last.target(), s.waited)
	case s.stage == atAdmit && a == wait && ev.Kind == relay.Begin:
		s.trace(nil, "waits in the queue")
	case s.stage == atDial && a == wait && (ev.Kind == relay.Begin || ev.Kind == relay.Failed) && s.ending == nil:
		s.trace(s.last, "dials %s, attempt %d", s.last.target(), s.dials)
	case s.stage == atDial && a == requeue:
		s.trace(nil, "returns to its position in the queue")
	case s.stage == atDial && a == next:
		s.trace(s.last, "relays")
	case s.stage == atRecord && ev.Kind == relay.Begin:
		in, out := s.bytes()
		e := s.ending
		s.trace(nil, "ended by %s after %s in phase %s: %s; %d bytes from the client, %d to it", e.by,
			time.Since(s.opened), e.phase, cmp.Or(explain(e.reason, e.details()), "no reason"), in, out)
	}
}
