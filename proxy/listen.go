package proxy

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// listenerSet is the sockets of an open service.
type listenerSet struct {
	sockets []*socket
	claimed []string // addresses that came from Config.Activated
}

// openListenersLocked opens all addresses of a service, or none. The engine is
// locked.
func (e *Engine) openListenersLocked(s *Service, c ServiceConfig) (*listenerSet, error) {
	p := e.newSocketPlan()
	if err := p.add(s, c, nil); err != nil {
		p.cancel()
		return nil, err
	}
	f := p.listeners[s]
	for _, sk := range f.sockets {
		if sk.key != "" {
			e.sockets[sk.key] = sk
		}
	}
	return f, nil
}

// ListenHint adds to an error of listening at addr what to try, where that is known.
func ListenHint(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && strings.HasPrefix(addr, "unix:"):
		return fmt.Errorf("%w; another process listens there: ss -lxp shows who", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; another process listens there: ss -ltnp shows who", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w; ports below 1024 need root or CAP_NET_BIND_SERVICE", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w; no interface here has the address of %s", err, addr)
	case errors.Is(err, syscall.ENOENT): // for a Unix socket
		return fmt.Errorf("%w; make the folder of %s first", err, addr)
	}
	return err
}

// closeLocked closes sockets that were never served. The engine is locked.
func (f *listenerSet) closeLocked(e *Engine) {
	for _, sk := range f.sockets {
		delete(e.sockets, sk.key)
		sk.closeUnserved()
	}
}

// closeUnserved closes a socket that was never served. Another process may serve an inherited one:
// its file stays.
func (sk *socket) closeUnserved() {
	if sk.inherited {
		sk.l.CloseKeepFile()
	} else {
		sk.l.Close()
	}
	sk.sharers.close()
}

func (f *listenerSet) addrs() []string {
	var all []string
	for _, sk := range f.sockets {
		all = append(all, sk.text())
	}
	return all
}

// text is the address of the socket.
func (sk *socket) text() string {
	if sk.l.Addr().Network() == "unix" {
		return "unix:" + sk.l.Addr().String()
	}
	return sk.l.Addr().String()
}

// acceptTrouble reports, once in a burst, why clients wait in the backlog.
func (s *Service) acceptTrouble(err error) {
	if lack := relay.LackOf(err); lack != "" {
		s.engine.noteLack(lack, "accept of "+s.name, err)
		return
	}
	text := fmt.Sprintf("%s cannot accept: %v; retrying", s.name, err)
	if errors.Is(err, relay.ErrBudget) {
		text = fmt.Sprintf("%s can hold no more sessions: it has %d, the process %d of %d; new clients wait in the kernel's backlog; raise the descriptor limit (ulimit -n)",
			s.name, s.share.Used(), s.engine.budget.Used(), s.engine.budget.Max())
	}
	s.engine.noteThrottled(Event{Kind: EventLimit, Level: LevelAlarm, Service: s.name, Text: text})
}

// StopListening refuses new clients by closing the listeners, once those have
// been accepted whose connection the kernel had finished. Waiters and live
// sessions go on.
func (s *Service) StopListening(by, reason string) (text string, err error) {
	if err := ValidateNote("reason", reason); err != nil {
		return "", err
	}
	f, ends := s.closeListeners()
	if f == nil {
		return "", already("%s: already closed", s.name)
	}
	awaitDrain(ends)
	return "close " + s.name + ": no longer listening on " + strings.Join(f.addrs(), ", "), nil
}

// closeListeners refuses new clients, and returns the previous listeners, or nil, and
// the channels to wait on until they are closed.
func (s *Service) closeListeners() (f *listenerSet, ends []<-chan struct{}) {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if f = s.listeners; f != nil {
		ends = e.drainLocked(e.unshareLocked(s, f.sockets)) // first, so that no client comes after the service is reported as closed
		s.clearListenersLocked()
	}
	return f, ends
}

// clearListenersLocked marks the service as closed. The engine is locked.
func (s *Service) clearListenersLocked() {
	s.queue.Do(func() { s.listeners = nil })
	if p := s.config().Protocol; p != nil {
		p.KeepAlive(false)
	}
}

// StartListening listens again.
func (s *Service) StartListening(by, reason string) (text string, err error) {
	if err := ValidateNote("reason", reason); err != nil {
		return "", err
	}
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.started {
		return "", errNotRunning
	}
	if e.stopped || e.handedOver || s.retired {
		return "", fmt.Errorf("proxy: %s cannot be opened: the engine is stopping", s.name)
	}
	if s.listeners != nil {
		return "", already("%s: already open, on %s", s.name, strings.Join(s.listeners.addrs(), ", "))
	}
	cfg := *s.config()
	if len(cfg.Listen) == 0 {
		return "", fmt.Errorf("proxy: %s cannot be opened again: its listeners were given to it, and are closed", s.name)
	}
	cfg.Listeners = nil
	f, err := e.openListenersLocked(s, cfg)
	if err != nil {
		return "", err
	}
	s.queue.Do(func() { s.listeners = f })
	if p := cfg.Protocol; p != nil {
		p.KeepAlive(true)
	}
	e.serveLocked(e.services)
	return "open " + s.name + ": listening on " + strings.Join(f.addrs(), ", "), nil
}
