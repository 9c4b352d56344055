package proxy

import (
	"github.com/tcpctl/tcpctl/proxy/internal/stats"
	"slices"
	"sync/atomic"
	"time"
)

// holdersShown is how many of those who hold a slot are listed: enough to look
// at.
const holdersShown = 32

// Info is the service at this moment.
func (s *Service) Info() ServiceInfo {
	i := s.ownInfo()
	s.queue.View(func() { i.addCounters(&s.inheritedCounters) })
	return i
}

// ownInfo is Info, with what this process alone has counted.
func (s *Service) ownInfo() (i ServiceInfo) {
	var backends []*Backend
	var recent stats.Recent
	s.queue.View(func() { i, backends, recent = s.infoLocked(), slices.Clone(s.backends), s.waits })
	i.Sessions.Total = s.total.Load()
	ages := recent.All()
	for _, w := range s.waiting() {
		ages = append(ages, w.wait)
	}
	_, i.Queue.WaitP50Seconds, i.Queue.WaitP99Seconds = stats.Quantiles(ages)
	s.addLive(&i, backends)
	return i
}

// addLive adds what the live sessions have of bytes and slots.
func (s *Service) addLive(i *ServiceInfo, backends []*Backend) {
	now := time.Now()
	for page := range s.pages(func() {
		i.BytesIn, i.BytesOut = s.bytesIn.Load(), s.bytesOut.Load()
		for n, b := range backends {
			i.Backends[n].BytesIn, i.Backends[n].BytesOut = b.bytesIn.Load(), b.bytesOut.Load()
		}
	}) {
		for n := range page {
			sess := &page[n]
			in, out := sess.bytes()
			i.BytesIn += in
			i.BytesOut += out
			if n := slices.Index(backends, sess.relaying.Load()); n >= 0 {
				i.Backends[n].BytesIn += in
				i.Backends[n].BytesOut += out
			}
			if l := i.Lock; l != nil && sess.backend != nil && len(l.Holders) < holdersShown {
				l.Holders = append(l.Holders, HolderInfo{ID: sess.ID(), Client: sess.clientName(),
					HeldSeconds: (now.Sub(sess.opened) - sess.granted).Seconds()})
			}
		}
	}
	i.BytesIn, i.BytesOut = s.reported.atLeast(i.BytesIn, i.BytesOut)
	for n, b := range backends {
		i.Backends[n].BytesIn, i.Backends[n].BytesOut = b.reported.atLeast(i.Backends[n].BytesIn, i.Backends[n].BytesOut)
	}
}

// reported are the bytes that were told last. Who ends while the sessions are
// looked at is missed until the next look; a counter must not fall for that.
type reported struct{ in, out atomic.Int64 }

func (s *reported) atLeast(in, out int64) (int64, int64) { return raise(&s.in, in), raise(&s.out, out) }

// raise gives the greater of the two, and keeps it.
func raise(to *atomic.Int64, n int64) int64 {
	for {
		was := to.Load()
		if n <= was {
			return was
		}
		if to.CompareAndSwap(was, n) {
			return n
		}
	}
}

func (s *Service) infoLocked() ServiceInfo {
	now := time.Now()
	i := ServiceInfo{Name: s.name, Listen: s.listensLocked(), State: s.stateLocked(), Balance: s.config().Balance,
		Sessions: s.counts, Queue: s.queueCounts}
	i.Sessions.Active, i.Sessions.Bypass = s.active, s.bypassing
	i.Queue.Waiting, i.Queue.Max = s.queue.Waiting()+s.predecessors.Waiting, max(s.config().Queue.Max, 0)
	i.Times, i.Endings, i.Closes = s.counters.times(), endingsOf(s.counters.endings), closesOf(s.counters.closes)
	for w := range s.queue.Waiters() {
		i.Queue.OldestSeconds = now.Sub(w.Since()).Seconds()
		i.Reason = w.Reason()
		break
	}
	if s.pause.current != nil {
		i.Pause = s.pause.current.info(i.Queue.Waiting)
	}
	i.PauseDefaults = s.config().Pause.defaults()
	i.Hook = s.hookInfoLocked()
	for _, b := range s.backends {
		i.Backends = append(i.Backends, b.infoLocked())
	}
	if l := s.config().Lock; l.Slots > 0 {
		i.Lock = &LockInfo{Slots: l.Slots, InUse: s.active, TTLSeconds: l.TTL.Seconds()}
	}
	return i
}
