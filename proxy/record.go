package proxy

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// record is the last stage: everything that the session held is released, and it is
// recorded, exactly once.
func record(s *Session, ev relay.Event) transition {
	if ev.Kind != relay.Begin {
		if ev.Kind == relay.Connected {
			s.runner().Close(ev.Side, true) // too late
		}
		return wait
	}
	wasIn := false
	if s.ending == nil {
		s.ending = &ending{by: ByProxy, phase: phaseNames[s.phase.Load()], reason: ReasonOther}
	}
	// The queue comes first: while the session waits, Waiters may read its client.
	if wasIn = s.phase.Load() != inQueue; !wasIn {
		s.contained(func() { wasIn = !s.service.queue.Remove(&s.waiter) })
	}
	s.runner().Done(s)
	s.releasePerIP() // before its client can know: that may come again at once
	s.contained(func() { s.closeClient(s.ending.reset) })
	if s.server != nil {
		s.contained(func() { s.runner().Close(s.server, s.ending.reset) })
	}
	s.contained(func() { s.settle(time.Now()) })
	if wasIn {
		s.contained(s.waiter.Permit().Release)
	}
	s.contained(s.leaveShared)
	s.releaseBudget()
	return wait
}

// settle counts the session.
func (s *Session) settle(now time.Time) {
	svc, e := s.service, s.ending
	s.countTotal()
	in, out := s.bytes()
	code := 0
	s.contained(func() { code = s.closeCode() })
	svc.queue.Do(func() {
		if s.joined && e.phase == PhaseQueue && !e.refused {
			svc.stats.waitEndedLocked(s, now) // without a grant
		}
		svc.stats.endedLocked(e, code)
		if s.connected > 0 {
			if s.server.In() > 0 {
				s.last.answeredLocked(s.opened.Add(s.connected))
			}
			s.last.clientEndedLocked(s.server.In() > 0, e.by == ByBackend)
		}
		svc.pause.endReleaseLocked() // if it was the last held client
	})
	if s.unanswered() {
		svc.queue.Update(func() { s.last.sessionFailedLocked(ReasonReset, "") })
	}
	svc.live.remove(s, func() {
		svc.stats.bytesIn.Add(in)
		svc.stats.bytesOut.Add(out)
		if b := s.relaying.Load(); b != nil {
			b.bytesIn.Add(in)
			b.bytesOut.Add(out)
		}
	})
	if s.connected > 0 {
		svc.stats.session.Add(now.Sub(s.opened))
	}
	r := endedSession{session: s, backend: s.last, ended: now, in: in, out: out, code: code}
	svc.engine.ended.add(r)
	if f := svc.engine.cfg.OnRecord; f != nil {
		s.contained(func() { f(r.record()) })
	}
	if e.phase == PhaseQueue && e.reason == ReasonQueueTimeout {
		svc.engine.noteThrottled(Event{Kind: EventQueue, Level: LevelWarn, Service: svc.name, Session: s.ID(),
			Text: fmt.Sprintf("queue.timeout expired: rejected %s after %s in the queue of %s", s.client.Name(), now.Sub(s.opened).Round(time.Millisecond), svc.name)})
	}
	if e.reason == ReasonTTL {
		svc.engine.note(Event{Kind: EventSession, Level: LevelWarn, Service: svc.name, Session: s.ID(),
			Text: fmt.Sprintf("slot TTL expired: session %s of %s reset", s.ID(), s.client.Name())})
	}
}

// recordsListener reports whether somebody reads the Listener of records.
func (e *Engine) recordsListener() bool {
	return e.cfg.OnRecord != nil && (e.cfg.OmitListener == nil || !e.cfg.OmitListener())
}

// endedSession is a session that has ended, as it was: text for people is made from it
// only on request.
type endedSession struct {
	session *Session
	backend *Backend
	ended   time.Time
	in, out int64
	code    int // of its Protocol
}

func (c endedSession) record() Record {
	s := c.session
	r := Record{ID: s.ID(), Service: s.service.name, Client: s.client.Name(), Via: via(s.protocol, s.encrypted),
		By: s.ending.by, Phase: s.ending.phase, Reason: s.ending.reason, Detail: s.ending.details(), Opened: s.opened, Ended: c.ended,
		Token: s.grantToken(), WaitedSeconds: s.waited.Seconds(), DurationSeconds: c.ended.Sub(s.opened).Seconds(),
		BytesIn: c.in, BytesOut: c.out, Dials: int(s.dials), Served: s.connected > 0, CloseCode: c.code}
	switch {
	case s.ending.local.IsValid():
		r.Listener = s.ending.local.String()
	case !s.client.Remote().IsValid():
		r.Listener = "unix:" + s.client.Name()
	}
	if s.rare != nil && s.rare.hello != nil {
		r.TLSName = s.rare.hello.name
	}
	if version, name, ok := s.client.TLSState(); ok {
		r.TLSVersion, r.TLSName = tls.VersionName(version), name
	}
	if line := s.protocol.answeredConn(); line != nil {
		r.Subprotocol = line.Subprotocol()
	}
	if r.Phase == PhaseQueue {
		r.WaitedSeconds = c.ended.Sub(s.opened).Seconds()
	}
	if c.backend != nil {
		r.Backend = c.backend.name
	}
	if s.connected > 0 {
		r.ConnectSeconds = (s.connected - s.dialled).Seconds()
	}
	return r
}
