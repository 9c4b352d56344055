package proxy

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/internal/balance"
	"github.com/tcpctl/tcpctl/proxy/relay"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Apply changes the configuration of the engine, and returns a sentence for each
// change. It applies everything or nothing: if an address cannot be opened, it
// returns an error and the old configuration stays in force. No waiter, session,
// pause, plan or admin state is lost; a removed service serves its waiters and
// ends (rule 22). It fails before Start, and with ErrClosed after Shutdown or Close.
func (e *Engine) Apply(c Config) (changes []string, err error) {
	all, err := c.complete()
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(e.checkLive(all), loadTLS(all...)); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.runsLocked(); err != nil {
		return nil, err
	}
	services, err := e.servicesLocked(all)
	if err != nil {
		return nil, err
	}
	// Open first what is new: only that can fail.
	plan, err := e.planSocketsLocked(services, all)
	if err != nil {
		return nil, err
	}
	plan.move()
	for i, s := range services {
		if !s.started {
			s.listeners = plan.listeners[s]
			s.start()
			changes = append(changes, fmt.Sprintf("service %s is new, on %s", s.name, strings.Join(s.listeners.addrs(), ", ")))
		} else if what := s.apply(all[i], plan.listeners[s]); len(what) > 0 {
			changes = append(changes, fmt.Sprintf("service %s: %s", s.name, strings.Join(what, "; ")))
		}
	}
	e.serveLocked(services)
	ends := e.drainLocked(plan.closing)
	for _, old := range e.services {
		if slices.Contains(services, old) {
			continue
		}
		if !old.retired {
			changes = append(changes, goneText(old))
		}
		services = append(services, old)
		e.retireLocked(old)
	}
	awaitDrain(ends)
	e.services = services
	e.budget.SetMax(NewDescriptors(c.MaxSessions).Sessions)
	return changes, nil
}

// goneText says that a configuration no longer has a service.
func goneText(s *Service) string {
	active := 0
	s.queue.View(func() { active = s.active })
	return fmt.Sprintf("service %s is gone: %s and %s continue to their end", s.name,
		text.Plural(active, "session"), text.Plural(s.queue.Len(), "waiting client"))
}

// servicesLocked returns the services of a configuration, including new ones, and
// starts the loops that they need.
func (e *Engine) servicesLocked(all []ServiceConfig) (services []*Service, err error) {
	for _, sc := range all {
		s := e.findLocked(sc.Name)
		if s == nil {
			s = newService(e, sc)
		}
		services = append(services, s)
		if e.runner(sc) == relay.Runner(&e.loop) {
			if err := labelled(roleLoops, "", e.loop.Start); err != nil {
				return nil, err
			}
		}
	}
	return services, nil
}

func (e *Engine) findLocked(name string) *Service {
	for _, s := range e.services {
		if s.name == name && !s.retired {
			return s
		}
	}
	return nil
}

// retireLocked closes a service that is gone, and forgets it once it is empty.
func (e *Engine) retireLocked(s *Service) {
	if s.retired {
		return
	}
	s.retired = true
	s.ends.Store(true)
	if s.listeners != nil {
		// Its addresses are already drained or taken by another service.
		e.drainLocked(e.unshareLocked(s, slices.DeleteFunc(slices.Clone(s.listeners.sockets), func(sk *socket) bool { return sk.key != "" })))
		s.clearListenersLocked()
	}
	s.queue.Update(func() {
		if s.pause.current != nil && !s.pause.current.ofWindow() {
			s.pause.resumeLocked("", 0) // the operator has removed the service
		}
		s.quiet.retired = true
		s.quiet.updateLocked()
	})
	s.engine.retiring.Go(func() { e.forget(s) })
}

// forget waits for the end of a service that is gone.
func (e *Engine) forget(s *Service) {
	label(roleRetire, s.name, "")
	for empty := false; !empty; {
		select {
		case <-s.ctx.Done():
			return // the engine has ended it
		case <-time.After(20 * time.Millisecond):
		}
		// A client that is just arriving is counted in arriving before it is live.
		empty = s.arriving.Load() == 0
		s.queue.View(func() { empty = empty && s.live.empty() && s.active == 0 && s.draining == 0 })
	}
	e.mu.Lock()
	stopped := e.stopped
	if !stopped {
		e.services = slices.DeleteFunc(e.services, func(o *Service) bool { return o == s })
	}
	e.mu.Unlock()
	if stopped {
		return // Shutdown finishes all listed services
	}
	s.finish()
	e.note(Event{Kind: EventService, Service: s.name, Text: s.name + " is gone: its last client has been served"})
}

// apply changes the service in place, and returns the changes. f is its new set of
// sockets, nil if an operator has closed it.
func (s *Service) apply(c ServiceConfig, f *listenerSet) (changes []string) {
	old := *s.config()
	if p := old.Protocol; p != nil {
		if c.Protocol != nil && c.Protocol.Same(p) {
			c.Protocol = p
		} else {
			defer p.Close()
		}
	}
	s.queue.Update(func() {
		old = *s.config() // a source may have found other backends meanwhile
		c = s.discovery.reloadedLocked(c)
		changes = append(changes, differences(old, c)...)
		s.cfg.Store(&c)
		if c.Balance != old.Balance {
			s.backends.policy = balance.New(c.Balance)
		}
		changes = append(changes, s.backends.applyLocked(old, c, "reload")...)
		if !reflect.DeepEqual(old.Hooks, c.Hooks) {
			s.hooks.configuredLocked()
		}
		changes = append(changes, s.listeners.differences(f)...)
		s.listeners, s.run = f, s.engine.runner(c)
		s.servingChangedLocked()
	})
	s.queue.SetMax(max(c.Queue.Max, 0))
	return changes
}

// differences returns which addresses come and go.
func (f *listenerSet) differences(now *listenerSet) (changes []string) {
	if f == nil || now == nil {
		return nil
	}
	was, is := f.addrs(), now.addrs()
	for _, addr := range was {
		if !slices.Contains(is, addr) {
			changes = append(changes, "no longer on "+addr)
		}
	}
	for _, addr := range is {
		if !slices.Contains(was, addr) {
			changes = append(changes, "also on "+addr)
		}
	}
	return changes
}

// applyLocked adds, removes and changes backends by their names. by is who asks for it:
// a reload, or the kind of a source.
func (bs *backendSet) applyLocked(old, c ServiceConfig, by string) (changes []string) {
	s := bs.service
	recheck := old.Check.Type != c.Check.Type && (old.Check.Type == health.None || c.Check.Type == health.None)
	for _, b := range bs.all { // operators' too
		b.tracker.Rise, b.tracker.Fall = c.Check.Rise, c.Check.Fall
		if recheck && !b.removing {
			b.stopChecks()
			b.tracker.Reset()
			b.evidence.forget()
			b.ejection.forget()
			b.startChecksLocked()
		}
		if old.Check.Type != c.Check.Type {
			b.checks.Request() // a passive backend waits for a request
		}
	}
	inFile := map[string]bool{}
	for _, bc := range c.Backends {
		inFile[bc.Name] = true
		b := bs.byNameLocked(bc.Name)
		if (b == nil || b.added) && slices.ContainsFunc(old.Backends, func(was BackendConfig) bool { return reflect.DeepEqual(was, bc) }) {
			continue // an operator has removed it, and the file has not changed it
		}
		if s.discovery.withheldLocked(b, bc, old) {
			continue
		}
		if b == nil {
			b = s.discovery.returnedLocked(bc)
		}
		if b != nil && b.cfg.Addr != bc.Addr {
			changes = append(changes, fmt.Sprintf("backend %s moves to %s", b.name, bc.Addr))
			b = bs.moveLocked(b, bc)
		} else if b == nil {
			changes = append(changes, "backend "+bc.Name+" is new")
			b = newBackend(s, bc)
			bs.all = append(bs.all, b)
			b.startChecksLocked()
			s.discovery.recallLocked(bc.Name)
			continue
		}
		changes = append(changes, b.applyLocked(bc)...)
	}
	for _, b := range slices.Clone(bs.all) {
		if !inFile[b.name] && !b.added && !b.removing {
			changes = append(changes, "backend "+b.name+" drains and is removed")
			b.retireLocked(by)
		}
	}
	return changes
}

// moveLocked adds a new backend at another address, with what operators have set; the
// old one drains.
func (bs *backendSet) moveLocked(old *Backend, c BackendConfig) *Backend {
	s := bs.service
	b := newBackend(s, c)
	b.cfg.Weight, b.weight = old.cfg.Weight, old.weight
	bs.all = append(bs.all, b)
	if h := old.holds[holdOperator]; h != nil {
		b.setHoldLocked(holdOperator, &hold{state: h.state, by: h.by, reason: h.reason, since: h.since, then: ThenKeep, emptyNoted: true})
	}
	old.retireLocked(cmp.Or(c.FoundBy, "reload"))
	b.startChecksLocked()
	return b
}

// applyLocked applies the file's values to a backend. A weight set by an operator
// stays, unless the file has changed it since (rule 13).
func (b *Backend) applyLocked(c BackendConfig) (changes []string) {
	was := b.cfg
	b.reloadTLSLocked(was.TLS, c.TLS)
	b.cfg, b.priority, b.added = c, c.Priority, false
	if keep := c.FoundBy != "" && b.weight != was.Weight; c.Weight != was.Weight && !keep {
		text := fmt.Sprintf("weight of %s: %d, was %d", b.name, c.Weight, b.weight)
		if b.weight != was.Weight {
			text += " (an operator's: the file wins)"
			b.service.engine.note(Event{Kind: EventAdmin, Level: LevelWarn, Service: b.service.name, Backend: b.name, Text: text})
		}
		b.weight = c.Weight
		changes = append(changes, text)
	}
	b.service.cluster.adoptLocked(b)
	was.Weight = c.Weight
	if !reflect.DeepEqual(was, c) {
		changes = append(changes, "backend "+b.name+" changes")
	}
	return changes
}

// retireLocked drains a backend that the file no longer has, and then forgets it.
func (b *Backend) retireLocked(by string) {
	b.service.discovery.rememberLocked(b)
	b.removing, b.retired = true, true
	if h := b.holds[holdOperator]; h != nil {
		h.until = nil // the abort of that drain does not bring it back
	} else {
		b.setHoldLocked(holdOperator, &hold{state: AdminDrain, by: by, retire: true, since: b.since, then: ThenKeep, startedWith: b.active})
	}
	b.service.backends.forgetEmptyLocked(b)
}

// differences returns the names of a service's fields that a reload changes, except
// listen and backends.
func differences(old, now ServiceConfig) (names []string) {
	a, b := reflect.ValueOf(old), reflect.ValueOf(now)
	for i := range a.NumField() {
		name := a.Type().Field(i).Name
		switch name {
		case "Listen", "Listeners", "Backends", "Dial", "Shared", "Cluster", "TLS", "AllowList", "DenyList":
			continue
		case "Protocol":
			if old.Protocol != now.Protocol {
				names = append(names, strings.ToLower(name)+" changes")
			}
			continue
		}
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			names = append(names, strings.ToLower(name)+" changes")
		}
	}
	return names
}
