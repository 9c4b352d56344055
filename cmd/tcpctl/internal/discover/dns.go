package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// resolver asks name servers, and returns the validity of their answers, too.
type resolver struct {
	server string // "host:port"; "": the system's servers and files
	// Replaced in tests: the timeout of one query (0: dnsTry), and what the system has.
	try   time.Duration
	conf  func() (*dns.ClientConfig, error)
	local func(ctx context.Context, host string) ([]netip.Addr, error) // only the hosts file
	names func(ctx context.Context, host string) ([]netip.Addr, error) // everything that the system knows
}

// newResolver makes a resolver of a valid Spec.
func newResolver(s *Spec) *resolver {
	r := &resolver{conf: systemConf, local: hostsFile, names: systemNames}
	if s.Server != "" {
		r.server, _ = serverAddr(s.Server)
		r.conf = func() (*dns.ClientConfig, error) { return &dns.ClientConfig{Ndots: 1}, nil }
	}
	return r
}

func systemConf() (*dns.ClientConfig, error) { return dns.ClientConfigFromFile("/etc/resolv.conf") }

func systemNames(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// hostsFile looks only into the hosts file, with a resolver that reaches no server.
func hostsFile(ctx context.Context, host string) ([]netip.Addr, error) {
	r := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("only the hosts file is asked")
	}}
	return r.LookupNetIP(ctx, "ip", host)
}

// serverAddr adds the port to an address of a name server.
func serverAddr(s string) (string, error) {
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return net.JoinHostPort(ip.String(), "53"), nil
	}
	addr, err := netip.ParseAddrPort(s)
	return addr.String(), err
}

// addresses returns a host's addresses, sorted, and how long they are valid. A host that does not
// exist has none, which is an answer. Names without a dot are left to the system, which has the
// hosts file and the search list for them.
func (r *resolver) addresses(ctx context.Context, host string) (all []netip.Addr, valid time.Duration, err error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}, forever, nil
	}
	if r.server == "" {
		if !strings.Contains(strings.TrimSuffix(host, "."), ".") {
			return r.systemAddresses(ctx, host)
		}
		if found, err := r.local(ctx, host); err == nil && len(found) > 0 {
			return tidy(found), forever, nil
		}
	}
	conf, err := r.conf()
	if err != nil || r.server == "" && len(conf.Servers) == 0 { // no resolv.conf: not a Unix system
		return r.systemAddresses(ctx, host)
	}
	valid = forever
	for _, name := range conf.NameList(host) {
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
			records, ttl, err := r.query(ctx, conf, name, kind)
			if err != nil {
				return nil, 0, err
			}
			valid = min(valid, ttl)
			for _, rr := range records {
				if ip, ok := addressOf(rr); ok {
					all = append(all, ip)
				}
			}
		}
		if len(all) > 0 {
			break
		}
	}
	return tidy(all), valid, nil
}

func (r *resolver) systemAddresses(ctx context.Context, host string) ([]netip.Addr, time.Duration, error) {
	found, err := r.names(ctx, host)
	if notFound, ok := errors.AsType[*net.DNSError](err); ok && notFound.IsNotFound {
		return nil, forever, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return tidy(found), forever, nil
}

func addressOf(rr dns.RR) (netip.Addr, bool) {
	var ip net.IP
	switch rr := rr.(type) {
	case *dns.A:
		ip = rr.A
	case *dns.AAAA:
		ip = rr.AAAA
	}
	a, ok := netip.AddrFromSlice(ip)
	return a.Unmap(), ok
}

// tidy sorts addresses, IPv4 first, and drops duplicates and those at which no backend can be
// reached.
func tidy(all []netip.Addr) []netip.Addr {
	out := []netip.Addr{}
	for _, a := range all {
		if a = a.Unmap(); a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() {
			out = append(out, a)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Less(out[j]) })
	return slices.Compact(out)
}

// maxAliases bounds the chain of CNAMEs of one name.
const maxAliases = 8

// query asks for a name's records of one kind, follows its aliases, and returns how long the answer
// is valid. A name that does not exist, or has no such record, gives an answer without records.
func (r *resolver) query(ctx context.Context, conf *dns.ClientConfig, name string, kind uint16) (records []dns.RR, valid time.Duration, err error) {
	valid = forever
	owner := name
	for range maxAliases {
		reply, err := r.exchange(ctx, conf, owner, kind)
		if err != nil {
			return nil, 0, err
		}
		asked := owner
		records = nil
		for range maxAliases { // an alias may come after its target's records
			next := owner
			for _, rr := range reply.Answer {
				h := rr.Header()
				if h.Class != dns.ClassINET || !strings.EqualFold(h.Name, owner) {
					continue
				}
				switch rr := rr.(type) {
				case *dns.CNAME:
					next, valid = rr.Target, min(valid, seconds(h.Ttl))
				default:
					if h.Rrtype == kind {
						records, valid = append(records, rr), min(valid, seconds(h.Ttl))
					}
				}
			}
			if next == owner || len(records) > 0 {
				break
			}
			owner = next
		}
		if len(records) > 0 || owner == asked {
			if len(records) == 0 {
				valid = min(valid, negative(reply))
			}
			return records, valid, nil
		}
	}
	return nil, 0, fmt.Errorf("%s has a chain of more than %d aliases", name, maxAliases)
}

func seconds(ttl uint32) time.Duration { return time.Duration(ttl) * time.Second }

// negative returns the validity of a negative answer (RFC 2308).
func negative(reply *dns.Msg) time.Duration {
	for _, rr := range reply.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(seconds(soa.Minttl), seconds(soa.Hdr.Ttl))
		}
	}
	return forever
}
