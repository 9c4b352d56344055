package config

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// Warnings are what is right as far as the rules go, and probably not meant.
func (f *File) Warnings() Errors { return f.warningsOn(runtime.GOOS) }

func (f *File) warningsOn(system string) Errors {
	r := &report{name: f.name, lines: f.lines}
	for i := range f.Services {
		s := &f.Services[i]
		path := join("services", s.Name)
		if addr := s.bypassed(); addr != "" {
			r.wrong(path+".pause.bypass", "a pause would hold no client there; write the networks of your operators", "bypass covers every client of %s", addr)
		}
		if s.Pause.Limit > s.Pause.Max {
			r.wrong(path+".pause.limit", fmt.Sprintf("then = %q would never come", s.Pause.Then), "limit = %q is longer than max = %q",
				text.Duration(s.Pause.Limit), text.Duration(s.Pause.Max))
		}
		if system != "linux" {
			for key, set := range map[string]bool{"user_timeout": s.UserTimeout > 0, "backlog": s.Backlog > 0} {
				if set {
					r.wrong(path+"."+key, "only Linux can do it; leave it out", "%s of service %q has no effect on %s", key, s.Name, system)
				}
			}
		}
		if s.NoBackend == "reject" && len(s.Backends) == 0 && s.Discover == nil {
			r.wrong(path+".backends", "every client is turned away until one is added", "service %q has no backends", s.Name)
		}
		if s.WS != nil {
			s.WS.CheckOrigins(r.below(path + ".ws."))
		}
		if d := s.Discover; d != nil {
			d.ToTLS.warn(r, path+".discover", "discover")
			d.warn(r, path+".discover", s.Name)
		}
		if c := f.Cluster; c != nil {
			s.warnScope(r, path, c.OnLost)
		}
		for j := range s.Backends {
			s.Backends[j].ToTLS.warn(r, fmt.Sprintf("%s.backends[%d]", path, j), fmt.Sprintf("backend %q", s.Backends[j].Name))
		}
		for j, a := range s.Source {
			at := fmt.Sprintf("%s.source[%d]", path, j)
			if c, err := net.ListenPacket("udp", net.JoinHostPort(a.String(), "0")); err != nil {
				r.wrong(at, "ip addr lists its addresses; backends cannot be reached from this one until it exists", "this machine does not have the address %s now", a)
			} else {
				c.Close()
			}
			if !s.reaches(a) {
				r.wrong(at, "take it out", "no backend of service %q has an address of the family of %s", s.Name, a)
			}
		}
	}
	if c := f.Cluster; c != nil && len(c.Voters) == 1 {
		r.wrong("cluster.voters", "name three, so that one may fail", "the cluster has one voter: it ends with %s", c.Voters[0])
	}
	f.warnPrograms(r)
	return r.inOrder()
}

func (t *ToTLS) warn(r *report, path, owner string) {
	if t.TLS && !t.TLSVerify && t.CA != "" {
		r.wrong(path+".ca", "take out tls_verify = false, or ca", "%s has a ca, and tls_verify = false verifies nothing by it", owner)
	}
}

// reaches reports whether a backend may have an address of a source's family.
func (s *Service) reaches(source netip.Addr) bool {
	for _, b := range s.Backends {
		e, _, _ := parseEndpoint(b.Addr+b.DNS, false)
		if ip, err := netip.ParseAddr(e.Host); e.Path == "" && (err != nil || ip.Is4() == source.Is4()) {
			return true
		}
	}
	return len(s.Backends) == 0 || s.Discover != nil
}

// bypassed returns a loopback address of the service whose clients would all bypass a pause, since
// they come from the address they connect to.
func (s *Service) bypassed() string {
	for _, a := range s.Listen {
		e, _, _ := parseEndpoint(a, true)
		ip, err := netip.ParseAddr(e.Host)
		if err != nil || !ip.IsLoopback() {
			continue
		}
		for _, p := range s.Pause.Bypass {
			if p.Contains(ip) {
				return a
			}
		}
	}
	return ""
}
