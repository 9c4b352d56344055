package proxy

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/lock"
	"github.com/tcpctl/tcpctl/proxy/internal/balance"
	"github.com/tcpctl/tcpctl/proxy/internal/ratelimit"
	"github.com/tcpctl/tcpctl/proxy/internal/stats"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Service is one set of listeners with its queue and its backends.
type Service struct {
	engine   *Engine
	name     string
	cfg      atomic.Pointer[ServiceConfig] // replaced whole by a reload
	run      relay.Runner
	live     live // all sessions, waiters too
	detached detachedSet
	share    *relay.Share // of the sessions that the process can hold, once started
	perIP    ratelimit.Limiter
	queue    *lock.Queue

	// What follows is guarded by the queue: whoever changes it does so in
	// queue.Update, which then lets in those who may go.
	listeners         *listenerSet // nil: closed. It changes with the engine locked as well
	handedOver        *listenerSet // its sockets, while another process accepts from them
	draining          int          // sockets that it has no more, and that may still give clients
	backends          []*Backend
	policy            balance.Policy
	candidates        []*Backend         // scratch of chooseLocked
	weighed           []*balance.Backend // likewise: the same ones
	active            int                // admitted and not ended
	bypassing         int                // of those, let past a pause
	predecessors      RemainingSessions  // of those, in the processes before this one
	inheritedCounters ServiceInfo        // what those have counted
	checking          int                // slots lent to checks
	pause             pauseState
	retired           bool // a reload has it no more; guarded by the engine's mu
	started           bool // guarded by the engine's mu
	hooks             hookState
	waits             stats.Recent  // of those that were let in
	tallies           []*tally      // of plans that run
	plan              *Plan         // that is at work; nil: none
	changed           chan struct{} // closed at the next change of state; nil: nobody waits for it
	counts            SessionCounts
	queueCounts       QueueInfo // its counters
	counters          counters
	oldNoted          time.Time // when it was last said that a client waits long

	total             atomic.Int64
	dials             atomic.Uint32 // takes source addresses in turn
	bytesIn, bytesOut atomic.Int64  // of sessions that have ended
	reported          reported

	timer   wakeTimer
	ctx     context.Context // ends the clock and the checks
	stop    context.CancelFunc
	working sync.WaitGroup
}

func newService(e *Engine, c ServiceConfig) *Service {
	s := &Service{engine: e, name: c.Name, run: e.runner(c), policy: balance.New(c.Balance), counters: newCounters(), timer: newWakeTimer()}
	s.cfg.Store(&c)
	s.hooks.failed = map[string]int{}
	s.queue = lock.NewQueue(gate{s}, max(c.Queue.Max, 0))
	s.ctx, s.stop = context.WithCancel(context.Background())
	for _, b := range c.Backends {
		s.backends = append(s.backends, newBackend(s, b))
	}
	return s
}

// start begins checks, the clock, and accepting.
func (s *Service) start() {
	s.share = s.engine.budget.NewShare()
	s.started = true
	s.working.Add(1)
	go s.runTimer()
	s.queue.Do(func() {
		for _, b := range s.backends {
			s.startChecksLocked(b)
		}
	})
	if s.listeners != nil {
		s.listeners.serve(s)
	}
}

// finish ends what start began; no session is left.
func (s *Service) finish() {
	s.stop()
	s.working.Wait()
	s.share.Close()
	s.detached.end()
	if p := s.config().Protocol; p != nil {
		p.Close()
	}
}

// wakeAt makes the queue be asked again at a time. The queue may be locked.
func (s *Service) wakeAt(t time.Time) { s.timer.set(t) }

// runTimer does what is due: deadlines of pauses and drains, the next try of a
// failed dial, the next grant of a paced release.
func (s *Service) runTimer() {
	defer s.working.Done()
	label(roleClock, s.name, "")
	for s.timer.wait(s.ctx) {
		s.contained("the clock", func() error {
			s.queue.Update(s.dueLocked)
			return nil
		})
	}
}

func (s *Service) dueLocked() {
	defer s.nextDeadlineLocked()
	now := time.Now()
	s.pauseDueLocked(now)
	s.drainsDueLocked(now)
	s.hooksDueLocked()
	s.warnDueLocked(now)
}

// overdueInterval is how often a pause is looked at that stands beyond its
// deadline.
const overdueInterval = 100 * time.Millisecond

// nextDeadlineLocked sets the clock to what comes next.
func (s *Service) nextDeadlineLocked() {
	if p := s.pause.current; p != nil {
		s.wakeAt(later(p.until, time.Now().Add(overdueInterval)))
		if p.limit != nil {
			s.wakeAt(*p.limit)
		}
	}
	for _, b := range s.backends {
		for _, h := range b.holds {
			if h != nil && h.until != nil {
				s.wakeAt(*h.until)
			}
		}
	}
}

// stateLocked is the service's word.
func (s *Service) stateLocked() string {
	switch {
	case s.listeners == nil && s.handedOver == nil:
		return StateClosed
	case s.pause.current != nil && !s.pause.current.settled:
		return StatePausing
	case s.pause.current != nil:
		return StatePaused
	case s.releasingLocked():
		return StateReleasing
	}
	return StateOpen
}

func (s *Service) listensLocked() []string {
	for _, f := range []*listenerSet{s.listeners, s.handedOver} {
		if f != nil {
			return f.addrs()
		}
	}
	return s.config().Listen
}

func (s *Service) config() *ServiceConfig { return s.cfg.Load() }

// Name is what the service is called.
func (s *Service) Name() string { return s.name }

// Backend finds a backend by its name; nil when there is none.
func (s *Service) Backend(name string) (found *Backend) {
	s.queue.View(func() {
		// One that is on its way out may have a successor of its name.
		if found = s.backendLocked(name); found != nil {
			return
		}
		if n := slices.IndexFunc(s.backends, func(b *Backend) bool { return b.name == name }); n >= 0 {
			found = s.backends[n]
		}
	})
	return found
}

// Add takes a new backend; it gets sessions after its first good check.
func (s *Service) Add(c BackendConfig, by, reason string) (text string, err error) {
	if err := cmp.Or(c.Validate(), ValidateNote("reason", reason)); err != nil {
		return "", err
	}
	c = c.withDefaults()
	if err := s.checkAdded(c); err != nil {
		return "", err
	}
	s.queue.Update(func() {
		if n := slices.IndexFunc(s.backends, func(b *Backend) bool { return b.name == c.Name }); n >= 0 {
			err = fmt.Errorf("proxy: %s has a backend %q already", s.name, c.Name)
			if b := s.backends[n]; !b.removing && reflect.DeepEqual(b.cfg, c) {
				err = already("%s: already added, %s", b.target(), b.stateLocked())
			}
			return
		}
		b := newBackend(s, c)
		b.added = true
		s.backends = append(s.backends, b)
		s.startChecksLocked(b)
		s.servingChangedLocked()
		text = fmt.Sprintf("add %s: %s", b.target(), b.stateLocked())
	})
	return text, err
}

// forgetEmptyLocked forgets a backend that is being removed once it is empty.
func (s *Service) forgetEmptyLocked(b *Backend) {
	if !b.removing || b.active > 0 {
		return
	}
	b.stopChecks()
	s.backends = slices.DeleteFunc(s.backends, func(o *Backend) bool { return o == b })
	s.engine.note(Event{Kind: EventAdmin, Service: s.name, Backend: b.name, Text: b.target() + " is removed"})
	s.servingChangedLocked()
}

// rejectWaitersLocked tells those to go who wait for a backend where none is
// up and the service is set to reject. A backend that is still being checked
// for the first time is waited for, and a pause and its release hold
// everybody.
func (s *Service) rejectWaitersLocked() {
	if s.config().NoBackend == Reject && s.queue.Waiting() > 0 && s.hopelessLocked() {
		s.endWaitersLocked(endRequest{by: ByProxy, reason: ReasonNoBackend})
	}
}

// hopelessLocked says that no backend is up nor being looked at for the first
// time. While a hook that failed holds clients there is hope: it is tried
// again.
func (s *Service) hopelessLocked() bool {
	return s.pause.current == nil && s.hooks.held == "" && s.hooks.running == "" && !s.releasingLocked() && !slices.ContainsFunc(s.backends, func(b *Backend) bool {
		return b.serves() || b.stateLocked() == StateChecking && b.admin() == AdminReady
	})
}

// endWaitersLocked tells every waiter to go; none of them is let in any more.
func (s *Service) endWaitersLocked(o endRequest) {
	for w := range s.queue.Waiters() {
		sess := w.Owner.(*Session)
		sess.dismissed = true
		sess.run.Post(sess, relay.Event{Kind: relay.Signal, Arg: o})
	}
}
