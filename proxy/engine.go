package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tcpctl/tcpctl/lock"
	"github.com/tcpctl/tcpctl/proxy/command"
	"github.com/tcpctl/tcpctl/proxy/internal/eventlog"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Engine runs services. New returns one; its methods may be called by any
// goroutine. Operator has the methods for tools of operators, and HandoverOf
// those for upgrades in place.
type Engine struct {
	cfg     Config
	stream  relay.Stream
	loop    relay.Loop
	runners runners
	budget  *relay.Budget
	checks  *lock.Semaphore // bounds the checks in progress

	commands command.Runner // hooks, restarts
	plans    plans

	sessions atomic.Uint64 // the number of the last one
	events   *eventlog.Log[Event]
	traces   *eventlog.Log[traceLine]
	ended    endedRing

	throttleMu sync.Mutex
	throttles  map[string]*throttle

	mu         sync.Mutex
	services   []*Service
	sockets    map[string]*socket   // by address; without those that were given
	draining   map[*socket]struct{} // closed to new clients, but not closed yet
	retiring   sync.WaitGroup       // services that a reload has removed, and slow kicks
	quit       chan struct{}        // closed when the last session has ended
	end        shutdown
	inherited  []InheritedSocket // not taken by a service yet
	tookOver   bool              // it has another engine's state; set before Start
	started    bool
	stopped    bool
	opened     bool
	openErr    error // of Open, final: the inherited and given sockets are closed
	handedOver bool  // another engine has its listeners

	remainingMu  sync.Mutex
	remaining    uint64 // the number of the last Remaining
	followMu     sync.Mutex
	predecessors map[string]*Remaining // by the name passed to Follow; "": the sum of those that have ended
}

// errNotRunning is the error before Start of what needs a running engine.
var errNotRunning = errors.New("proxy: the engine is not running")

// runsLocked returns why the engine does not run, or nil. The engine is locked.
func (e *Engine) runsLocked() error {
	switch {
	case e.stopped:
		return ErrClosed
	case !e.started:
		return errNotRunning
	}
	return nil
}

// New returns an engine for a configuration, or an error that names what is wrong
// with it. The engine opens nothing before Start.
func New(c Config) (*Engine, error) {
	e := &Engine{cfg: c, inherited: slices.Clone(c.InheritedSockets), throttles: map[string]*throttle{}, quit: make(chan struct{}),
		end: shutdown{now: make(chan struct{}), done: make(chan struct{})}, sockets: map[string]*socket{}, draining: map[*socket]struct{}{}}
	e.runners = runners{&e.stream, &e.loop}
	e.loop.Other = &e.stream
	write := e.logEvent
	if c.Log == nil {
		write = nil
	}
	e.events = eventlog.New(eventsKept, write)
	e.traces = eventlog.New(tracesKept, e.logTrace)
	d := NewDescriptors(c.MaxSessions)
	e.budget, e.checks = relay.NewBudget(d.Sessions), lock.NewSemaphore(d.Checks)
	all, err := c.complete()
	if err != nil {
		return nil, err
	}
	if found := c.CheckAddresses(); len(found) > 0 {
		return nil, fmt.Errorf("proxy: %w", found[0])
	}
	for _, sc := range all {
		e.services = append(e.services, newService(e, sc))
	}
	return e, nil
}

// complete returns the services with their defaults, or what is wrong with them.
func (c Config) complete() ([]ServiceConfig, error) {
	if found := c.Validate(); len(found) > 0 {
		return nil, fmt.Errorf("proxy: %w", found[0])
	}
	names := map[string]bool{}
	var all []ServiceConfig
	for _, sc := range c.Services {
		if found := sc.Validate(); len(found) > 0 {
			return nil, fmt.Errorf("proxy: service %.80q: %s%w", sc.Name, strings.TrimPrefix(found[0].Key+": ", ": "), found[0])
		}
		sc = sc.complete()
		if err := cmp.Or(goesWith("Scope", sc.Scope, "Cluster", sc.Cluster != nil), goesWith("Lock.Scope", sc.Lock.Scope, "Shared", sc.Shared != nil)); err != nil {
			return nil, fmt.Errorf("proxy: service %q: %w", sc.Name, err)
		}
		if names[sc.Name] {
			return nil, fmt.Errorf("proxy: two services are called %q", sc.Name)
		}
		names[sc.Name] = true
		all = append(all, sc)
	}
	return all, nil
}

// goesWith returns what is missing of a scope and its function, or nil.
func goesWith(key, scope, field string, set bool) error {
	switch {
	case scope == ScopeCluster && !set:
		return fmt.Errorf("%s is %q, and %s is nil; set it to what joins the service to others", key, scope, field)
	case scope != ScopeCluster && set:
		return fmt.Errorf("%s is set, and %s is %q; make that %q, or leave %s out", field, key, scope, ScopeCluster, field)
	}
	return nil
}

// Open opens all addresses, or none, and accepts no client yet. Start does so
// itself if Open was not called. After Open, the caller must call Close.
func (h Handover) Open() error {
	e := h.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.openLocked()
}

// openLocked is Open. The engine is locked.
func (e *Engine) openLocked() error {
	if e.stopped {
		return ErrClosed
	}
	if e.opened {
		return e.openErr
	}
	e.opened = true
	e.openErr = e.openServicesLocked()
	closeInherited(e.inherited)
	e.inherited = nil
	if e.openErr != nil {
		e.undoOpenLocked()
	}
	return e.openErr
}

// undoOpenLocked reverts Open. The engine is locked.
func (e *Engine) undoOpenLocked() {
	for _, s := range e.services {
		if s.listeners == nil {
			continue
		}
		s.listeners.closeLocked(e)
		s.queue.Do(func() { s.listeners = nil })
	}
	e.loop.Shutdown()
}

// Start opens all listeners, or none, and begins to serve. If it fails, later
// calls return the same error: create another engine.
func (e *Engine) Start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started && !e.stopped {
		return errors.New("proxy: started already")
	}
	if err := e.openLocked(); err != nil {
		return err
	}
	e.started = true
	for _, s := range e.services {
		s.start()
	}
	e.serveLocked(e.services)
	for _, s := range e.services {
		if s.listeners != nil {
			e.note(Event{Kind: EventService, Service: s.name, Text: fmt.Sprintf("%s listens on %s", s.name, strings.Join(s.listeners.addrs(), ", "))})
		}
	}
	return nil
}

// openServicesLocked opens every service that must be open.
func (e *Engine) openServicesLocked() error {
	for _, s := range e.services {
		if err := loadTLS(*s.config()); err != nil {
			return err
		}
		if s.run == relay.Runner(&e.loop) {
			if err := labelled(roleLoops, "", e.loop.Start); err != nil {
				return err
			}
		}
		if slices.Contains(e.cfg.Closed, s.name) {
			continue
		}
		f, err := e.openListenersLocked(s, *s.config())
		if err != nil {
			return err
		}
		s.queue.Do(func() { s.listeners = f }) // locked, as others may read it
	}
	return nil
}

func (e *Engine) all() []*Service {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.services)
}

// allInForce returns the services that are still configured.
func (e *Engine) allInForce() []*Service {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.services), func(s *Service) bool { return s.retired })
}

// Service returns the service with a name, or nil.
func (e *Engine) Service(name string) *Service {
	for _, s := range e.all() {
		if s.name == name {
			return s
		}
	}
	return nil
}
