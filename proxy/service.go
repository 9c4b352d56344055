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
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Service is one set of listeners with its queue and backends.
type Service struct {
	engine   *Engine
	name     string
	cfg      atomic.Pointer[ServiceConfig] // replaced whole by a reload
	run      relay.Runner
	live     live // all sessions, waiters too
	detached detachedSet
	share    *relay.Share // of the sessions that the process can hold, once started
	arriving atomic.Int32 // clients of shared sockets that are about to be live
	perIP    ratelimit.Limiter
	queue    *lock.Queue

	// What follows is guarded by the queue: it is changed in queue.Update,
	// which then admits those that may go.
	listeners    *listenerSet // nil: closed. It changes with the engine locked as well
	handedOver   *listenerSet // its sockets, while another process accepts from them
	draining     int          // sockets that it has no more, and that may still give clients
	backends     backendSet
	discovery    discovery
	active       int              // admitted and not ended
	bypassing    int              // of those, let past a pause
	shared       sharedState      // slots that other engines use, too
	cluster      clusterState     // what holds on other engines, too
	predecessors predecessorState // of those, in the processes before this one
	checking     int              // slots lent to checks
	pause        pauseState
	quiet        quietDrains
	retired      bool // a reload has it no more; guarded by the engine's mu
	started      bool // written with the engine and its queue locked
	hooks        hookState
	plan         *Plan // that is at work; nil: none
	changes      changes
	stats        serviceStats
	oldest       oldestWaiter

	dials atomic.Uint32 // takes source addresses in turn

	timer   wakeTimer
	ctx     context.Context // ends the clock and the checks
	stop    context.CancelFunc
	working sync.WaitGroup
}

func newService(e *Engine, c ServiceConfig) *Service {
	s := &Service{engine: e, name: c.Name, run: e.runner(c), stats: newServiceStats(), timer: newWakeTimer()}
	s.cfg.Store(&c)
	s.hooks = hookState{service: s, failed: map[string]int{}}
	s.quiet.service = s
	s.pause.service, s.predecessors.service, s.oldest.service, s.shared.service, s.cluster.service = s, s, s, s, s
	s.discovery = discovery{service: s}
	s.backends = backendSet{service: s, policy: balance.New(c.Balance)}
	s.queue = lock.NewQueue(gate{s}, max(c.Queue.Max, 0))
	s.live.queue, s.changes.queue = s.queue, s.queue
	s.ctx, s.stop = context.WithCancel(context.Background())
	for _, b := range c.Backends {
		s.backends.all = append(s.backends.all, newBackend(s, b))
	}
	return s
}

// start begins checks and the clock.
func (s *Service) start() {
	s.share = s.engine.budget.NewShare()
	s.shared.start(s.config().Shared)
	s.cluster.start(s.config().Cluster)
	s.working.Go(s.runTimer)
	s.queue.Do(func() {
		s.started = true
		for _, b := range s.backends.all {
			b.startChecksLocked()
		}
	})
}

// workLocked says that something of the service begins, which finish waits for: it
// is to call working.Done. An error says why nothing may begin.
func (s *Service) workLocked() error {
	switch {
	case !s.started:
		return errNotRunning
	case s.ctx.Err() != nil:
		return ErrClosed
	}
	s.working.Add(1)
	return nil
}

// finish ends what start began; no session is left.
func (s *Service) finish() {
	s.queue.Do(s.stop) // nothing begins from here on
	s.working.Wait()
	s.cluster.close()
	s.shared.close()
	s.share.Close()
	s.detached.end()
	if p := s.config().Protocol; p != nil {
		p.Close()
	}
}

// runTimer does what is due: deadlines of pauses and drains, the next try of a
// failed dial, the next grant of a paced release.
func (s *Service) runTimer() {
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
	s.pause.dueLocked(now)
	s.backends.dueLocked(now)
	s.backends.returnDueLocked(now)
	s.hooks.dueLocked()
	s.pause.warnLocked(now)
	s.oldest.warnLocked(now)
}

// overdueInterval is how often a pause that outlives its deadline is asked
// whether it may end.
const overdueInterval = 100 * time.Millisecond

// nextDeadlineLocked sets the clock to what comes next.
func (s *Service) nextDeadlineLocked() {
	if p := s.pause.current; p != nil {
		s.timer.set(later(p.until, time.Now().Add(overdueInterval)))
		if p.limit != nil {
			s.timer.set(*p.limit)
		}
	}
	for _, b := range s.backends.all {
		if b.ejected() {
			s.timer.set(b.ejection.until)
		}
		for _, h := range b.holds {
			if h != nil && h.until != nil {
				s.timer.set(*h.until)
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
	case s.pause.releasingLocked():
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

// Name returns the name of the service.
func (s *Service) Name() string { return s.name }

// Backend returns the backend with a name, or nil.
func (s *Service) Backend(name string) (found *Backend) {
	s.queue.View(func() {
		// One that is on its way out may have a successor of its name.
		if found = s.backends.byNameLocked(name); found != nil {
			return
		}
		if n := slices.IndexFunc(s.backends.all, func(b *Backend) bool { return b.name == name }); n >= 0 {
			found = s.backends.all[n]
		}
	})
	return found
}

// Add adds a backend; it gets sessions after its first passed check.
func (s *Service) Add(c BackendConfig, by, reason string) (text string, err error) {
	if err := cmp.Or(s.CheckAdded(c), ValidateNote("reason", reason)); err != nil {
		return "", err
	}
	c = c.withDefaults()
	s.queue.Update(func() {
		if n := slices.IndexFunc(s.backends.all, func(b *Backend) bool { return b.name == c.Name }); n >= 0 {
			err = fmt.Errorf("proxy: %s has a backend %q already", s.name, c.Name)
			if b := s.backends.all[n]; !b.removing && reflect.DeepEqual(b.cfg, c) {
				err = already("%s: already added, %s", b.target(), b.stateLocked())
			}
			return
		}
		b := newBackend(s, c)
		b.added = true
		s.backends.all = append(s.backends.all, b)
		b.startChecksLocked()
		s.servingChangedLocked()
		text = fmt.Sprintf("add %s: %s", b.target(), b.stateLocked())
	})
	return text, err
}

// rejectWaitersLocked rejects the clients that wait for a backend where none is
// up and the service is set to reject. A backend that is still being checked
// for the first time is waited for, and a pause and its release hold all.
func (s *Service) rejectWaitersLocked() {
	if s.config().NoBackend == Reject && s.queue.Waiting() > 0 && s.backends.hopelessLocked() {
		s.endWaitersLocked(endRequest{by: ByProxy, reason: ReasonNoBackend})
	}
}

// endWaitersLocked asks every waiter to end; none of them is admitted any more.
func (s *Service) endWaitersLocked(o endRequest) {
	for w := range s.queue.Waiters() {
		sess := w.Owner.(*Session)
		sess.dismissed = true
		sess.runner().Post(sess, relay.Event{Kind: relay.Signal, Arg: o})
	}
}
