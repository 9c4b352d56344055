package proxy

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// socket is a listening socket of an engine. It belongs to its address: a service
// borrows it, and a reload may move it to another service, with the clients in its
// backlog.
type socket struct {
	key       string // in Engine.sockets; "": the socket was given
	asked     string // as configured; "": the socket was given
	addr      Address
	given     bool // from Config.Activated: another process keeps it open
	inherited bool // another process may still serve it
	owner     *Service
	beside    *socket // with an overlapping address, if it was opened beside one
	l         *relay.Listener
	served    *relay.Listener // the one that was served last: l, unless l is new

	sharers *sharers // nil: all clients are its owner's
}

// socketKeys returns the keys of a service's addresses. A socket with a port chosen by
// the system is the service's own.
func socketKeys(service string, listen []string) (keys []string) {
	times := map[string]int{}
	for _, addr := range listen {
		a, _ := ParseAddress(addr, true) // it was validated
		key := fmt.Sprintf("%s|%s|%d", a.Path, a.Host, a.Port)
		if a.Path == "" && a.Port == 0 {
			key += "|" + service
		}
		times[key]++
		if n := times[key]; n > 1 && a.Port == 0 {
			key += fmt.Sprint("|", n)
		}
		keys = append(keys, key)
	}
	return keys
}

// openSocketLocked opens an address of a service: with the socket of the previous
// process, or beside sockets that are about to be closed, or alone. The engine is
// locked.
func (e *Engine) openSocketLocked(s *Service, c *ServiceConfig, key, asked string, leaving []*socket) (*socket, error) {
	addr, err := ParseAddress(asked, true)
	if err != nil {
		return nil, err
	}
	sk := &socket{key: key, asked: asked, addr: addr, owner: s, sharers: e.newSharers(s, c)}
	var beside []*relay.Listener
	for _, o := range leaving {
		if addr.Path == "" && addr.Overlaps(o.addr) {
			beside, sk.beside = append(beside, o.l), o
		}
	}
	for o := range e.draining {
		if addr.Path == "" && addr.Overlaps(o.addr) {
			beside = append(beside, o.l)
		}
	}
	if sk.l, sk.inherited, err = e.openInherited(s.name, asked, c.Sock, beside); err != nil {
		return nil, ListenHint(asked, err)
	}
	return sk, nil
}

// drainWait bounds how long a close or a reload waits for clients that came before it.
// They are accepted after that, too; but that may take long if sessions have to end
// first.
const drainWait = time.Second

// drainLocked closes sockets once the clients whose connection the kernel has completed
// are accepted (rule 23a), and returns the channels to wait on. The engine is locked.
func (e *Engine) drainLocked(gone []*socket) (ends []<-chan struct{}) {
	for _, sk := range gone {
		if e.sockets[sk.key] == sk {
			delete(e.sockets, sk.key)
		}
		if sk.given {
			sk.l.Close() // its clients wait for the next owner of the socket
			sk.sharers.close()
			continue
		}
		users := sk.users()
		e.draining[sk] = struct{}{}
		for _, s := range users {
			s.queue.Do(func() { s.draining++ })
		}
		sk.l.Drain()
		ends = append(ends, sk.l.Done())
		e.retiring.Go(func() { e.drained(sk, users) })
	}
	return ends
}

// drained forgets a socket once it is closed.
func (e *Engine) drained(sk *socket, users []*Service) {
	label(roleRetire, users[0].name, "")
	<-sk.l.Done()
	sk.l.Close()
	sk.sharers.close()
	for _, s := range users {
		s.queue.Do(func() { s.draining-- })
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.draining, sk)
}

func awaitDrain(ends []<-chan struct{}) {
	late := time.After(drainWait)
	for _, end := range ends {
		select {
		case <-end:
		case <-late:
			return
		}
	}
}

// endDrains resets the clients that still wait to be accepted.
func (e *Engine) endDrains() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for sk := range e.draining {
		sk.l.Close()
	}
}

func (e *Engine) isDraining() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.draining) > 0
}

// serveLocked makes the sockets of these services accept, for the services that use
// each of them, in this order. All of them have been started. The engine is locked.
func (e *Engine) serveLocked(services []*Service) {
	users := map[*socket][]*Service{}
	for _, s := range services {
		if s.listeners == nil {
			continue
		}
		for _, sk := range s.listeners.sockets {
			users[sk] = append(users[sk], s)
		}
	}
	for sk, all := range users {
		sk.owner = all[0]
		sk.sharers.set(all)
		sk.serve()
	}
}

// serve starts accepting from the socket, unless it already does: for its owner and the
// runner of that owner's new sessions. On a shared socket each client begins with its
// first user at that time, until another service is chosen.
func (sk *socket) serve() {
	if sk.served == sk.l {
		return
	}
	s, l := sk.owner, sk.l
	sk.served = l
	run := s.run
	l.Share, l.OnError = s.share, s.acceptTrouble
	accept := func(client *relay.Side) { s.beginSession(run, client, nil) }
	if all := sk.sharers; all != nil {
		l.Share, l.OnError = all.share, func(err error) { all.users()[0].acceptTrouble(err) }
		accept = func(client *relay.Side) { all.begin(run, client) }
	}
	labelled(roleClients, s.name, func() error {
		run.Serve(l, accept)
		return nil
	})
}

// users are the services that the socket is for.
func (sk *socket) users() []*Service {
	if sk.sharers != nil {
		return sk.sharers.users()
	}
	return []*Service{sk.owner}
}
