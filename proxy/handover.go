package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Door is a listening socket on its way from an engine to one in another
// process that takes its place. Clients in the kernel's backlog come with it.
type Door struct {
	Service string
	Addr    string // as the configuration has it
	File    *os.File
}

// Rest is what an engine that has left its doors still has of one service.
type Rest struct {
	Active   int            `json:"active"`             // admitted, and slots that are not free yet
	Waiting  int            `json:"waiting"`            // accepted and not admitted
	Backends map[string]int `json:"backends,omitempty"` // the active of each
}

func (r *Rest) empty() bool { return r.Active == 0 && r.Waiting == 0 }

// Doors gives another descriptor of each socket that the engine has opened,
// which the caller owns, and the names of services that are closed. What was
// given to the engine is not among them: the giver can give it again.
func (e *Engine) Doors() (doors []Door, closed []string, err error) {
	for _, s := range e.all() {
		var f *front
		s.queue.View(func() { f = s.front })
		if f == nil {
			closed = append(closed, s.name)
			continue
		}
		for _, sk := range f.sockets {
			if sk.key == "" {
				continue
			}
			file, err := sk.l.File()
			if err != nil {
				closeDoors(doors)
				return nil, nil, fmt.Errorf("proxy: %s: %w", s.name, err)
			}
			doors = append(doors, Door{s.name, sk.asked, file})
		}
	}
	return doors, closed, nil
}

func closeDoors(doors []Door) {
	for _, d := range doors {
		d.File.Close()
	}
}

// takeDoor opens an address by the door of it, if one was given: by whom it
// was served does not matter, unless the system has chosen its port.
func (e *Engine) takeDoor(service, addr string, sock relay.Sock, beside []*relay.Listener) (*relay.Listener, error) {
	key := socketKeys(service, []string{addr})[0]
	i := slices.IndexFunc(e.doors, func(d Door) bool { return socketKeys(d.Service, []string{d.Addr})[0] == key })
	if i < 0 {
		return relay.Listen(addr, sock, beside...)
	}
	f := e.doors[i].File
	e.doors = slices.Delete(e.doors, i, i+1)
	defer f.Close()
	return relay.Adopt(f, addr, sock)
}

// Movable says why the engine cannot be followed by another now; nil: it can.
// Pauses and plans live in one process.
func (e *Engine) Movable() error {
	for _, s := range e.all() {
		var err error
		s.queue.View(func() {
			switch {
			case s.pause != nil:
				err = fmt.Errorf("proxy: %s is paused by a %s of %s until %s", s.name, s.pause.by, s.pause.owner, clockTime(s.pause.until))
			case s.releasing():
				err = fmt.Errorf("proxy: %s still lets those through who were held", s.name)
			case !s.elsewhere.empty():
				err = fmt.Errorf("proxy: the process before this one still has %s and %s of %s",
					plural(s.elsewhere.Active, "session"), plural(s.elsewhere.Waiting, "waiting client"), s.name)
			}
		})
		if err != nil {
			return err
		}
	}
	return e.plans.none()
}

// Up are the backends that are up, for an engine that follows.
func (e *Engine) Up() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, s := range e.all() {
		all[s.name] = map[string]string{}
		s.queue.View(func() {
			for _, b := range s.backends {
				if b.judge.Up() {
					all[s.name][b.name] = b.addr
				}
			}
		})
	}
	return all
}

// Leave stops listening, for an engine in another process that has the same
// sockets; nothing is closed for clients. Waiters and live sessions go on
// until Shutdown. Return opens the doors again of the services that were left.
func (e *Engine) Leave() (left []*Service) {
	e.mu.Lock()
	e.left = true
	defer e.mu.Unlock()
	for _, s := range e.services {
		if s.front == nil {
			continue
		}
		for _, sk := range s.front.sockets {
			delete(e.sockets, sk.key)
			sk.l.Leave()
		}
		s.takeFront()
		left = append(left, s)
	}
	return left
}

// Return listens again after Leave, since nobody has come.
func (e *Engine) Return(left []*Service) error {
	e.mu.Lock()
	e.left = false
	e.mu.Unlock()
	var all []error
	for _, s := range left {
		_, err := s.OpenFront("", "upgrade")
		all = append(all, err)
	}
	return errors.Join(all...)
}

// Rest is what there still is of each service after Leave; those of which
// nothing is left are not in it.
func (e *Engine) Rest() map[string]Rest {
	all := map[string]Rest{}
	for _, s := range e.all() {
		var r Rest
		s.queue.View(func() {
			r.Active = s.active + s.checking + len(s.hooks.ttl)
			r.Backends = map[string]int{}
			for _, b := range s.backends {
				if b.active > 0 {
					r.Backends[b.name] = b.active
				}
			}
			if !s.bounded() {
				r.Waiting = s.queue.Waiting()
				return
			}
			// Who is still being greeted will stand in the queue, too, and then
			// take what the other engine must not have given away.
			for sess := range s.live.all() {
				if sess.backend == nil {
					r.Waiting++
				}
			}
		})
		if !r.empty() {
			all[s.name] = r
		}
	}
	return all
}

// bounded says whether only so many may be admitted. The queue is locked.
func (s *Service) bounded() bool {
	c := s.config()
	return c.Lock.Slots > 0 || c.MaxSessions > 0 || slices.ContainsFunc(s.backends, func(b *Backend) bool { return b.cfg.MaxSessions > 0 })
}

// Follow tells the engine what another one, whose doors it has, still has of
// their services. That counts here as if it were our own, so that no more
// sessions than slots reach a backend and nothing begins beside a client that
// is still served; and as long as somebody waits there, nobody is let in here:
// he came first. Call it whenever that has changed; nil is nothing any more.
func (e *Engine) Follow(all map[string]Rest) {
	for _, s := range e.all() {
		s.queue.Update(func() { s.follow(all[s.name]) })
	}
}

// follow counts the difference. The queue is locked.
func (s *Service) follow(now Rest) {
	was := s.elsewhere
	s.elsewhere = now
	s.active += now.Active - was.Active
	for _, b := range s.backends {
		before := b.active
		b.active += now.Backends[b.name] - was.Backends[b.name]
		if before > 0 && b.active == 0 && b.admin() != AdminReady {
			s.emptied(b)
		}
	}
	if s.pause != nil && s.quiet() {
		s.pauseEmptied()
	}
}

// inherit takes what somebody has opened for a service.
func (e *Engine) inherit(name string, listen []string) (given []net.Listener, rest []string, err error) {
	if e.cfg.Inherited == nil || len(listen) == 0 {
		return nil, listen, nil
	}
	return e.cfg.Inherited(name, listen)
}
