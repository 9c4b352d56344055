package proxy

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/lock"
)

// Data of many sessions is copied with the queue locked, a few hundred at a time, and
// formatted without the lock: a list of 10,000 sessions delays no client.

// sessionView is the copied data of a session.
type sessionView struct {
	*Session
	backend   *Backend
	protocol  *protocolClient
	encrypted bool
	bypass    bool
	granted   time.Duration
	remote    netip.AddrPort
	token     uint64
}

// viewLocked copies what only the queue's lock guards.
func (s *Session) viewLocked() sessionView {
	return sessionView{s, s.backend, s.protocol, s.encrypted, s.bypass, s.granted, s.client.Remote(), s.grantToken()}
}

// clientName is the client's name for people.
func (s *sessionView) clientName() string {
	if s.remote.IsValid() {
		return s.remote.String()
	}
	return s.client.Name() // of a Unix socket, constant
}

// info formats the copied data.
func (s *sessionView) info(now time.Time) SessionInfo {
	i := SessionInfo{ID: s.ID(), Service: s.service.name, Client: s.clientName(), Via: via(s.protocol, s.encrypted),
		Phase: phaseNames[s.phase.Load()], Runner: s.runner().Name(), AgeSeconds: now.Sub(s.opened).Seconds(), Bypass: s.bypass, Token: s.token}
	i.BytesIn, i.BytesOut = s.bytes()
	if s.backend != nil {
		i.Backend = s.backend.name
	}
	quiet := s.client.LastRead()
	if b := s.serverNow.Load(); b != nil {
		quiet = later(quiet, b.LastRead())
	}
	i.IdleSeconds = max(0, now.Sub(quiet).Seconds())
	if line := s.protocol.answeredConn(); line != nil {
		i.Subprotocol, i.PingSeconds = line.Subprotocol(), line.RTT().Seconds()
	}
	return i
}

// Live yields all live sessions, oldest first in each service. They are read page
// by page: a session that begins or ends meanwhile may be missing.
func (o Operator) Live() iter.Seq[SessionInfo] {
	return func(yield func(SessionInfo) bool) {
		for _, s := range o.engine.all() {
			for page := range s.live.pages(func() {}) {
				now := time.Now()
				for n := range page {
					if !yield(page[n].info(now)) {
						return
					}
				}
			}
		}
	}
}

// Ended yields recently ended sessions, newest first.
func (o Operator) Ended() iter.Seq[SessionInfo] {
	return func(yield func(SessionInfo) bool) {
		for _, c := range o.engine.ended.newest() {
			r := c.record()
			if !yield(SessionInfo{ID: r.ID, Service: r.Service, Backend: r.Backend, Client: r.Client, Via: r.Via, Phase: r.Phase,
				AgeSeconds: r.DurationSeconds, BytesIn: r.BytesIn, BytesOut: r.BytesOut, Subprotocol: r.Subprotocol, Token: r.Token, Ended: &r}) {
				return
			}
		}
	}
}

// Sessions returns all of Live, followed by all of Ended if ended is true.
func (o Operator) Sessions(ended bool) []SessionInfo {
	infos := slices.AppendSeq([]SessionInfo{}, o.Live())
	if ended {
		infos = slices.AppendSeq(infos, o.Ended())
	}
	return infos
}

// Waiters returns the queue from its head. It is read page by page: a client that
// joins or leaves meanwhile may be missing.
func (s *Service) Waiters() []WaiterInfo {
	all := []WaiterInfo{}
	var page []waiterView
	s.queue.Walk(func(w *lock.Waiter) { page = append(page, viewWaiterLocked(w)) }, func() {
		all = addWaiters(all, page)
		page = page[:0]
	})
	return all
}

// Waiters returns at most the given number of waiters from the head of a
// service's queue, read at once. It returns nothing for an unknown service.
func (o Operator) Waiters(service string, most int) []WaiterInfo {
	s := o.engine.Service(service)
	if s == nil {
		return nil
	}
	var page []waiterView
	s.queue.View(func() {
		for w := range s.queue.Waiters() {
			if len(page) >= most {
				return
			}
			page = append(page, viewWaiterLocked(w))
		}
	})
	return addWaiters([]WaiterInfo{}, page)
}

// waiterView is a waiter's data copied with the queue locked.
type waiterView struct {
	sessionView
	since   time.Time
	why     Reason
	arrival uint64
}

func viewWaiterLocked(w *lock.Waiter) waiterView {
	s := w.Owner.(*Session)
	return waiterView{s.viewLocked(), w.Since(), w.Reason(), s.service.shared.numberLocked(w.Arrival())}
}

// addWaiters appends the waiters of a page.
func addWaiters(all []WaiterInfo, page []waiterView) []WaiterInfo {
	now := time.Now()
	for _, w := range page {
		i := WaiterInfo{ID: w.ID(), Position: len(all) + 1, Client: w.clientName(),
			WaitedSeconds: now.Sub(w.since).Seconds(), State: WaiterWaiting, Reason: w.why, Arrival: w.arrival}
		switch {
		case w.verifying.Load():
			i.State = WaiterVerifying
		case i.Position == 1:
			i.State = WaiterNext
		}
		all = append(all, i)
	}
	return all
}
