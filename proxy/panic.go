package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"

	"github.com/tcpctl/tcpctl/lock"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// A panic of our code, or of a given Protocol, Dial or hook, ends only what it was
// about: the session, the check, the hook or the step of a plan. It raises an alarm,
// with the stack in the log.

// panicError is a panic for which an event was noted.
type panicError struct{ value string }

func (p *panicError) Error() string { return "panic: " + p.value }

// isPanic reports whether an error is, or wraps, a panic.
func isPanic(err error) bool { return err != nil && errors.As(err, new(*panicError)) }

// panicked notes a panic with value v, of something in a service, and returns it as an
// error. It must be called while the stack of the panic still exists.
func (e *Engine) panicked(service, session, what string, v any) *panicError {
	return e.panickedAt(service, session, what, v, string(debug.Stack()))
}

func (e *Engine) panickedAt(service, session, what string, v any, stack string) *panicError {
	p := &panicError{fmt.Sprintf("%.200v", v)}
	e.noteThrottled(Event{Kind: EventPanic, Level: LevelAlarm, Service: service, Session: session, Stack: stack,
		Text: fmt.Sprintf("%s of %s panicked and was ended; this is a fault of the program: %s", what, service, p.value)})
	return p
}

// contained calls run for a part of the service; a panic is returned as an error.
func (s *Service) contained(what string, run func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.engine.panicked(s.name, "", what, v)
		}
	}()
	return run()
}

// contained calls one of several steps that must all be taken.
func (s *Session) contained(step func()) {
	defer func() {
		if v := recover(); v != nil {
			s.service.engine.panicked(s.service.name, s.ID(), "session "+s.ID(), v)
		}
	}()
	step()
}

// stepPanicked is deferred by Step, and ends a session whose step has panicked.
func (s *Session) stepPanicked() {
	if v := recover(); v != nil {
		s.endByPanic(s.service.engine.panicked(s.service.name, s.ID(), "session "+s.ID(), v))
	}
}

// broughtPanic ends a session that has received a panic from code that ran elsewhere,
// and reports whether it has.
func (s *Session) broughtPanic(ev relay.Event) bool {
	var p *panicError
	var away *relay.PanicError
	switch {
	case errors.As(ev.Err, &p):
	case errors.As(ev.Err, &away):
		p = s.service.engine.panickedAt(s.service.name, s.ID(), "session "+s.ID(), away.Value, away.Stack)
	default:
		return false
	}
	if ev.Kind == relay.Ended {
		s.copying = !ev.Last
	}
	s.endByPanic(p)
	return true
}

// endByPanic moves the session to its record, from any stage.
func (s *Session) endByPanic(p *panicError) {
	again := s.ending != nil && s.ending.reason == ReasonPanic
	switch {
	case s.detached:
		s.contained(s.discard)
		return
	case s.stage == atRecord:
		return // record contains each of its steps
	}
	phase := phaseNames[s.phase.Load()]
	s.ending = &ending{by: ByProxy, phase: phase, reason: ReasonPanic, detail: p.value, reset: true, cut: phase == PhaseRelay}
	if s.copying && !again { // the record waits for the last bytes
		s.contained(func() { s.closeClient(true) })
		s.contained(func() { s.runner().Close(s.server, true) })
		return
	}
	s.contained(func() { s.runner().Abort(s) })
	s.stage = atRecord
	record(s, relay.Event{Kind: relay.Begin})
}

// do is the runner's Do for what may be foreign code.
func (s *Session) do(f func() relay.Event) {
	s.runner().Do(s, func() (ev relay.Event) {
		defer func() {
			if v := recover(); v != nil {
				ev = relay.Event{Kind: relay.HandshakeDone, Err: s.service.engine.panicked(s.service.name, s.ID(), "session "+s.ID(), v)}
			}
		}()
		return f()
	})
}

// containedDial wraps a service's Dial to return a panic as an error; nil for none.
func (s *Service) containedDial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	if dial == nil {
		return nil
	}
	return func(ctx context.Context, network, addr string) (c net.Conn, err error) {
		err = s.contained("a dial", func() (err error) {
			c, err = dial(ctx, network, addr)
			return err
		})
		return c, err
	}
}

// admitPanicked is deferred by the gate: the waiter for which it panicked is skipped
// and ended, and the others continue. The queue is locked.
func (g gate) admitPanicked(w *lock.Waiter, v *lock.Decision, why *Reason) {
	r := recover()
	if r == nil {
		return
	}
	sess := w.Owner.(*Session)
	p := g.engine.panicked(g.name, sess.ID(), "session "+sess.ID(), r)
	sess.dismissed = true
	sess.signal(endRequest{by: ByProxy, reason: ReasonPanic, detail: p.value})
	*v, *why = lock.Skip, ReasonLeaving
}
