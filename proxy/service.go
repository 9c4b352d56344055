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
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Service is one front door with its queue and its backends.
type Service struct {
	engine *Engine
	name   string
	cfg    atomic.Pointer[ServiceConfig] // replaced whole by a reload
	run    relay.Runner
	live   live // all sessions, waiters too
	aside  aside
	share  *relay.Share // of the sessions that the process can hold, once started
	access access
	queue  *lock.Queue

	// What follows is guarded by the queue: whoever changes it does so in
	// queue.Update, which then lets in those who may go.
	front      *front // nil: closed. It changes with the engine locked as well
	handed     *front // its sockets, while another process accepts from them
	draining   int    // sockets that it has no more, and that may still give clients
	backends   []*Backend
	policy     policy
	candidates []*Backend        // scratch of choose
	active     int               // admitted and not ended
	bypassing  int               // of those, let past a pause
	elsewhere  RemainingSessions // of those, in the processes before this one
	carried    ServiceInfo       // what those have counted
	checking   int               // slots lent to checks
	pause      *pause
	retired    bool // a reload has it no more; guarded by the engine's mu
	started    bool // guarded by the engine's mu
	release    *release
	unserved   int           // let go by a release, and not served yet
	still      bool          // the queue's clock stands
	stood      time.Duration // how long it stood, up to standSince
	standSince time.Time
	hooks      hookState
	waits      waits
	tallies    []*tally      // of plans that run
	plan       *Plan         // that is at work; nil: none
	changed    chan struct{} // closed at the next change of state; nil: nobody waits for it
	counts     SessionCounts
	line       QueueInfo // its counters
	books      books
	toldOld    time.Time // when it was last said that a client waits long

	total             atomic.Int64
	dials             atomic.Uint32 // takes source addresses in turn
	bytesIn, bytesOut atomic.Int64  // of sessions that have ended
	shown             shown

	clock   alarm
	ctx     context.Context // ends the clock and the checks
	stop    context.CancelFunc
	working sync.WaitGroup
}

func newService(e *Engine, c ServiceConfig) *Service {
	s := &Service{engine: e, name: c.Name, run: e.runner(c), policy: newPolicy(c.Balance), books: newBooks(), clock: newAlarm()}
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
	go s.keepTime()
	s.queue.Do(func() {
		for _, b := range s.backends {
			s.startChecks(b)
		}
	})
	if s.front != nil {
		s.front.serve(s)
	}
}

// finish ends what start began; no session is left.
func (s *Service) finish() {
	s.stop()
	s.working.Wait()
	s.share.Close()
	s.aside.end()
	if p := s.config().Protocol; p != nil {
		p.Close()
	}
}

// wakeAt makes the queue be asked again at a time. The queue may be locked.
func (s *Service) wakeAt(t time.Time) { s.clock.set(t) }

// keepTime does what is due: deadlines of pauses and drains, the next try of
// a failed dial, the next grant of a paced release.
func (s *Service) keepTime() {
	defer s.working.Done()
	label(roleClock, s.name, "")
	for s.clock.wait(s.ctx) {
		s.contained("the clock", func() error {
			s.queue.Update(s.dueLocked)
			return nil
		})
	}
}

func (s *Service) dueLocked() {
	defer s.nextDeadline()
	now := time.Now()
	s.pauseDue(now)
	s.drainsDue(now)
	s.hooksDue()
	s.warnDue(now)
}

// overdueLook is how often a pause is looked at that stands beyond its
// deadline.
const overdueLook = 100 * time.Millisecond

// nextDeadline sets the clock to what comes next. The queue is locked.
func (s *Service) nextDeadline() {
	if p := s.pause; p != nil {
		s.wakeAt(later(p.until, time.Now().Add(overdueLook)))
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

// state is the service's word. The queue is locked.
func (s *Service) state() string {
	switch {
	case s.front == nil && s.handed == nil:
		return StateClosed
	case s.pause != nil && !s.pause.settled:
		return StatePausing
	case s.pause != nil:
		return StatePaused
	case s.releasing():
		return StateReleasing
	}
	return StateOpen
}

func (s *Service) listens() []string {
	for _, f := range []*front{s.front, s.handed} {
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
		if found = s.backend(name); found != nil {
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
				err = already("%s: already added, %s", b.target(), b.state())
			}
			return
		}
		b := newBackend(s, c)
		b.added = true
		s.backends = append(s.backends, b)
		s.startChecks(b)
		s.servingChangedLocked()
		text = fmt.Sprintf("add %s: %s", b.target(), b.state())
	})
	return text, err
}

// forgetEmpty forgets a backend that is being removed once it is empty. The
// queue is locked.
func (s *Service) forgetEmpty(b *Backend) {
	if !b.removing || b.active > 0 {
		return
	}
	b.stopChecks()
	s.backends = slices.DeleteFunc(s.backends, func(o *Backend) bool { return o == b })
	s.engine.Note(Event{Kind: EventAdmin, Service: s.name, Backend: b.name, Text: b.target() + " is removed"})
	s.servingChangedLocked()
}

// turnAway tells those to go who wait for a backend where none is up and the
// service is set to reject. A backend that is still being checked for the
// first time is waited for, and a pause and its release hold everybody. The
// queue is locked.
func (s *Service) turnAway() {
	if s.config().NoBackend == Reject && s.queue.Waiting() > 0 && s.hopeless() {
		s.tellWaiting(order{by: ByProxy, reason: ReasonNoBackend})
	}
}

// hopeless says that no backend is up nor being looked at for the first time.
// While a hook that failed holds clients there is hope: it is tried again.
func (s *Service) hopeless() bool {
	return s.pause == nil && s.hooks.held == "" && s.hooks.running == "" && !s.releasing() && !slices.ContainsFunc(s.backends, func(b *Backend) bool {
		return b.serves() || b.state() == StateChecking && b.admin() == AdminReady
	})
}

// tellWaiting tells every waiter to go; none of them is let in any more. The
// queue is locked.
func (s *Service) tellWaiting(o order) {
	for w := range s.queue.Waiters() {
		sess := w.Owner.(*Session)
		sess.leaving = true
		sess.run.Post(sess, relay.Event{Kind: relay.Signal, Arg: o})
	}
}
