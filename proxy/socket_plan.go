package proxy

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// socketPlan is how a reload moves sockets between services. Everything that can fail
// is done when it is made, and undone by cancel; move does the rest.
type socketPlan struct {
	engine    *Engine
	listeners map[*Service]*listenerSet
	opened    []*socket                   // newly opened
	moved     map[*socket]*relay.Listener // the new listener of a socket that moves
	sharers   map[*socket]*sharers        // the new sharers of sockets that move
	closing   []*socket                   // no longer wanted by any service
	wanted    map[string]bool             // keys
}

func (e *Engine) newSocketPlan() *socketPlan {
	return &socketPlan{engine: e, listeners: map[*Service]*listenerSet{}, moved: map[*socket]*relay.Listener{}, sharers: map[*socket]*sharers{}, wanted: map[string]bool{}}
}

// planSocketsLocked plans for all services of a configuration. A service closed by an
// operator opens nothing. The engine is locked.
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
	p.closing = slices.DeleteFunc(p.closing, p.uses) // without sockets that another service shares
	return p, nil
}

// uses reports whether a service will have the socket.
func (p *socketPlan) uses(sk *socket) bool {
	for _, f := range p.listeners {
		if slices.Contains(f.sockets, sk) {
			return true
		}
	}
	return false
}

// add plans for one service, which now has old.
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

// find returns the existing socket of a key, or one opened for another service that
// shares it, or nil.
func (p *socketPlan) find(key string) *socket {
	if i := slices.IndexFunc(p.opened, func(sk *socket) bool { return sk.key == key }); i >= 0 {
		return p.opened[i]
	}
	return p.engine.sockets[key]
}

// findGiven returns the socket at an address that was opened from outside and is
// shared, or nil.
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

// addGiven adds what was opened for the service from outside, and returns the addresses
// still to open. If these change, the sockets are requested again.
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
		if sk := p.findGiven(ln.Addr()); sk != nil && c.sharesBy() != "" { // given to the service before this one
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

// borrow gives an existing socket to the service. Another owner, runner or setup has
// another listener on it; services that share it have the same.
func (p *socketPlan) borrow(sk *socket, s *Service, c ServiceConfig) error {
	shares := c.sharesBy() != ""
	kept := sk.owner == s && s.run == p.engine.runner(c)
	switch {
	case shares && p.sharers[sk] != nil: // by the service before this one
		return nil
	case shares == (sk.sharers != nil) && (shares || kept) && (sk.l.Sock == c.Sock || sk.key == ""):
		return nil
	}
	l, err := sk.l.Dup(c.Sock)
	switch {
	case errors.Is(err, errors.ErrUnsupported) && sk.owner == s:
		return nil // it was given, is not a plain socket, and keeps its runner
	case err != nil:
		return err
	}
	p.moved[sk], p.sharers[sk] = l, p.engine.newSharers(s, &c)
	return nil
}

// cancel closes what the plan has opened. Clients that came to a socket beside another
// one are left to that.
func (p *socketPlan) cancel() {
	for _, sk := range p.opened {
		if sk.beside == nil {
			sk.closeUnserved()
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

// move stops accepting on all sockets that move; their clients wait in the backlog
// until they are served again.
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
