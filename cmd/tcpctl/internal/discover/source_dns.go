package discover

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/tcpctl/tcpctl/proxy"
)

// dnsSource has one backend for each address of a name; the address is the backend's name.
type dnsSource struct {
	r          *resolver
	host, port string
	timeout    time.Duration
}

func newDNSSource(s *Spec) (*dnsSource, error) {
	host, port, err := splitHostPort(s.What())
	return &dnsSource{newResolver(s), host, port, s.timeout()}, err
}

func (d *dnsSource) ask(ctx context.Context, _ time.Duration) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	all, valid, err := d.r.addresses(ctx, d.host)
	if err != nil {
		return a, err
	}
	a.valid = valid
	for _, ip := range all {
		a.backends = append(a.backends, proxy.BackendConfig{Addr: net.JoinHostPort(ip.String(), d.port)})
	}
	return a, nil
}

func (d *dnsSource) close() {}

// srvSource has one backend for each target of a service record (RFC 2782): its name is the target
// with its port, its address one of the target's. It keeps this address as long as the target has
// it; otherwise IPv4 is preferred.
type srvSource struct {
	r       *resolver
	name    string
	timeout time.Duration
	at      map[string]netip.Addr // the address chosen for each target
}

func (s *srvSource) ask(ctx context.Context, _ time.Duration) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	targets, valid, err := s.targets(ctx)
	if err != nil {
		return a, err
	}
	a.valid = valid
	at := map[string]netip.Addr{}
	for _, t := range targets {
		host := strings.TrimSuffix(t.Target, ".")
		if host == "" { // "." says that the service is not available
			continue
		}
		ip, known := at[host]
		if !known {
			var valid time.Duration
			if ip, valid, err = s.address(ctx, host); err != nil {
				return answer{}, err
			}
			a.valid = min(a.valid, valid)
		}
		if !ip.IsValid() {
			continue
		}
		at[host] = ip
		port := strconv.Itoa(int(t.Port))
		a.backends = append(a.backends, proxy.BackendConfig{
			Name: backendName(strings.ToLower(net.JoinHostPort(host, port))), Addr: net.JoinHostPort(ip.String(), port),
			TLS:    &proxy.BackendTLS{Name: host},
			Weight: max(int(t.Weight), 1), Priority: int(t.Priority), // weight 0 is a small share here, not none
		})
	}
	s.at = at
	return a, nil
}

func (s *srvSource) close() {}

// targets queries the record itself. If a target and port occur twice, the first counts.
func (s *srvSource) targets(ctx context.Context) (all []*dns.SRV, valid time.Duration, err error) {
	conf, err := s.r.conf()
	if err != nil || s.r.server == "" && len(conf.Servers) == 0 {
		return nil, 0, fmt.Errorf("there is no name server in /etc/resolv.conf; name one with dns_server")
	}
	valid = forever
	for _, name := range conf.NameList(s.name) {
		records, ttl, err := s.r.query(ctx, conf, name, dns.TypeSRV)
		if err != nil {
			return nil, 0, err
		}
		valid = min(valid, ttl)
		for _, rr := range records {
			if srv, ok := rr.(*dns.SRV); ok && !slices.ContainsFunc(all, func(o *dns.SRV) bool {
				return strings.EqualFold(o.Target, srv.Target) && o.Port == srv.Port
			}) {
				all = append(all, srv)
			}
		}
		if len(all) > 0 {
			break
		}
	}
	return all, valid, nil
}

// address returns a target's address; the zero Addr: it has none.
func (s *srvSource) address(ctx context.Context, host string) (ip netip.Addr, valid time.Duration, err error) {
	all, valid, err := s.r.addresses(ctx, host+".") // a target is a fully qualified name
	if err != nil || len(all) == 0 {
		return ip, valid, err
	}
	if was, known := s.at[host]; known && slices.Contains(all, was) {
		return was, valid, nil
	}
	return all[0], valid, nil
}
