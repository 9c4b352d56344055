package proxy

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Handover is the interface of an engine to its successor: the process that
// replaces this one at an upgrade or after a restart. A program without in-place
// upgrades and saved state does not need it. It is a value, valid as long as the
// engine, and may be used by any goroutine.
type Handover struct{ engine *Engine }

// HandoverOf returns the Handover of an engine, for an upgrade or a restart.
func HandoverOf(e *Engine) Handover { return Handover{e} }

// InheritedSocket is a listening socket that passes from an engine to its
// successor in another process. Clients in the kernel's backlog come with it.
type InheritedSocket struct {
	Service string
	Addr    string // as in the configuration
	File    *os.File
}

// RemainingSessions is what an engine that has stopped listening still has of one
// service.
type RemainingSessions struct {
	Active   int            `json:"active"`             // admitted sessions, and slots that are not free yet
	Waiting  int            `json:"waiting"`            // clients accepted and not admitted
	Oldest   time.Time      `json:"oldest,omitzero"`    // when the first in the queue began to wait; zero: the queue is empty
	Backends map[string]int `json:"backends,omitempty"` // active sessions by backend
}

// Sockets returns a duplicate of each listening socket that the engine opened;
// the caller owns the files. Listeners that were passed to the engine are not
// included.
func (h Handover) Sockets() (sockets []InheritedSocket, err error) {
	e := h.engine
	given := map[*socket]bool{} // a shared socket is given only once
	for _, s := range e.all() {
		var f *listenerSet
		s.queue.View(func() { f = s.listeners })
		if f == nil {
			continue
		}
		for _, sk := range f.sockets {
			if sk.key == "" || given[sk] {
				continue
			}
			given[sk] = true
			file, err := sk.l.File()
			if err != nil {
				closeInherited(sockets)
				return nil, fmt.Errorf("proxy: %s: %w", s.name, err)
			}
			sockets = append(sockets, InheritedSocket{s.name, sk.asked, file})
		}
	}
	return sockets, nil
}

func closeInherited(sockets []InheritedSocket) {
	for _, d := range sockets {
		d.File.Close()
	}
}

// openInherited opens an address with its inherited socket, if there is one, from
// whatever service, unless the system has chosen the port.
func (e *Engine) openInherited(service, addr string, sock relay.Sock, beside []*relay.Listener) (l *relay.Listener, inherited bool, err error) {
	key := socketKeys(service, []string{addr})[0]
	i := slices.IndexFunc(e.inherited, func(d InheritedSocket) bool { return socketKeys(d.Service, []string{d.Addr})[0] == key })
	if i < 0 {
		l, err = relay.Listen(addr, sock, beside...)
		return l, false, err
	}
	f := e.inherited[i].File
	e.inherited = slices.Delete(e.inherited, i, i+1)
	defer f.Close()
	l, err = relay.Adopt(f, addr, sock)
	return l, true, err
}

// Ready returns nil if another engine can take over now, or an error that says
// why not. Pauses and plans cannot move to another process.
func (h Handover) Ready() error {
	e := h.engine
	for _, s := range e.all() {
		var err error
		s.queue.View(func() {
			switch {
			case s.pause.current != nil:
				err = fmt.Errorf("proxy: %s is paused by a %s of %s until %s", s.name, s.pause.current.by, s.pause.current.owner, clockTime(s.pause.current.until))
			case s.pause.releasingLocked():
				err = fmt.Errorf("proxy: %s is still admitting the clients that its pause held", s.name)
			}
		})
		if err != nil {
			return err
		}
	}
	return e.plans.none()
}

// HandoverState is what the engine of the next process needs to continue from
// this one.
type HandoverState struct {
	Saved    Saved                        `json:"saved"`
	Closed   []string                     `json:"closed"`   // services that an operator closed
	Up       map[string]map[string]string `json:"up"`       // addresses of the backends that are up, by service and name
	Sessions uint64                       `json:"sessions"` // number of session ids used so far
	Hooks    map[string]HooksState        `json:"hooks"`    // by service
	Past     Past                         `json:"past"`
	// Discovered is what sources found, by service, so that the next engine has it
	// before its first query.
	Discovered map[string][]Discovered `json:"discovered,omitempty"`
	// Ejected are the ejections in force, by service and backend.
	Ejected map[string]map[string]EjectionState `json:"ejected,omitempty"`
	// Predecessors are the processes whose counters are part of the sums, including
	// those that have ended, by their names in Follow.
	Predecessors map[string]Remaining `json:"predecessors"`
}

// HooksState is what the next engine needs to continue the hooks of a service.
type HooksState struct {
	Admitted int  `json:"admitted"`  // clients admitted so far
	AfterTTL bool `json:"after_ttl"` // before_next is due, regardless of Every
}

// Remaining is what an engine that has stopped listening still has, and its own
// counters.
type Remaining struct {
	Services map[string]RemainingSessions `json:"services"`
	Counters []ServiceInfo                `json:"counters,omitempty"` // only the counters are used; absent: unchanged
	Sessions uint64                       `json:"sessions,omitempty"` // number of session ids used so far
	Number   uint64                       `json:"number"`             // increases; the highest is the latest
	// CountersNumber is the Number with which Counters came first: they are sent less
	// often, and may be sent separately.
	CountersNumber uint64 `json:"counters_number,omitempty"`
}

// State returns the state of the engine now. self is the name that the next
// engine passes to Follow for this one.
func (h Handover) State(self string) HandoverState {
	e := h.engine
	state := HandoverState{Saved: h.Save(), Up: e.up(), Sessions: e.sessions.Load(), Hooks: map[string]HooksState{}, Past: h.Past(),
		Discovered: map[string][]Discovered{}, Ejected: map[string]map[string]EjectionState{}, Predecessors: map[string]Remaining{self: h.Remaining(true)}}
	for _, s := range e.allInForce() { // one that is being removed may have a successor of its name
		s.queue.View(func() {
			if s.stateLocked() == StateClosed {
				state.Closed = append(state.Closed, s.name)
			}
			if len(s.discovery.found) > 0 {
				state.Discovered[s.name] = slices.Collect(maps.Values(s.discovery.found))
			}
			if ejected := s.backends.ejectionsLocked(); len(ejected) > 0 {
				state.Ejected[s.name] = ejected
			}
			if s.hooks.admitted > 0 {
				state.Hooks[s.name] = HooksState{s.hooks.admitted, s.hooks.afterTTL}
			}
		})
	}
	e.followMu.Lock()
	defer e.followMu.Unlock()
	for name, r := range e.predecessors {
		state.Predecessors[name] = *r
	}
	return state
}

// TakeOver makes the engine continue from the state of another one, from Start
// on, and follow it. Call it once, after Open.
func (h Handover) TakeOver(state HandoverState) {
	e := h.engine
	e.tookOver = true
	e.sessions.Store(state.Sessions)
	h.Remember(state.Past)
	for _, s := range e.all() {
		s.queue.Update(func() { s.discovery.adoptLocked(state.Discovered[s.name]) })
	}
	h.Restore(state.Saved)
	for _, s := range e.all() {
		s.queue.Update(func() {
			for _, b := range s.backends.all {
				if addr, ok := state.Up[s.name][b.name]; ok && addr == b.addr {
					b.tracker.Add(true)
				}
			}
			s.backends.adoptEjectionsLocked(state.Ejected[s.name])
			s.hooks.admitted, s.hooks.afterTTL = state.Hooks[s.name].Admitted, state.Hooks[s.name].AfterTTL
		})
	}
	for name, r := range state.Predecessors {
		h.Follow(name, &r)
	}
}

// up returns the backends that are up.
func (e *Engine) up() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, s := range e.allInForce() {
		all[s.name] = map[string]string{}
		s.queue.View(func() {
			for _, b := range s.backends.all {
				if b.tracker.Up() && !b.removing {
					all[s.name][b.name] = b.addr
				}
			}
		})
	}
	return all
}

// StopListening accepts no more clients, because an engine in another process has
// the same sockets. Clients see no closed listener, and an open service still
// counts as open. Waiters and live sessions go on until Shutdown.
func (h Handover) StopListening() {
	e := h.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	e.handedOver = true
	for _, s := range e.services {
		f := s.listeners
		if f == nil {
			continue
		}
		for _, sk := range f.sockets {
			delete(e.sockets, sk.key)
			sk.l.CloseKeepFile()
			sk.sharers.close()
		}
		s.queue.Do(func() { s.handedOver = f })
		s.clearListenersLocked()
	}
}

// StartListening listens again after StopListening, if no other process took
// over, with the files that Sockets returned. The engine owns them.
func (h Handover) StartListening(sockets []InheritedSocket) error {
	e := h.engine
	e.mu.Lock()
	e.handedOver, e.inherited = false, sockets
	e.mu.Unlock()
	var all []error
	for _, s := range e.all() {
		var was *listenerSet
		s.queue.Do(func() {
			was, s.handedOver = s.handedOver, nil
			s.quiet.successor = nil
			s.quiet.updateLocked()
		})
		if was != nil {
			_, err := s.StartListening("", "upgrade")
			all = append(all, err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	closeInherited(e.inherited)
	e.inherited = nil
	return errors.Join(all...)
}

// Remaining returns what this engine alone still has of each service, and its
// counters if counters is true. Services of which nothing remains are left out.
func (h Handover) Remaining(counters bool) Remaining {
	e := h.engine
	e.remainingMu.Lock()
	defer e.remainingMu.Unlock()
	e.remaining++
	all := Remaining{Services: map[string]RemainingSessions{}, Sessions: e.sessions.Load(), Number: e.remaining}
	if counters {
		all.CountersNumber = all.Number
	}
	for _, s := range e.all() {
		var r RemainingSessions
		s.queue.View(func() { r = s.remainingLocked() })
		if r.Active != 0 || r.Waiting != 0 {
			sum := all.Services[s.name] // not empty if a reload has replaced the service
			sum.add(r)
			all.Services[s.name] = sum
		}
		if counters {
			all.Counters = append(all.Counters, s.ownInfo())
		}
	}
	return all
}

// keepLater takes from was what r lacks, or has from an earlier time: r may have been
// overtaken on another path.
func (r *Remaining) keepLater(was *Remaining) {
	if r.Number < was.Number {
		r.Services, r.Number = was.Services, was.Number
	}
	if r.Counters == nil || r.CountersNumber < was.CountersNumber {
		r.Counters, r.CountersNumber = was.Counters, was.CountersNumber
	}
}

// remainingLocked returns what the service still has in this process.
func (s *Service) remainingLocked() (r RemainingSessions) {
	r.Active = s.active - s.predecessors.Active + s.checking + len(s.hooks.ttl)
	for w := range s.queue.Waiters() {
		r.Oldest = w.Since()
		break
	}
	r.Backends = map[string]int{}
	for _, b := range s.backends.all {
		r.Backends[b.name] += b.active // several may have the name, if all but one are being removed
	}
	for name, n := range s.predecessors.Backends {
		r.Backends[name] -= n
	}
	maps.DeleteFunc(r.Backends, func(_ string, n int) bool { return n <= 0 })
	c := s.config()
	if c.Lock.Slots == 0 && c.MaxSessions == 0 && !slices.ContainsFunc(s.backends.all, func(b *Backend) bool { return b.cfg.MaxSessions > 0 }) {
		r.Waiting = s.queue.Waiting()
		return r
	}
	// A client in its handshake will also wait in the queue, and then take a slot that
	// the other engine must not give away; and what a hook prepares is for a client
	// that waits here.
	for sess := range s.live.all() {
		if sess.backend == nil {
			r.Waiting++
		}
	}
	if s.hooks.running != "" {
		r.Waiting = max(r.Waiting, 1)
	}
	return r
}

// Follow tells the engine what another engine, whose sockets it has, still has of
// its services; nil means that the other engine has ended. The sessions of the
// other engine count here, so that no more sessions than slots reach a backend
// and no hook runs beside a client that is still served. As long as clients wait
// there, none is admitted here, because those came first. The counters of the
// other engine are part of this one's, even after its end. Call Follow whenever
// any of this changes.
func (h Handover) Follow(name string, now *Remaining) {
	e := h.engine
	e.followMu.Lock()
	defer e.followMu.Unlock()
	if e.predecessors == nil {
		e.predecessors = map[string]*Remaining{"": {}}
	}
	was := e.predecessors[name]
	if now == nil {
		if was == nil {
			return
		}
		delete(e.predecessors, name)
		ended := e.predecessors[""]
		ended.Counters = sumOf(ended, was)
	} else {
		next := *now
		if was != nil {
			next.keepLater(was)
		}
		e.predecessors[name] = &next
		for n := e.sessions.Load(); next.Sessions > n && !e.sessions.CompareAndSwap(n, next.Sessions); {
			n = e.sessions.Load() // the other engine has used these numbers, even if it ends soon
		}
	}
	var counted map[string]*ServiceInfo
	if now == nil || now.Counters != nil {
		counted = countersByName(sumOf(slices.Collect(maps.Values(e.predecessors))...))
	}
	current := map[string]*Service{}
	for _, s := range e.allInForce() {
		current[s.name] = s
	}
	for _, s := range e.all() {
		var rest RemainingSessions
		if c := current[s.name]; c == nil || c == s { // otherwise they count for the successor of its name
			for _, p := range e.predecessors {
				rest.add(p.Services[s.name])
			}
		}
		s.queue.Update(func() {
			s.predecessors.followLocked(rest)
			if c := counted[s.name]; c != nil {
				s.stats.inherited = *c
			}
		})
	}
}

// Predecessor returns the last argument of Follow for a name; zero if there was
// none.
func (h Handover) Predecessor(name string) Remaining {
	e := h.engine
	e.followMu.Lock()
	defer e.followMu.Unlock()
	if r := e.predecessors[name]; r != nil {
		return *r
	}
	return Remaining{}
}

// Idle reports whether the engine has no clients.
func (h Handover) Idle() bool { return h.engine.budget.Used() == 0 }

// add adds the sessions of another process.
func (r *RemainingSessions) add(o RemainingSessions) {
	r.Active += o.Active
	r.Waiting += o.Waiting
	if r.Oldest.IsZero() || !o.Oldest.IsZero() && o.Oldest.Before(r.Oldest) {
		r.Oldest = o.Oldest
	}
	for name, n := range o.Backends {
		if r.Backends == nil {
			r.Backends = map[string]int{}
		}
		r.Backends[name] += n
	}
}

// activated returns the listeners that were opened for a service from outside.
func (e *Engine) activated(name string, listen []string) (given []net.Listener, rest []string, err error) {
	if e.cfg.Activated == nil || len(listen) == 0 {
		return nil, listen, nil
	}
	return e.cfg.Activated(name, listen)
}

// predecessorState is what the previous processes still have of a service; it counts
// here as if it were this one's. It is guarded by the service's queue.
type predecessorState struct {
	service *Service
	RemainingSessions
}

// cutLocked requests that the predecessors cut their sessions of a service, or of one
// of its backends.
func (ps *predecessorState) cutLocked(b *Backend, reason Reason) {
	s := ps.service
	f := s.engine.cfg.CutPredecessors
	if f == nil || ps.Active == 0 {
		return
	}
	name := ""
	if b != nil {
		name = b.name
	}
	s.working.Go(func() { f(s.name, name, string(reason)) })
}

// ownLocked returns how many sessions of this process the backend has: those of
// predecessors count for the first backend of its name.
func (b *Backend) ownLocked() int {
	all := b.service.backends.all
	if i := slices.IndexFunc(all, func(o *Backend) bool { return o.name == b.name }); i < 0 || all[i] != b {
		return b.active
	}
	return b.active - b.service.predecessors.Backends[b.name]
}

// followLocked applies the difference to the counts.
func (ps *predecessorState) followLocked(now RemainingSessions) {
	s, was := ps.service, ps.RemainingSessions
	ps.RemainingSessions = now
	s.active += now.Active - was.Active
	counted := map[string]bool{}
	for _, b := range slices.Clone(s.backends.all) { // one that is being removed goes with its last session
		if counted[b.name] { // a successor of the same name: the first has these sessions
			continue
		}
		counted[b.name] = true
		before := b.active
		b.active += now.Backends[b.name] - was.Backends[b.name]
		if before > 0 && b.active == 0 && b.admin() != AdminReady {
			s.backends.emptiedLocked(b)
		}
	}
	s.pause.settleLocked()
}

func countersByName(all []ServiceInfo) map[string]*ServiceInfo {
	m := make(map[string]*ServiceInfo, len(all))
	for i := range all {
		m[all[i].Name] = &all[i]
	}
	return m
}
