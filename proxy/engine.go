package proxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/lock"
	"github.com/tcpctl/tcpctl/proxy/command"
	"github.com/tcpctl/tcpctl/proxy/internal/eventlog"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Engine runs services. Make one with New; its methods may be called from any
// goroutine.
type Engine struct {
	cfg    Config
	stream relay.Stream
	loop   relay.Loop
	budget *relay.Budget
	checks *lock.Semaphore // bounds the checks that are under way

	commands command.Runner // hooks, restarts
	plans    plans

	sessions atomic.Uint64 // numbers them
	events   *eventlog.Log[Event]
	ended    endedRing

	seldomMu sync.Mutex
	seldom   map[string]*throttle

	mu       sync.Mutex
	services []*Service
	retiring sync.WaitGroup // services that a reload has no more, and slow kicks
	quit     chan struct{}  // closed when the last session has ended
	doors    []Door         // nobody has taken yet
	started  bool
	stopped  bool
	left     bool // its doors are another engine's
}

// New makes an engine of a configuration, which it refuses with a sentence
// that names what is wrong. Nothing is opened before Start.
func New(c Config) (*Engine, error) {
	e := &Engine{cfg: c, doors: slices.Clone(c.Doors), seldom: map[string]*throttle{}, quit: make(chan struct{})}
	write := e.logEvent
	if c.Log == nil {
		write = nil
	}
	e.events = eventlog.New(eventsKept, write)
	d := NewDescriptors(c.MaxSessions)
	e.budget, e.checks = relay.NewBudget(d.Sessions), lock.NewSemaphore(d.Checks)
	all, err := c.complete()
	if err != nil {
		return nil, err
	}
	for _, sc := range all {
		e.services = append(e.services, newService(e, sc))
	}
	return e, nil
}

// complete gives the services with their defaults, or says what is wrong.
func (c Config) complete() ([]ServiceConfig, error) {
	names := map[string]bool{}
	var all []ServiceConfig
	for _, sc := range c.Services {
		sc = sc.withDefaults()
		sc.Backends = slices.Clone(sc.Backends)
		for i := range sc.Backends {
			sc.Backends[i] = sc.Backends[i].withDefaults()
		}
		if err := sc.validate(); err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		if why := sc.notForLoop(); sc.Relay == "loop" && why != "" {
			return nil, fmt.Errorf("proxy: service %q: relay \"loop\" cannot be: %s", sc.Name, why)
		}
		if names[sc.Name] {
			return nil, fmt.Errorf("proxy: two services are called %q", sc.Name)
		}
		names[sc.Name] = true
		all = append(all, sc)
	}
	return all, nil
}

// Start opens all listeners, or none, and begins to serve.
func (e *Engine) Start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started {
		return errors.New("proxy: started already")
	}
	err := e.open()
	closeDoors(e.doors)
	e.doors = nil
	var rest map[string]Rest
	if err == nil && e.cfg.Opened != nil {
		rest, err = e.cfg.Opened()
	}
	if err != nil {
		for _, s := range e.services {
			if s.front != nil {
				s.front.close()
				s.front = nil
			}
		}
		e.loop.Shutdown()
		return err
	}
	e.started = true
	for _, s := range e.services {
		s.queue.Update(func() {
			s.follow(rest[s.name])
			for _, b := range s.backends {
				if addr, ok := e.cfg.Up[s.name][b.name]; ok && addr == b.addr {
					b.judge.Add(true)
				}
			}
		})
		s.start()
		if s.front != nil {
			e.Note(Event{Kind: EventService, Service: s.name, Text: fmt.Sprintf("%s listens on %s", s.name, strings.Join(s.front.addrs(), ", "))})
		}
	}
	return nil
}

// open opens every service that is to be open.
func (e *Engine) open() error {
	for _, s := range e.services {
		if s.run == relay.Runner(&e.loop) {
			if err := e.loop.Start(); err != nil {
				return err
			}
		}
		if slices.Contains(e.cfg.Closed, s.name) {
			continue
		}
		f, err := e.openFront(*s.config())
		if err != nil {
			return err
		}
		s.queue.Do(func() { s.front = f }) // others may look already
	}
	return nil
}

// Shutdown closes the listeners, goes on serving those who wait and those who
// are live until ctx ends, and resets the rest. It returns ctx's error when
// there was a rest, and nothing of the engine runs afterwards: but for a
// Config.Log that does not take what has happened, which is waited for two
// seconds at most.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	first := e.started && !e.stopped
	e.stopped = true
	e.mu.Unlock()
	if !first {
		return nil
	}
	e.Note(Event{Kind: EventEngine, Level: LevelWarn, Text: "stopping: no new clients"})
	for _, s := range e.all() {
		s.CloseFront("", "shutdown")
	}
	rest := e.idle(ctx)
	if rest != nil {
		for _, s := range e.all() {
			for sess := range s.live.all() {
				sess.run.Post(sess, relay.Event{Kind: relay.Told, Arg: order{by: ByProxy, reason: ReasonShutdown}})
			}
		}
		e.idle(context.Background())
	}
	for _, s := range e.all() {
		s.finish()
	}
	close(e.quit)
	e.retiring.Wait()
	e.stream.Shutdown()
	e.loop.Shutdown()
	e.commands.Close()
	e.Note(Event{Kind: EventEngine, Text: "stopped"})
	e.events.Flush(logPatience)
	return rest
}

// Close is Shutdown without a grace.
func (e *Engine) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// idle waits until no session is left.
func (e *Engine) idle(ctx context.Context) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if e.budget.Used() == 0 { // the last thing that a session gives back
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (e *Engine) all() []*Service {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.services)
}

// Service finds a service by its name; nil when there is none.
func (e *Engine) Service(name string) *Service {
	for _, s := range e.all() {
		if s.name == name {
			return s
		}
	}
	return nil
}

// ServiceNames are the names of all services, in their order.
func (e *Engine) ServiceNames() []string {
	var names []string
	for _, s := range e.all() {
		names = append(names, s.name)
	}
	return names
}

// Services is every service at this moment.
func (e *Engine) Services() []ServiceInfo {
	infos := []ServiceInfo{}
	for _, s := range e.all() {
		infos = append(infos, s.Info())
	}
	return infos
}

// Sessions is every live session, oldest first in each service, and with
// ended those that ended not long ago, newest first.
func (e *Engine) Sessions(ended bool) []SessionInfo {
	infos := []SessionInfo{}
	now := time.Now()
	for _, s := range e.all() {
		s.queue.View(func() {
			for sess := range s.live.all() {
				infos = append(infos, sess.info(now))
			}
		})
	}
	if !ended {
		return infos
	}
	for _, c := range e.ended.newest() {
		r := c.record()
		infos = append(infos, SessionInfo{ID: r.ID, Service: r.Service, Backend: r.Backend, Client: r.Client, Via: r.Via,
			Phase: r.Phase, AgeSeconds: r.DurationSeconds, BytesIn: r.BytesIn, BytesOut: r.BytesOut, Subprotocol: r.Subprotocol, Ended: &r})
	}
	return infos
}
