package mdns

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/tcpctl/tcpctl/mesh/internal/plain"
)

// maxAddrs is the most addresses of one node.
const maxAddrs = 16

// packet is the part of a multicast packet that concerns us.
type packet struct {
	id            uint16
	response      bool
	questions     []dnsmessage.Question
	known         []string // instances that a query lists as known
	announcements []announcement
}

// announcement is one node in a response.
type announcement struct {
	instance, host string
	mesh, id, name string
	port           uint16
	addrs          []netip.Addr
	goodbye        bool
}

// parsePacket parses untrusted input. Records of other services are skipped. At one that cannot be parsed it stops and
// keeps what came before: other services have names that dnsmessage does not accept.
func parsePacket(b []byte) (packet, error) {
	var p dnsmessage.Parser
	head, err := p.Start(b)
	if err != nil {
		return packet{}, fmt.Errorf("mdns: %w", err)
	}
	out := packet{id: head.ID, response: head.Response}
	for range maxRecords {
		q, err := p.Question()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		if err != nil {
			return out, fmt.Errorf("mdns: %w", err)
		}
		out.questions = append(out.questions, q)
	}
	r := records{byInstance: map[string]*announcement{}, hosts: map[string][]netip.Addr{}}
	readErr := r.readAll(&p)
	out.known = r.pointers
	if head.Response {
		out.announcements = r.announcements()
	}
	return out, readErr
}

// records collects a packet's records.
type records struct {
	pointers   []string
	byInstance map[string]*announcement
	order      []*announcement
	hosts      map[string][]netip.Addr
}

func (r *records) readAll(p *dnsmessage.Parser) error {
	sections := []struct {
		next func() (dnsmessage.Resource, error)
		skip func() error
	}{{p.Answer, p.SkipAllAnswers}, {p.Authority, p.SkipAllAuthorities}, {p.Additional, p.SkipAllAdditionals}}
	if err := p.SkipAllQuestions(); err != nil {
		return fmt.Errorf("mdns: %w", err)
	}
	remaining := maxRecords
	for _, s := range sections {
		for ; remaining > 0; remaining-- {
			rr, err := s.next()
			if errors.Is(err, dnsmessage.ErrSectionDone) {
				break
			}
			if err != nil {
				return fmt.Errorf("mdns: %w", err)
			}
			r.add(rr)
		}
		if err := s.skip(); err != nil {
			return fmt.Errorf("mdns: %w", err)
		}
	}
	return nil
}

func (r *records) instance(name string) *announcement {
	if !isInstance(name) {
		return nil
	}
	a := r.byInstance[name]
	if a == nil {
		a = &announcement{instance: name}
		r.byInstance[name] = a
		r.order = append(r.order, a)
	}
	return a
}

func isInstance(name string) bool {
	return len(name) > len(serviceType) && strings.EqualFold(name[len(name)-len(serviceType):], serviceType)
}

func (r *records) add(rr dnsmessage.Resource) {
	name := rr.Header.Name.String()
	switch body := rr.Body.(type) {
	case *dnsmessage.PTRResource:
		if strings.EqualFold(name, serviceType) && isInstance(body.PTR.String()) {
			r.pointers = append(r.pointers, body.PTR.String())
			r.instance(body.PTR.String()).goodbye = rr.Header.TTL == 0
		}
	case *dnsmessage.SRVResource:
		if a := r.instance(name); a != nil {
			a.port, a.host = body.Port, body.Target.String()
		}
	case *dnsmessage.TXTResource:
		if a := r.instance(name); a != nil {
			a.readText(body.TXT)
		}
	case *dnsmessage.AResource:
		r.hosts[name] = append(r.hosts[name], netip.AddrFrom4(body.A))
	case *dnsmessage.AAAAResource:
		r.hosts[name] = append(r.hosts[name], netip.AddrFrom16(body.AAAA).Unmap())
	}
}

func (a *announcement) readText(txt []string) {
	for _, t := range txt {
		key, value, _ := strings.Cut(t, "=")
		switch {
		case strings.EqualFold(key, "mesh") && plain.Name(value):
			a.mesh = value
		case strings.EqualFold(key, "id") && plain.ID(value):
			a.id = value
		case strings.EqualFold(key, "node") && plain.Name(value):
			a.name = value
		}
	}
}

// announcements returns the goodbyes, and the announcements whose records are all in this packet, as our responders send them.
func (r *records) announcements() []announcement {
	var out []announcement
	for _, a := range r.order {
		a.addrs = r.hosts[a.host]
		if len(a.addrs) > maxAddrs {
			a.addrs = a.addrs[:maxAddrs]
		}
		if a.goodbye || a.id != "" && a.mesh != "" && a.port != 0 && len(a.addrs) > 0 {
			out = append(out, *a)
		}
	}
	return out
}
