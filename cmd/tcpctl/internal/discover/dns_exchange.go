package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

const (
	dnsTry     = 2 * time.Second // timeout of one query to one server
	dnsRounds  = 2               // attempts with each server
	dnsPayload = 1232            // bytes of an answer by UDP (DNS Flag Day 2020)
)

// exchange asks the servers in turn until one answers. "No such name" is an answer; a server that
// fails, refuses or sends garbage has not answered.
func (r *resolver) exchange(ctx context.Context, conf *dns.ClientConfig, name string, kind uint16) (reply *dns.Msg, err error) {
	servers := []string{r.server}
	if r.server == "" {
		servers = nil
		for _, s := range conf.Servers {
			servers = append(servers, net.JoinHostPort(s, conf.Port))
		}
	}
	for range dnsRounds {
		for _, server := range servers {
			if ctx.Err() != nil {
				return nil, cmp.Or(err, ctx.Err())
			}
			reply, err = r.exchangeWith(ctx, server, name, kind)
			if err == nil {
				return reply, nil
			}
			err = fmt.Errorf("%s asked for %s of %s: %w", server, dns.TypeToString[kind], strings.TrimSuffix(name, "."), err)
		}
	}
	return nil, err
}

// exchangeWith asks one server, by TCP if the answer by UDP is truncated.
func (r *resolver) exchangeWith(ctx context.Context, server, name string, kind uint16) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), kind)
	m.SetEdns0(dnsPayload, false)
	reply, err := r.exchangeBy(ctx, "udp", server, m)
	if err == nil && reply.Truncated {
		reply, err = r.exchangeBy(ctx, "tcp", server, m)
	}
	if err == nil && reply.Rcode == dns.RcodeFormatError { // a server from before EDNS
		m.Extra = nil
		reply, err = r.exchangeBy(ctx, "udp", server, m)
		if err == nil && reply.Truncated {
			reply, err = r.exchangeBy(ctx, "tcp", server, m)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case reply.Truncated:
		return nil, errors.New("the answer is cut off even by TCP")
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return nil, errors.New(dns.RcodeToString[reply.Rcode])
	}
	return reply, nil
}

func (r *resolver) exchangeBy(ctx context.Context, network, server string, m *dns.Msg) (*dns.Msg, error) {
	try := cmp.Or(r.try, dnsTry)
	ctx, cancel := context.WithTimeout(ctx, try)
	defer cancel()
	c := dns.Client{Net: network, UDPSize: dnsPayload, Timeout: try}
	reply, _, err := c.ExchangeContext(ctx, m, server)
	if err != nil {
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			return nil, fmt.Errorf("no answer within %s", try)
		}
		if errno, ok := errors.AsType[syscall.Errno](err); ok {
			return nil, errno // without the ports, which differ each time
		}
		return nil, err
	}
	q := m.Question[0]
	if !reply.Response || len(reply.Question) != 1 || reply.Question[0].Qtype != q.Qtype || !strings.EqualFold(reply.Question[0].Name, q.Name) {
		return nil, errors.New("the answer is to another question")
	}
	return reply, nil
}
