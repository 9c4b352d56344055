package proxy

import (
	"fmt"
	"slices"
	"sync"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Services may share a listening socket, if something that their clients say
// first tells whose they are. A client is one of the first of them when it is
// accepted: there its handshake begins, and it is counted if no service is ever
// chosen for it. The step of the handshake that knows more chooses (Session.choose),
// and from then on it is a client of the chosen service like any other.
//
// What a service is asked to do, such as to close, to pause or to go at a reload,
// concerns its own clients only. The socket is open as long as one of them is.

// sharesBy is how the clients of a service are told from those of others that
// share an address with it; "": they are not, and its addresses are its own.
func (c *ServiceConfig) sharesBy() string {
	switch {
	case len(c.SNI) > 0:
		return "sni"
	case c.sharesRequests():
		return "ws"
	}
	return ""
}

// cannotShare says in e why the service cannot share an address with another one;
// nil: it can. What happens before the choice must be the same in both.
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

// sharers are the services that share a socket. Their lock is taken after the
// engine's and before that of live; nil is a socket that is not shared.
type sharers struct {
	share *relay.Share // of clients that no service is chosen for yet: none of the services can use it up

	mu  sync.Mutex
	all []*Service // in the order of the configuration; never none
}

// newSharers makes those of a socket that is opened for one of them; nil if its
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

// set makes others share the socket.
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

// first is the one that clients begin with.
func (sh *sharers) first() *Service { return sh.users()[0] }

// begin takes a client that has just been accepted. The service that it begins
// with may leave at any time: it is told first that one arrives.
func (sh *sharers) begin(run relay.Runner, client *relay.Side) {
	sh.mu.Lock()
	s := sh.all[0]
	s.arriving.Add(1)
	sh.mu.Unlock()
	defer s.arriving.Add(-1)
	s.beginSession(run, client, sh)
}

// unshareLocked has a service leave the sockets that others use, too, and gives
// those that are its own. The engine is locked.
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

// sharing is what a session has that came by a socket that services share. Only
// the session itself uses it.
type sharing struct {
	undecided *sharers     // nil: one of them is chosen
	hello     *clientHello // that it was chosen by; nil: by none
}

// sharers are the services of whom none is chosen for the session yet; nil: its
// service is its own.
func (s *Session) sharers() *sharers {
	if s.rare == nil {
		return nil
	}
	return s.rare.undecided
}

// share is what the session counts against: until a service is chosen for it,
// that of its socket.
func (s *Session) share() *relay.Share {
	if sh := s.sharers(); sh != nil {
		return sh.share
	}
	return s.service.share
}

// choose makes the session one of the service that ranks highest of those that
// share its socket now, and says whether there is one; a rank of 0 is none. Of
// two with the same rank it is the first. It is called in the handshake, before
// anything of the service itself is asked.
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
