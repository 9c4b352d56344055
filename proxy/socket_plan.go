package proxy

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// socketPlan is how a reload moves sockets between services. All that can fail
// is done while it is made, and taken back by cancel; move moves the rest.
type socketPlan struct {
	engine    *Engine
	listeners map[*Service]*listenerSet
	opened    []*socket                   // that there were not before
	moved     map[*socket]*relay.Listener // what serves a socket that moves from then on
	sharers   map[*socket]*sharers        // of those that move: who share them from then on
	closing   []*socket                   // that no service wants any more
	wanted    map[string]bool             // keys
}

func (e *Engine) newSocketPlan() *socketPlan {
	return &socketPlan{engine: e, listeners: map[*Service]*listenerSet{}, moved: map[*socket]*relay.Listener{}, sharers: map[*socket]*sharers{}, wanted: map[string]bool{}}
}

// planSocketsLocked plans for all services of a configuration. A service that
// an operator has closed opens nothing. The engine is locked.
func (e *Engine) planSocketsLocked(services []*Service, configs []ServiceConfig) (*socketPlan, error) {
	p := e.newSocketPlan()
	for i, s := range services {
		if s.listeners != nil || !s.started {
			for _, key := range socketKeys(s.name, configs[i].Listen) {
				p.wanted[key] = true
			}
		}
	}
	for key, sk := range e.sockets {
		if !p.wanted[key] {
			p.closing = append(p.closing, sk)
		}
	}
	for i, s := range services {
		if s.listeners == nil && s.started {
			continue
		}
		if err := p.add(s, configs[i], s.listeners); err != nil {
			p.cancel()
			return nil, err
		}
	}
	p.closing = slices.DeleteFunc(p.closing, p.uses) // one that another service shares
	return p, nil
}

// uses says whether a service has the socket from then on.
func (p *socketPlan) uses(sk *socket) bool {
	for _, f := range p.listeners {
		if slices.Contains(f.sockets, sk) {
			return true
		}
	}
	return false
}

// add plans for one service, which has old now.
func (p *socketPlan) add(s *Service, c ServiceConfig, old *listenerSet) error {
	f := &listenerSet{}
	p.listeners[s] = f
	fail := func(err error) error { return fmt.Errorf("proxy: service %q: %w", s.name, err) }
	rest, err := p.addGiven(s, c, old, f)
	if err != nil {
		return fail(err)
	}
	keys := socketKeys(s.name, c.Listen)
	for i, asked := range c.Listen {
		if !slices.Contains(rest, asked) {
			continue
		}
		sk := p.find(keys[i])
		if sk == nil {
			if sk, err = p.engine.openSocketLocked(s, &c, keys[i], asked, p.closing); err != nil {
				return fail(err)
			}
			p.opened = append(p.opened, sk)
		} else if err := p.borrow(sk, s, c); err != nil {
			return fail(err)
		}
		f.sockets = append(f.sockets, sk)
	}
	return nil
}

// find gives the socket of a key that there is, or that was opened for another
// service that shares it; nil: there is none.
func (p *socketPlan) find(key string) *socket {
	if i := slices.IndexFunc(p.opened, func(sk *socket) bool { return sk.key == key }); i >= 0 {
		return p.opened[i]
	}
	return p.engine.sockets[key]
}

// findGiven gives the socket that services share at an address, of those that were
// opened from outside; nil: there is none.
func (p *socketPlan) findGiven(at net.Addr) *socket {
	all := slices.Clone(p.opened)
	for _, s := range p.engine.services {
		if s.listeners != nil {
			all = append(all, s.listeners.sockets...)
		}
	}
	i := slices.IndexFunc(all, func(sk *socket) bool { return sk.given && sk.sharers != nil && sk.l.Addr().String() == at.String() })
	if i < 0 {
		return nil
	}
	return all[i]
}

// addGiven adds what was opened for the service from outside, and gives the
// addresses that are left to open. It is asked for again when these change.
func (p *socketPlan) addGiven(s *Service, c ServiceConfig, old *listenerSet, f *listenerSet) (rest []string, err error) {
	var given []net.Listener
	same := old != nil && slices.Equal(c.Listen, s.config().Listen)
	if old == nil {
		for _, ln := range c.Listeners {
			f.sockets = append(f.sockets, &socket{owner: s, l: relay.NewListener(ln), sharers: p.engine.newSharers(s, &c)})
		}
	} else {
		for _, sk := range old.sockets {
			switch {
			case sk.key != "":
			case sk.given && !same:
				p.closing = append(p.closing, sk)
			default:
				if err := p.borrow(sk, s, c); err != nil {
					return nil, err
				}
				f.sockets = append(f.sockets, sk)
			}
		}
	}
	if same {
		f.claimed = old.claimed
		rest = slices.DeleteFunc(slices.Clone(c.Listen), func(addr string) bool { return slices.Contains(old.claimed, addr) })
		return rest, nil
	}
	given, rest, err = p.engine.activated(s.name, c.Listen)
	if err != nil {
		return nil, err
	}
	for _, ln := range given {
		if sk := p.findGiven(ln.Addr()); sk != nil && c.sharesBy() != "" { // to the one before it
			ln.Close()
			f.sockets = append(f.sockets, sk)
			continue
		}
		sk := &socket{given: true, owner: s, l: relay.NewListener(ln), sharers: p.engine.newSharers(s, &c)}
		sk.l.Sock = c.Sock
		p.opened = append(p.opened, sk)
		f.sockets = append(f.sockets, sk)
	}
	f.claimed = slices.DeleteFunc(slices.Clone(c.Listen), func(addr string) bool { return slices.Contains(rest, addr) })
	return rest, nil
}

// borrow lets the service have a socket that there is. Another owner, runner
// or setup has another listener on it; services that share it have one.
func (p *socketPlan) borrow(sk *socket, s *Service, c ServiceConfig) error {
	shares := c.sharesBy() != ""
	kept := sk.owner == s && s.run == p.engine.runner(c)
	switch {
	case shares && p.sharers[sk] != nil: // by the one before it
		return nil
	case shares == (sk.sharers != nil) && (shares || kept) && (sk.l.Sock == c.Sock || sk.key == ""):
		return nil
	}
	l, err := sk.l.Dup(c.Sock)
	switch {
	case errors.Is(err, errors.ErrUnsupported) && sk.owner == s:
		return nil // it was given, is no plain socket, and keeps its runner
	case err != nil:
		return err
	}
	p.moved[sk], p.sharers[sk] = l, p.engine.newSharers(s, &c)
	return nil
}

// cancel closes what the plan has opened. Clients may have come to a socket
// that was opened beside another one: they are that one's.
func (p *socketPlan) cancel() {
	for _, sk := range p.opened {
		if sk.beside == nil {
			sk.l.Close()
			sk.sharers.close()
			continue
		}
		sk.sharers.close()
		sk.owner, sk.sharers = sk.beside.owner, sk.beside.sharers
		sk.serve()
		p.engine.drainLocked([]*socket{sk})
	}
	for sk, l := range p.moved {
		l.Close()
		p.sharers[sk].close()
	}
}

// move ends accepting on all sockets that move; their clients wait in the
// kernel until they are served again.
func (p *socketPlan) move() {
	for sk, l := range p.moved {
		l.TakeFile(sk.l)
		sk.l.Close()
		sk.sharers.close()
		sk.l, sk.sharers = l, p.sharers[sk]
	}
	for _, f := range p.listeners {
		for _, sk := range f.sockets {
			if sk.key != "" {
				p.engine.sockets[sk.key] = sk
			}
		}
	}
}
