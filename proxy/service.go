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
	cfg      atomic.Pointer[ServiceConfig] // a reload replaces it
	run      relay.Runner
	live     live // all sessions, waiters too
	detached detachedSet
	share    *relay.Share // of the sessions that the process can hold; set by start
	arriving atomic.Int32 // clients of shared sockets that are not live yet
	ends     atomic.Bool  // retired, or the engine is stopped: no detached connection returns
	perIP    ratelimit.Limiter
	queue    *lock.Queue

	// The following is guarded by the queue: it is changed in queue.Update, which then
	// admits waiters.
	listeners    *listenerSet // nil: closed. Changes need the engine's lock, too
	handedOver   *listenerSet // its sockets while another process accepts from them
	draining     int          // former sockets that may still yield clients
	backends     backendSet
	discovery    discovery
	active       int              // admitted, but not ended
	bypassing    int              // how many of them bypass a pause
	shared       sharedState      // slots shared with other engines
	cluster      clusterState     // what also holds on other engines
	predecessors predecessorState // sessions in previous processes
	checking     int              // slots lent to checks
	pause        pauseState
	quiet        quietDrains
	retired      bool // a reload has removed it; guarded by the engine's mu
	started      bool // written with the engine and its queue locked
	hooks        hookState
	plan         *Plan // the current plan; nil: none
	changes      changes
	stats        serviceStats
	oldest       oldestWaiter

	dials atomic.Uint32 // to rotate source addresses

	timer   wakeTimer
	ctx     context.Context // ends the timer and the checks
	stop    context.CancelFunc
	working sync.WaitGroup
}

func newService(e *Engine, c ServiceConfig) *Service {
	s := &Service{engine: e, name: c.Name, run: e.runner(c), stats: newServiceStats(), timer: wakeTimer{poke: make(chan struct{}, 1)}}
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

// start starts the checks and the timer.
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

// workLocked registers a part of the service that begins now, and for which finish
// waits: it must call working.Done. An error says why nothing may begin.
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

// finish ends what start began, once no session is left.
func (s *Service) finish() {
	s.queue.Do(s.stop) // nothing begins after this
	s.working.Wait()
	s.cluster.close()
	s.shared.close()
	s.share.Close()
	s.detached.end()
	if p := s.config().Protocol; p != nil {
		p.Close()
	}
}

// runTimer handles what is due: deadlines of pauses and drains, the retry of a failed
// dial, the next grant of a paced release.
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

// overdueInterval is how often an overdue pause is checked for its end.
const overdueInterval = 100 * time.Millisecond

// nextDeadlineLocked sets the timer to the next deadline.
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

// stateLocked returns the service's state in a word.
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
		// A backend that is being removed may have a successor of the same name.
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

// rejectWaitersLocked rejects the clients that wait for a backend if none is up and the
// service is set to reject. A backend in its first check is waited for, and a pause and
// its release hold all clients.
func (s *Service) rejectWaitersLocked() {
	if s.config().NoBackend == Reject && s.queue.Waiting() > 0 && s.backends.hopelessLocked() {
		s.endWaitersLocked(endRequest{by: ByProxy, reason: ReasonNoBackend})
	}
}

// endWaitersLocked asks every waiter to end; none of them is admitted after that.
func (s *Service) endWaitersLocked(o endRequest) {
	for w := range s.queue.Waiters() {
		sess := w.Owner.(*Session)
		sess.dismissed = true
		sess.runner().Post(sess, relay.Event{Kind: relay.Signal, Arg: o})
	}
}
