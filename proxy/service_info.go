package proxy

import (
	"cmp"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/lock"
	"github.com/tcpctl/tcpctl/proxy/internal/stats"
)

// holdersShown bounds how many sessions with a slot are listed.
const holdersShown = 32

// Info returns the state of the service now.
func (s *Service) Info() ServiceInfo {
	i := s.ownInfo()
	s.queue.View(func() { i.addCounters(&s.stats.inherited) })
	return i
}

// ownInfo is Info with only this process's counts.
func (s *Service) ownInfo() (i ServiceInfo) {
	var backends []*Backend
	var recent stats.Recent
	s.queue.View(func() { i, backends, recent = s.infoLocked(), slices.Clone(s.backends.all), s.stats.waits })
	i.Sessions.Total = s.stats.total.Load()
	now, ages := time.Now(), slices.Grow(recent.All(), i.Queue.Waiting)
	s.queue.Walk(func(w *lock.Waiter) { ages = append(ages, now.Sub(w.Since())) }, nil)
	_, i.Queue.WaitP50Seconds, i.Queue.WaitP99Seconds = stats.Quantiles(ages)
	s.addLive(&i, backends)
	return i
}

// addLive adds the bytes and slots of live sessions.
func (s *Service) addLive(i *ServiceInfo, backends []*Backend) {
	now := time.Now()
	s.live.readLocked(func() {
		i.BytesIn, i.BytesOut = s.stats.bytesIn.Load(), s.stats.bytesOut.Load()
		for n, b := range backends {
			i.Backends[n].BytesIn, i.Backends[n].BytesOut = b.bytesIn.Load(), b.bytesOut.Load()
		}
	}, func(sess *Session) {
		in, out := sess.bytes()
		i.BytesIn += in
		i.BytesOut += out
		if b := sess.relaying.Load(); b != nil {
			if n := slices.Index(backends, b); n >= 0 {
				i.Backends[n].BytesIn += in
				i.Backends[n].BytesOut += out
			}
		}
		if l := i.Lock; l != nil && sess.backend != nil && len(l.Holders) < holdersShown {
			view := sess.viewLocked()
			l.Holders = append(l.Holders, HolderInfo{ID: sess.ID(), Client: view.clientName(),
				HeldSeconds: (now.Sub(sess.opened) - sess.granted).Seconds(), Token: view.token})
		}
	}, func() bool { return true })
	i.BytesIn, i.BytesOut = s.stats.reported.atLeast(i.BytesIn, i.BytesOut)
	for n, b := range backends {
		i.Backends[n].BytesIn, i.Backends[n].BytesOut = b.reported.atLeast(i.Backends[n].BytesIn, i.Backends[n].BytesOut)
	}
}

func (s *Service) infoLocked() ServiceInfo {
	now := time.Now()
	i := ServiceInfo{Name: s.name, Listen: s.listensLocked(), SNI: s.config().SNI, State: s.stateLocked(), Removing: s.quiet.retired, Balance: s.config().Balance, Scope: s.cluster.scope(),
		Sessions: s.stats.counts, Queue: s.stats.queueCounts}
	i.Sessions.Active, i.Sessions.Bypass, i.Sessions.Max = s.active, s.bypassing, s.config().MaxSessions
	i.Queue.Waiting, i.Queue.Max = s.queue.Waiting()+s.predecessors.Waiting, max(s.config().Queue.Max, 0)
	i.Times = TimesInfo{Connect: histogramOf(s.stats.connect), Wait: histogramOf(s.stats.wait), Session: histogramOf(s.stats.session)}
	i.Endings, i.Closes = endingsOf(s.stats.endings), closesOf(s.stats.closes)
	i.TLSFailures, i.Plans = kindsOf(s.stats.tlsFailures), kindsOf(s.stats.plans)
	oldest := s.predecessors.Oldest
	for w := range s.queue.Waiters() {
		if i.Reason = w.Reason(); oldest.IsZero() || w.Since().Before(oldest) {
			oldest = w.Since()
		}
		break
	}
	if !oldest.IsZero() {
		i.Queue.OldestSeconds = max(now.Sub(oldest).Seconds(), 0)
	}
	if s.pause.current != nil {
		i.Pause = s.pause.current.info(i.Queue.Waiting)
	}
	i.PauseDefaults = s.config().pauseDefaults()
	i.AllowList, i.DenyList = listInfo(s.config().AllowList), listInfo(s.config().DenyList)
	i.Hook = s.hooks.infoLocked()
	i.Discovery = s.discovery.infoLocked()
	for _, b := range s.backends.all {
		i.Backends = append(i.Backends, b.infoLocked())
	}
	if l := s.config().Lock; l.Slots > 0 {
		i.Lock = &LockInfo{Slots: l.Slots, InUse: s.active, TTLSeconds: l.TTL.Seconds()}
		if s.shared.slots != nil {
			state := s.shared.slots.State()
			i.Lock.Order, i.Lock.Share = state.Order, state.Share
			i.Lock.Scope, i.Lock.Slots, i.Lock.LeaseSeconds, i.Lock.WhenLost = ScopeCluster, cmp.Or(state.Slots, l.Slots), state.Lease.Seconds(), l.WhenLost
		}
	}
	return i
}
