package discover

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/tcpctl/tcpctl/proxy"
)

// Manager asks the sources of an engine's services, and gives the engine what
// they find. Make it with NewManager, and end it with Close.
type Manager struct {
	engine *proxy.Engine
	keep   *keeper // nil: sets are not saved

	mu       sync.Mutex
	watchers map[key]*running
	closed   bool
}

type key struct{ service, source string }

// running is a watcher with its goroutine.
type running struct {
	*watcher
	stop context.CancelFunc
}

// NewManager makes a Manager that asks nothing yet, and keeps nothing.
func NewManager(e *proxy.Engine) *Manager {
	return &Manager{engine: e, watchers: map[key]*running{}}
}

// Set makes the sources those of specs, by service, of which the engine has
// been told already (ServiceConfig.Discover). What is as it was goes on
// undisturbed; what has changed begins with the set that is in force. It waits
// until those that are no more have ended. An error is the first source's that
// cannot be asked; the others are.
func (m *Manager) Set(specs map[string][]Spec) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	want := map[key]Spec{}
	for service, all := range specs {
		for _, s := range all {
			want[key{service, s.Name}] = s
		}
	}
	m.endLocked(func(k key, w *running) bool {
		s, stays := want[k]
		return !stays || !reflect.DeepEqual(s, w.spec)
	})
	m.keep.only(want)
	for k, s := range want {
		if m.watchers[k] == nil {
			if failed := m.startLocked(k, s); failed != nil && err == nil {
				err = fmt.Errorf("%s: %s: %w", k.service, s.From, failed)
			}
		}
	}
	return err
}

// Close ends all sources and waits for them. What they have found stays.
func (m *Manager) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.endLocked(func(key, *running) bool { return true })
}

// endLocked ends the watchers for which the function returns true, all at once.
func (m *Manager) endLocked(which func(key, *running) bool) {
	var ended []*running
	for k, w := range m.watchers {
		if which(k, w) {
			w.stop()
			ended = append(ended, w)
			delete(m.watchers, k)
		}
	}
	for _, w := range ended {
		<-w.done
	}
}

func (m *Manager) startLocked(k key, s Spec) error {
	svc := m.engine.Service(k.service)
	if svc == nil {
		return fmt.Errorf("there is no such service")
	}
	src, err := s.open(k.service)
	if err != nil {
		return err
	}
	w := &watcher{spec: s, src: src, set: inForce(svc.Discovered(k.source)), done: make(chan struct{})}
	w.check, w.busy = svc.CheckAdded, svc.UnderMaintenance
	w.publish = func(set Set, events []Event) {
		publish(m.engine, svc, &s, set, events)
		m.keep.put(k, &s, &set)
	}
	ctx, stop := context.WithCancel(context.Background())
	m.watchers[k] = &running{w, stop}
	go w.run(ctx)
	return nil
}

// inForce returns the set that the engine has of a source: from before a reload that changed the
// query, or from the process before an upgrade.
func inForce(d proxy.Discovered) (s Set) {
	s.Failures = d.Source.Failures
	if d.Source.At == nil {
		return s
	}
	s.At = *d.Source.At
	for _, b := range d.Backends {
		b.Weight = cmp.Or(b.Weight, -1) // none: 0 would become the default
		s.Backends = append(s.Backends, b)
	}
	return s
}

// publish passes the set in force to the engine, and adds the events.
func publish(e *proxy.Engine, svc *proxy.Service, s *Spec, set Set, events []Event) {
	for _, ev := range events {
		e.Operator().Note(ev.note(svc.Name(), s))
	}
	svc.SetDiscovered(proxy.Discovered{Source: set.info(s), Backends: set.Backends})
}

func (s *Set) info(spec *Spec) proxy.DiscoveryInfo {
	i := proxy.DiscoveryInfo{DiscoverySource: proxy.DiscoverySource{Name: spec.Name, Kind: spec.Kind(), From: spec.Asked()}, Error: s.Failure, Failures: s.Failures}
	if at := s.At; !at.IsZero() {
		i.At = &at
	}
	if at := s.Failing; s.Failure != "" {
		i.Failing = &at
	}
	if s.Held != nil {
		i.Held = &proxy.DiscoveryHeld{Missing: s.Held.Names(), Until: s.Held.Until}
	}
	return i
}

// note converts the event for the engine's time line.
func (ev *Event) note(service string, s *Spec) proxy.Event {
	n := proxy.Event{Kind: proxy.EventDiscovery, Level: proxy.LevelInfo, Service: service,
		Text: fmt.Sprintf("%s: %s %s %s", service, s.Kind(), s.Asked(), ev.Text)}
	switch ev.Kind {
	case Holding:
		n.Kind, n.Level = proxy.EventHeld, proxy.LevelAlarm
	case Failed:
		n.Kind, n.Level = proxy.EventNoAnswer, proxy.LevelWarn
	case Recovered, Released:
		n.Level = proxy.LevelGood
	}
	return n
}
