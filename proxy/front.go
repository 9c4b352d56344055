package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// front is a service's listeners while it is open, each with the address that
// the configuration asks for; "" where it was given.
type front struct {
	asked     []string
	claimed   []string // addresses that were open before us
	listeners []*relay.Listener
	fresh     []*relay.Listener // of a reload: to be served still
}

func (f *front) add(asked string, l *relay.Listener) {
	f.asked, f.listeners = append(f.asked, asked), append(f.listeners, l)
}

// openFront opens all addresses of a service, or none.
func (e *Engine) openFront(c ServiceConfig) (*front, error) {
	f := &front{}
	for _, ln := range c.Listeners {
		f.add("", relay.NewListener(ln))
	}
	rest := c.Listen
	given, left, err := e.inherit(c.Name, rest)
	if err != nil {
		return nil, fmt.Errorf("proxy: service %q: %w", c.Name, err)
	}
	for _, ln := range given {
		l := relay.NewListener(ln)
		l.Sock = c.Sock
		f.add("", l)
	}
	f.claimed = slices.DeleteFunc(slices.Clone(rest), func(addr string) bool { return slices.Contains(left, addr) })
	for _, addr := range left {
		l, err := e.takeDoor(c.Name, addr, c.Sock)
		if err != nil {
			f.close()
			return nil, fmt.Errorf("proxy: service %q: %w", c.Name, listenHint(addr, err))
		}
		f.add(addr, l)
	}
	return f, nil
}

// listenHint says what to try where that is known.
func listenHint(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; somebody listens there already: ss -ltnp shows who", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w; ports below 1024 need root or CAP_NET_BIND_SERVICE", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w; no interface here has the address of %s", err, addr)
	}
	return err
}

// serve begins accepting.
func (f *front) serve(s *Service) {
	for _, l := range f.listeners {
		s.serve(l)
	}
}

// serve begins to accept from one listener, for the runner that new sessions
// have from now on.
func (s *Service) serve(l *relay.Listener) {
	l.Share = s.share
	l.Trouble = s.acceptTrouble
	run := s.run
	run.Serve(l, func(client *relay.Side) { s.begin(run, client) })
}

func (f *front) close() {
	for _, l := range f.listeners {
		l.Close()
	}
}

func (f *front) addrs() []string {
	var all []string
	for _, l := range f.listeners {
		if l.Addr().Network() == "unix" {
			all = append(all, "unix:"+l.Addr().String())
		} else {
			all = append(all, l.Addr().String())
		}
	}
	return all
}

// acceptTrouble says once a burst why clients have to wait outside.
func (s *Service) acceptTrouble(err error) {
	if lack := relay.LackOf(err); lack != "" {
		s.engine.lacking(lack, "accept of "+s.name, err)
		return
	}
	text := fmt.Sprintf("%s cannot accept: %v; it goes on trying", s.name, err)
	if errors.Is(err, relay.ErrBudget) {
		text = fmt.Sprintf("%s can hold no more sessions: it has %d, the process %d of %d; new clients wait in the kernel's backlog; raise the descriptor limit (ulimit -n)",
			s.name, s.share.Used(), s.engine.budget.Used(), s.engine.budget.Max())
	}
	s.engine.noteSeldom(Event{Kind: EventLimit, Level: LevelAlarm, Service: s.name, Text: text})
}

// CloseFront refuses new clients by closing the listener. Waiters and live
// sessions go on.
func (s *Service) CloseFront(by, reason string) (text string, err error) {
	f := s.endFront((*relay.Listener).Close)
	if f == nil {
		return "", fmt.Errorf("proxy: %s is closed already", s.name)
	}
	return "close " + s.name + ": no longer listening on " + strings.Join(f.addrs(), ", "), nil
}

// endFront ends each listener in its way, and gives the front that there was;
// nil where there was none.
func (s *Service) endFront(end func(*relay.Listener) error) (f *front) {
	s.queue.Do(func() {
		f, s.front = s.front, nil
		s.closing = s.closing || f != nil
	})
	if f == nil {
		return nil
	}
	for _, l := range f.listeners {
		end(l)
	}
	s.queue.Do(func() { s.closing = false })
	if p := s.config().Protocol; p != nil {
		p.KeepAlive(false)
	}
	return f
}

// OpenFront listens again.
func (s *Service) OpenFront(by, reason string) (text string, err error) {
	var cfg ServiceConfig
	open := false
	s.queue.View(func() { cfg, open = *s.config(), s.front != nil })
	if open {
		return "", fmt.Errorf("proxy: %s is open already", s.name)
	}
	if len(cfg.Listen) == 0 {
		return "", fmt.Errorf("proxy: %s cannot be opened again: its listeners were given to it, and are closed", s.name)
	}
	cfg.Listeners = nil
	f, err := s.engine.openFront(cfg)
	if err != nil {
		return "", err
	}
	if err := s.engine.install(s, f); err != nil {
		f.close()
		return "", err
	}
	return "open " + s.name + ": listening on " + strings.Join(f.addrs(), ", "), nil
}

// install begins to serve a front, but not to one that is being
// shut down: it would never come to an end.
func (e *Engine) install(s *Service, f *front) (err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped || e.left {
		return fmt.Errorf("proxy: %s cannot be opened: the engine is stopping", s.name)
	}
	s.queue.Do(func() {
		if s.front != nil {
			err = fmt.Errorf("proxy: %s is open already", s.name)
			return
		}
		s.front = f
	})
	if err == nil {
		if p := s.config().Protocol; p != nil {
			p.KeepAlive(true)
		}
		f.serve(s)
	}
	return err
}
