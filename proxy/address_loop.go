package proxy

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// AddressError is an address that does not go with another one of the same
// configuration: two that overlap, or a backend that leads back to its own
// service.
type AddressError struct {
	Service string // whose it is
	Key     string // "listen[0]" or "backends[1].addr" of it; "": of an operator's backend
	Text    string
	Hint    string

	Other, OtherKey string // what it does not go with, as Service and Key
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("service %q: %s; %s", e.Service, e.Text, e.Hint)
}

// CheckAddresses returns the addresses of the configuration that conflict with
// one another, in its order. A service may have another service of the same
// engine as a backend, but not in a loop, in which a client would go round until
// no file descriptor is left. A host name is looked up if its port is one that
// the engine listens on.
func (c Config) CheckAddresses() []*AddressError {
	return checkAddresses(c.Services)
}

func checkAddresses(services []ServiceConfig) (found []*AddressError) {
	r := &loopFinder{services: services, names: map[string][]netip.Addr{}, listens: map[Address][]listen{}}
	for i, s := range services {
		for n, text := range s.Listen {
			a, err := ParseAddress(text, true)
			if err != nil {
				continue
			}
			l := listen{a, text, i, fmt.Sprintf("listen[%d]", n)}
			at := a.key()
			for _, o := range r.listens[at] {
				if e := r.collision(l, o); e != nil {
					found = append(found, e)
					break
				}
			}
			r.listens[at] = append(r.listens[at], l)
		}
	}
	return append(found, r.find()...)
}

// collision returns why two services cannot both listen at their addresses, or nil:
// these do not overlap, or can be shared.
func (r *loopFinder) collision(l, o listen) *AddressError {
	s, other := &r.services[l.service], &r.services[o.service]
	if !o.Overlaps(l.Address) {
		return nil
	}
	e := &AddressError{Service: s.Name, Key: l.key, Other: other.Name, OtherKey: o.key}
	by := s.sharesBy()
	switch {
	case l.service == o.service, by == "", other.sharesBy() == "":
		e.Text, e.Hint = fmt.Sprintf("listen %q is taken by %q of service %q", l.text, o.text, other.Name), "choose another port or address"
		switch {
		case by == "ws", other.sharesBy() == "ws":
			e.Hint += ", or give each service on it hosts or a path of its own in ws"
		case by != "", other.sharesBy() != "":
			e.Hint += ", or give each service on it a sni"
		}
	case o.Address != l.Address:
		e.Text = fmt.Sprintf("listen %q overlaps %q of service %q", l.text, o.text, other.Name)
		e.Hint = fmt.Sprintf("services that share a port write the same address: %q", o.text)
	default:
		return s.cannotShare(other, e)
	}
	return e
}

// listen is one address that a service listens on.
type listen struct {
	Address
	text    string
	service int
	key     string
}

// key is what an address has in common with those that it may reach: the port, or the
// path of a Unix socket.
func (a Address) key() Address {
	if a.Path != "" {
		return Address{Path: realPath(a.Path)}
	}
	return Address{Port: a.Port}
}

// lookupWait bounds the lookup of one name; if it fails, the backend is assumed to be
// elsewhere, as the check need not be perfect.
const lookupWait = 2 * time.Second

// loopFinder looks for services that lead back to themselves.
type loopFinder struct {
	services []ServiceConfig
	listens  map[Address][]listen // by key
	links    [][]link             // by the service where they begin
	local    []netip.Addr         // addresses of this host, once needed
	names    map[string][]netip.Addr
}

// link is a backend that is a listener of the same configuration.
type link struct {
	backend int
	to      listen
}

func (r *loopFinder) findLinks() {
	r.links = make([][]link, len(r.services))
	for from, s := range r.services {
		for b, bc := range s.Backends {
			a, err := ParseAddress(bc.Addr, false)
			if err != nil || s.Dial != nil {
				continue
			}
			if host, _, _ := net.SplitHostPort(bc.Addr); strings.EqualFold(host, "localhost") {
				a.Host = "" // both families
			}
			for _, l := range r.listens[a.key()] {
				if r.leadsTo(a, l.Address) {
					r.links[from] = append(r.links[from], link{b, l})
				}
			}
		}
	}
}

// leadsTo reports whether a connection to a reaches the listener l with the same key.
func (r *loopFinder) leadsTo(a, l Address) bool {
	if a.Path != "" || l.Port == 0 {
		return a.Path != "" // the key is the path
	}
	listens := r.lookup(l.Host)
	return slices.ContainsFunc(r.lookup(a.Host), func(ip netip.Addr) bool {
		return r.isLocal(ip) && (l.Host == "" || slices.Contains(listens, ip))
	})
}

// lookup returns the addresses of a host; a connection to the unspecified address goes
// to loopback.
func (r *loopFinder) lookup(host string) []netip.Addr {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap().WithZone("")}
	}
	if host == "" {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	ips, known := r.names[host]
	if !known {
		ctx, cancel := context.WithTimeout(context.Background(), lookupWait)
		defer cancel()
		ips, _ = net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		for i := range ips {
			ips[i] = ips[i].Unmap().WithZone("")
		}
		r.names[host] = ips
	}
	return ips
}

func (r *loopFinder) isLocal(ip netip.Addr) bool {
	if r.local == nil {
		r.local = []netip.Addr{netip.IPv6Loopback()}
		addrs, _ := net.InterfaceAddrs()
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				ip, _ := netip.AddrFromSlice(n.IP)
				r.local = append(r.local, ip.Unmap())
			}
		}
	}
	return ip.IsLoopback() || slices.Contains(r.local, ip)
}

// realPath resolves links in the path of a socket that may not exist yet.
func realPath(path string) string {
	if path[0] == '@' {
		return path
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}

// find returns each link of each loop.
func (r *loopFinder) find() (found []*AddressError) {
	r.findLinks()
	for from, hops := range r.links {
		for _, h := range hops {
			if !r.reaches(h.to.service, from, map[int]bool{}) {
				continue
			}
			s, to := r.services[from], r.services[h.to.service]
			addr := s.Backends[h.backend].Addr
			e := &AddressError{Service: s.Name, Key: fmt.Sprintf("backends[%d].addr", h.backend), Other: to.Name, OtherKey: h.to.key,
				Text: fmt.Sprintf("backend %q is where the service itself listens (%s)", addr, h.to.text),
				Hint: "write the address of its server: a client would loop until there are no free descriptors"}
			if from != h.to.service {
				e.Text = fmt.Sprintf("backend %q is where service %q listens (%s), whose backends lead back here", addr, to.Name, h.to.text)
			}
			found = append(found, e)
		}
	}
	return found
}

// reaches reports whether the backends of a service lead to another service.
func (r *loopFinder) reaches(from, to int, seen map[int]bool) bool {
	if from == to {
		return true
	}
	seen[from] = true
	return slices.ContainsFunc(r.links[from], func(h link) bool {
		return !seen[h.to.service] && r.reaches(h.to.service, to, seen)
	})
}

// checkLive checks a configuration together with backends that operators have added and
// ports that the system has chosen. The engine is not locked, as names may be looked
// up.
func (e *Engine) checkLive(services []ServiceConfig) error {
	all := slices.Clone(services)
	for i := range all {
		if s := e.Service(all[i].Name); s != nil {
			if s.config().Scope != all[i].Scope {
				return fmt.Errorf("proxy: scope of service %q can only change with a restart: operators' changes stay where they were made; the old configuration is in force", s.name)
			}
			if s.config().Lock.Scope != all[i].Lock.Scope {
				return fmt.Errorf("proxy: lock.scope of service %q can only change with a restart: its sessions have no slot of the other scope; the old configuration is in force", s.name)
			}
			all[i] = s.liveAddresses(all[i])
		}
	}
	if found := checkAddresses(all); len(found) > 0 {
		return fmt.Errorf("proxy: %w", found[0])
	}
	return nil
}

// liveAddresses returns c with addresses that are known only at run time.
func (s *Service) liveAddresses(c ServiceConfig) ServiceConfig {
	c.Listen, c.Backends = slices.Clone(c.Listen), slices.Clone(c.Backends)
	s.queue.View(func() {
		if s.listeners != nil {
			for n, key := range socketKeys(s.name, c.Listen) {
				if i := slices.IndexFunc(s.listeners.sockets, func(sk *socket) bool { return sk.key == key && sk.addr.Port == 0 }); i >= 0 {
					c.Listen[n] = s.listeners.sockets[i].text()
				}
			}
		}
		for _, b := range s.backends.all {
			if b.added && !b.removing {
				c.Backends = append(c.Backends, b.cfg)
			}
		}
	})
	return c
}

// CheckAdded returns why backends cannot be added to the service, by an operator
// or a source: one is invalid, or a session would come back to where it was
// accepted.
func (s *Service) CheckAdded(added ...BackendConfig) error {
	var all []ServiceConfig
	for _, c := range added {
		if err := c.Validate(); err != nil {
			return err
		}
	}
	if err := loadTLS(ServiceConfig{Name: s.name, Backends: added}); err != nil {
		return err
	}
	for _, o := range s.engine.allInForce() {
		cfg := *o.config()
		if o == s {
			cfg.Backends = append(slices.Clone(cfg.Backends), added...)
		}
		all = append(all, cfg)
	}
	return s.engine.checkLive(all)
}
