package proxy

import (
	"fmt"
	"slices"
	"sync"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Services may share a listening socket if the first data of their clients shows whose
// they are. When accepted, a client belongs to the first of them: its handshake begins
// there, and there it is counted if no service is ever chosen. The step of the
// handshake that finds out chooses (Session.choose), and from then on it is a client of
// the chosen service like any other.
//
// An act on a service, such as to close, to pause or to remove it by a reload, concerns
// its own clients only. The socket is open while one of the services is.

// sharesBy is what distinguishes the service's clients from those of others that share
// an address with it; "": its addresses are its own.
func (c *ServiceConfig) sharesBy() string {
	switch {
	case len(c.SNI) > 0:
		return "sni"
	case c.sharesRequests():
		return "ws"
	}
	return ""
}

// cannotShare describes in e why the service cannot share an address with another; nil:
// it can. What happens before the choice must be the same in both.
func (c *ServiceConfig) cannotShare(o *ServiceConfig, e *AddressError) *AddressError {
	for i, name := range c.SNI {
		if j := slices.IndexFunc(o.SNI, func(n string) bool { return canonicalName(n) == canonicalName(name) }); j >= 0 {
			e.Key, e.OtherKey = fmt.Sprintf("sni[%d]", i), fmt.Sprintf("sni[%d]", j)
			e.Text, e.Hint = fmt.Sprintf("sni %q is of service %q already", name, o.Name), "give each name to one service"
			return e
		}
	}
	if c.sharesBy() == "ws" && o.sharesBy() == "ws" {
		if same := c.sameRequests(o, e); same != nil {
			return same
		}
	}
	different := ""
	switch {
	case c.sharesBy() != o.sharesBy():
		different = "way to tell its clients apart (sni; hosts and path of ws)"
	case c.AcceptProxy != o.AcceptProxy:
		different = "accept_proxy"
	case (c.AcceptProxy || c.sharesBy() == "ws") && !slices.Equal(c.TrustedProxies, o.TrustedProxies):
		different = "trusted_proxies"
	case c.Sock != o.Sock:
		different = "keepalive, user_timeout, nodelay, backlog, listen_mode or listen_group"
	case c.sharesBy() == "ws" && ((c.TLS == nil) != (o.TLS == nil) || c.TLSStrictEnd != o.TLSStrictEnd):
		different = "tls"
	default:
		return nil
	}
	e.Text = fmt.Sprintf("it shares an address with service %q, which has another %s", o.Name, different)
	e.Hint = "write the same in both: it is used before the client is known"
	return e
}

// sharers are the services that share a socket. Their lock is taken after the engine's
// and before that of live; nil is a socket that is not shared.
type sharers struct {
	share *relay.Share // of clients without a chosen service: no service can use it up

	mu  sync.Mutex
	all []*Service // in the order of the configuration; never empty
}

// newSharers makes the sharers of a socket that is opened for one service; nil if its
// configuration shares no address.
func (e *Engine) newSharers(s *Service, c *ServiceConfig) *sharers {
	if c.sharesBy() == "" {
		return nil
	}
	return &sharers{share: e.budget.NewShare(), all: []*Service{s}}
}

// close is for a socket that accepts no more clients.
func (sh *sharers) close() {
	if sh != nil {
		sh.share.Close()
	}
}

// set sets the services that share the socket.
func (sh *sharers) set(all []*Service) {
	if sh != nil {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		sh.all = all
	}
}

func (sh *sharers) users() []*Service {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.all
}

// begin takes a client that was just accepted. The first service may leave at any time:
// the arriving client is counted there first.
func (sh *sharers) begin(run relay.Runner, client *relay.Side) {
	sh.mu.Lock()
	s := sh.all[0]
	s.arriving.Add(1)
	sh.mu.Unlock()
	defer s.arriving.Add(-1)
	s.beginSession(run, client, sh)
}

// unshareLocked removes a service from sockets that others also use, and returns its
// own sockets. The engine is locked.
func (e *Engine) unshareLocked(s *Service, sockets []*socket) (own []*socket) {
	for _, sk := range sockets {
		rest := slices.DeleteFunc(slices.Clone(sk.users()), func(o *Service) bool { return o == s })
		if len(rest) == 0 {
			own = append(own, sk)
			continue
		}
		sk.owner = rest[0]
		sk.sharers.set(rest)
	}
	return own
}

// sharing is the state of a session that came by a shared socket. Only the session
// itself uses it.
type sharing struct {
	undecided *sharers     // nil: a service is chosen
	hello     *clientHello // that determined the choice; nil: none
}

// sharers returns the services of which none is chosen for the session yet; nil: its
// service is fixed.
func (s *Session) sharers() *sharers {
	if s.rare == nil {
		return nil
	}
	return s.rare.undecided
}

// share returns what the session counts against: that of its socket until a service is
// chosen.
func (s *Session) share() *relay.Share {
	if sh := s.sharers(); sh != nil {
		return sh.share
	}
	return s.service.share
}

// choose moves the session to the service with the highest rank among those that share
// its socket now, and reports whether there is one; rank 0 does not count. Of two with
// the same rank it is the first. It is called in the handshake, before any setting of
// the service is used.
func (s *Session) choose(rank func(*ServiceConfig) int) (chosen bool, err error) {
	sh := s.sharers()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var to *Service
	best := 0
	for _, o := range sh.all {
		if n := rank(o.config()); n > best {
			to, best = o, n
		}
	}
	if to == nil {
		return false, nil
	}
	if !sh.share.MoveTo(to.share) {
		return true, fmt.Errorf("%s can hold no more sessions", to.name)
	}
	s.rare.undecided = nil
	if from := s.service; to != from {
		s.releasePerIP()
		from.live.remove(s, func() { s.service = to })
		to.live.add(s)
	}
	return true, nil
}
