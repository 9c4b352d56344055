package proxy

import (
	"cmp"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Sharer is one of the services that share an address and are selected by the request
// in the handshake of their Protocol.
type Sharer struct {
	Service  string
	Protocol Protocol
	Hosts    []string // see ServiceConfig
	Path     string
	Listen   []string // configured listen addresses of the service
	Allowed  bool     // the service accepts clients of this address, as far as is known before the handshake
}

// ChooseRequest returns the service for a request by its host, a bare name in
// lower case, and its path: first by host, with an exact name before a pattern
// before no hosts, and then by the longest path. to is nil if there is none;
// hostKnown then reports whether any service has the host.
func ChooseRequest(all []Sharer, host, requested string) (to *Sharer, hostKnown bool) {
	best := [2]int{}
	for i := range all {
		h := rankHost(all[i].Hosts, host)
		hostKnown = hostKnown || h > rankNone
		if h == rankNone || !UnderPath(all[i].Path, requested) {
			continue
		}
		if rank := [2]int{h, len(all[i].Path)}; to == nil || slices.Compare(rank[:], best[:]) > 0 {
			to, best = &all[i], rank
		}
	}
	return to, hostKnown
}

// UnderPath matches as http.ServeMux does: a path that ends in a slash has all
// that is below it; "" has all.
func UnderPath(configured, requested string) bool {
	if configured == "" || strings.HasSuffix(configured, "/") {
		return strings.HasPrefix(requested, configured)
	}
	return requested == configured
}

// rankHost returns how well hosts match the requested one.
func rankHost(hosts []string, asked string) (best int) {
	if len(hosts) == 0 {
		return rankAny
	}
	for _, pattern := range hosts {
		pattern = canonicalHost(pattern)
		switch ok, _ := path.Match(pattern, asked); {
		case pattern == asked:
			return rankExact
		case pattern == "*":
			best = max(best, rankAny)
		case ok:
			best = max(best, rankWildcard)
		}
	}
	return best
}

// canonicalHost returns a host in a form for comparison.
func canonicalHost(host string) string { return strings.ToLower(strings.Trim(host, "[]")) }

// sharesRequests reports whether the service has hosts or a path of its own.
func (c *ServiceConfig) sharesRequests() bool {
	return len(c.Hosts) > 0 || c.Path != "" && c.Path != "/"
}

// sameRequests describes in e a request that two services match equally well; nil:
// there is none.
func (c *ServiceConfig) sameRequests(o *ServiceConfig, e *AddressError) *AddressError {
	if c.pathOrRoot() != o.pathOrRoot() {
		return nil
	}
	const hint = "give each hosts or a path of its own"
	if len(c.Hosts) == 0 && len(o.Hosts) == 0 {
		e.Key, e.OtherKey, e.Hint = "ws.path", "ws.path", hint
		e.Text = "path \"" + c.pathOrRoot() + "\" is of service \"" + o.Name + "\" already, on the same address"
		return e
	}
	for _, host := range c.Hosts {
		if slices.ContainsFunc(o.Hosts, func(h string) bool { return canonicalHost(h) == canonicalHost(host) }) {
			e.Key, e.OtherKey, e.Hint = "ws.hosts", "ws.hosts", hint
			e.Text = "host \"" + host + "\" with path \"" + c.pathOrRoot() + "\" is of service \"" + o.Name + "\" already, on the same address"
			return e
		}
	}
	return nil
}

func (c *ServiceConfig) pathOrRoot() string { return cmp.Or(c.Path, "/") }

// arrival is what the Protocol learns about the session's client.
func (s *Session) arrival(c *ServiceConfig, trusted bool) Arrival {
	client := s.client.Remote().Addr()
	a := Arrival{Client: client, Trusted: trusted, Listen: c.Listen, Detach: func() { s.runner().Post(s, relay.Event{Kind: relay.Signal, Arg: detach{}}) }}
	if sh := s.sharers(); sh != nil {
		a.Sharers = func() []Sharer { return sh.requests(client, trusted) }
	}
	return a
}

// requests returns the services that share the socket now.
func (sh *sharers) requests(client netip.Addr, trusted bool) (all []Sharer) {
	for _, s := range sh.users() {
		c := s.config()
		if c.Protocol == nil {
			continue // a reload has just removed it
		}
		all = append(all, Sharer{Service: c.Name, Protocol: c.Protocol, Hosts: c.Hosts, Path: c.Path, Listen: c.Listen, Allowed: trusted || c.allows(client)})
	}
	return all
}

// admitArrival returns why a connection to services that share an address is refused
// before its handshake shows which of them it is for: none of them accepts its address,
// or too many have come from it.
func (s *Session) admitArrival(c *ServiceConfig) (refused Reason) {
	client := s.client.Remote().Addr()
	if !slices.ContainsFunc(s.sharers().users(), func(o *Service) bool { return o.config().allows(client) }) {
		return ReasonDenied
	}
	return s.checkLimit(c, s.service.perIP.AdmitConnection)
}

// chooseRequest moves the session to the service that its Protocol has found for the
// request, and returns why that is impossible.
func (s *Session) chooseRequest(service string) (refused Reason, detail string) {
	if s.sharers() == nil || service == "" {
		return "", ""
	}
	chosen, err := s.choose(func(c *ServiceConfig) int {
		if c.Name == service {
			return rankExact
		}
		return rankNone
	})
	switch {
	case err != nil:
		return ReasonLocalLimit, err.Error()
	case !chosen: // a reload has just removed it
		return ReasonPath, "service " + service + " no longer has this address"
	}
	return "", ""
}
