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

// A panic, whether of our code or of a Protocol, a Dial or a hook that we were
// given, ends what it was about and nothing else: the session, the check, the
// hook or the step of a plan. It is an alarm, with its stack in the log.

// panicError is a panic that an event has been noted of.
type panicError struct{ value string }

func (p *panicError) Error() string { return "panic: " + p.value }

// isPanic says whether an error is, or has in it, a panic.
func isPanic(err error) bool { return err != nil && errors.As(err, new(*panicError)) }

// panicked notes a panic with the value v, of what in a service, and makes
// it an error. It is called while the stack of the panic is still there.
func (e *Engine) panicked(service, session, what string, v any) *panicError {
	return e.panickedAt(service, session, what, v, string(debug.Stack()))
}

func (e *Engine) panickedAt(service, session, what string, v any, stack string) *panicError {
	p := &panicError{fmt.Sprintf("%.200v", v)}
	e.noteThrottled(Event{Kind: EventPanic, Level: LevelAlarm, Service: service, Session: session, Stack: stack,
		Text: fmt.Sprintf("%s of %s panicked and was ended; this is a fault of the program: %s", what, service, p.value)})
	return p
}

// contained runs what belongs to a service alone; its panic is an error.
func (s *Service) contained(what string, run func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.engine.panicked(s.name, "", what, v)
		}
	}()
	return run()
}

// contained runs one of several steps that must all be taken.
func (s *Session) contained(step func()) {
	defer func() {
		if v := recover(); v != nil {
			s.service.engine.panicked(s.service.name, s.ID(), "session "+s.ID(), v)
		}
	}()
	step()
}

// stepPanicked is deferred by Step: it ends a session whose step has panicked.
func (s *Session) stepPanicked() {
	if v := recover(); v != nil {
		s.endByPanic(s.service.engine.panicked(s.service.name, s.ID(), "session "+s.ID(), v))
	}
}

// broughtPanic ends a session to which an event has brought the panic of what
// ran elsewhere, and says whether it has.
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

// endByPanic takes the session to its record from wherever it is.
func (s *Session) endByPanic(p *panicError) {
	again := s.ending != nil && s.ending.reason == ReasonPanic
	switch {
	case s.detached:
		s.contained(s.discard)
		return
	case s.stage == atRecord:
		return // which contains each of its steps
	}
	phase := phaseNames[s.phase.Load()]
	s.ending = &ending{by: ByProxy, phase: phase, reason: ReasonPanic, detail: p.value, reset: true, cut: phase == PhaseRelay}
	if s.copying && !again { // the record waits for the last of its bytes
		s.contained(func() { s.closeClient(true) })
		s.contained(func() { s.runner().Close(s.server, true) })
		return
	}
	s.contained(func() { s.runner().Abort(s) })
	s.stage = atRecord
	record(s, relay.Event{Kind: relay.Begin})
}

// do is the runner's Do for what may be the user's code.
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

// containedDial is a service's Dial, whose panic is an error; nil for none.
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

// admitPanicked is deferred by the gate: the waiter that it panicked about is
// passed over and ended, and the others go on. The queue is locked.
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
