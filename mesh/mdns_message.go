package mesh

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// The names of DNS-SD (RFC 6763). The type is the same for every mesh: type names end at 15 characters, so the mesh's
// name is in the TXT record.
const (
	serviceType = "_tcpctl._tcp.local."
	metaType    = "_services._dns-sd._udp.local." // "which types are there?", RFC 6763 section 9
)

// The times to live are those of RFC 6762 section 10, in seconds; the sections below are of it too.
const (
	ttlHost    = 120
	ttlService = 4500
	ttlLegacy  = 10 // section 6.7: for resolvers that know no multicast
	maxPacket  = 9000
	maxRecords = 256 // of one packet are looked at

	classIN    = uint16(1)
	classAny   = uint16(255)
	classMask  = uint16(1<<15 - 1)
	cacheFlush = uint16(1 << 15) // in an answer's class, section 10.2: this is the whole set
	unicast    = uint16(1 << 15) // in a question's, section 5.4: answer me alone

	txtVersion = "txtvers=1" // RFC 6763 section 6.7
)

// service is a node as DNS-SD knows it: its instance and host names have its id in them, so that they are nobody else's,
// and need no probing. That is why a node is seen in milliseconds and not in a second.
type service struct {
	instance, host string
	mesh, id, name string
	port           uint16
}

func newService(s Self) service {
	tag := s.ID
	if len(tag) > 16 {
		tag = tag[:16]
	}
	tag = label(tag, 16)
	return service{
		instance: label(s.Name, 40) + "-" + tag + "." + serviceType,
		host:     "tcpctl-" + tag + ".local.",
		mesh:     s.Mesh, id: s.ID, name: s.Name, port: s.Listen.Port(),
	}
}

// label makes one label of a name: without dots, and not too long.
func label(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r == '.' || r == '\\' || r > 126 || r <= ' ' {
			return '-'
		}
		return r
	}, s)
	return s[:min(len(s), limit)]
}

// response has all records of the service, for one interface's addresses. ttl 0 is a goodbye. A legacy answer repeats id
// and question.
func (s service) response(addrs []netip.Addr, goodbye bool, legacy *dnsmessage.Message) ([]byte, error) {
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}}
	limit, flush := uint32(ttlService), cacheFlush
	if goodbye {
		limit = 0
	}
	if legacy != nil {
		m.ID, m.Questions = legacy.ID, legacy.Questions
		limit, flush = ttlLegacy, 0
	}
	add := func(name string, class uint16, ttl uint32, body dnsmessage.ResourceBody) error {
		n, err := dnsmessage.NewName(name)
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: n, Class: dnsmessage.Class(class), TTL: min(ttl, limit)}, Body: body,
		})
		return err
	}
	instance, err := dnsmessage.NewName(s.instance)
	if err != nil {
		return nil, fmt.Errorf("mesh: mdns: %w", err)
	}
	host, err := dnsmessage.NewName(s.host)
	if err != nil {
		return nil, fmt.Errorf("mesh: mdns: %w", err)
	}
	errs := []error{
		add(serviceType, classIN, ttlService, &dnsmessage.PTRResource{PTR: instance}),
		add(s.instance, classIN|flush, ttlHost, &dnsmessage.SRVResource{Port: s.port, Target: host}),
		add(s.instance, classIN|flush, ttlService, &dnsmessage.TXTResource{
			TXT: []string{txtVersion, "mesh=" + s.mesh, "id=" + s.id, "node=" + s.name},
		}),
	}
	for _, a := range addrs {
		if a.Is4() {
			errs = append(errs, add(s.host, classIN|flush, ttlHost, &dnsmessage.AResource{A: a.As4()}))
		} else {
			errs = append(errs, add(s.host, classIN|flush, ttlHost, &dnsmessage.AAAAResource{AAAA: a.As16()}))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("mesh: mdns: %w", err)
	}
	return m.Pack()
}

// metaResponse says that there is our type.
func metaResponse() ([]byte, error) {
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}, Answers: []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(metaType), Class: dnsmessage.ClassINET, TTL: ttlService},
		Body:   &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(serviceType)},
	}}}
	return m.Pack()
}

// query asks who is there, and names those that we know: they need not answer (RFC 6762 section 7.1). The first asks for
// answers to us alone, which may come at once (section 5.4).
func query(known []string, first bool) ([]byte, error) {
	class := classIN
	if first {
		class |= unicast
	}
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName(serviceType), Type: dnsmessage.TypePTR, Class: dnsmessage.Class(class),
	}}}
	for _, instance := range known {
		name, err := dnsmessage.NewName(instance)
		if err != nil {
			continue
		}
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(serviceType), Class: dnsmessage.ClassINET, TTL: ttlService},
			Body:   &dnsmessage.PTRResource{PTR: name},
		})
	}
	return m.Pack()
}

// packet is what one multicast packet says that concerns us.
type packet struct {
	id        uint16
	response  bool
	questions []dnsmessage.Question
	known     []string // instances that a query names as known
	nodes     []announced
}

// announced is one node in a response.
type announced struct {
	instance, host string
	mesh, id, name string
	port           uint16
	addrs          []netip.Addr
	goodbye        bool
}

// parsePacket reads what anybody on the network may have sent. What does not concern us is skipped; what cannot be read
// ends the reading, and what came before it counts: other people's names may be ones that we cannot read.
func parsePacket(b []byte) (packet, error) {
	var p dnsmessage.Parser
	head, err := p.Start(b)
	if err != nil {
		return packet{}, fmt.Errorf("mesh: mdns: %w", err)
	}
	out := packet{id: head.ID, response: head.Response}
	for range maxRecords {
		q, err := p.Question()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		if err != nil {
			return out, fmt.Errorf("mesh: mdns: %w", err)
		}
		out.questions = append(out.questions, q)
	}
	r := records{byInstance: map[string]*announced{}, hosts: map[string][]netip.Addr{}}
	readErr := r.readAll(&p)
	out.known = r.pointers
	if head.Response {
		out.nodes = r.nodes()
	}
	return out, readErr
}

// records gathers a packet's records.
type records struct {
	pointers   []string
	byInstance map[string]*announced
	order      []*announced
	hosts      map[string][]netip.Addr
}

func (r *records) readAll(p *dnsmessage.Parser) error {
	sections := []struct {
		next func() (dnsmessage.Resource, error)
		skip func() error
	}{{p.Answer, p.SkipAllAnswers}, {p.Authority, p.SkipAllAuthorities}, {p.Additional, p.SkipAllAdditionals}}
	if err := p.SkipAllQuestions(); err != nil {
		return fmt.Errorf("mesh: mdns: %w", err)
	}
	left := maxRecords
	for _, s := range sections {
		for ; left > 0; left-- {
			rr, err := s.next()
			if errors.Is(err, dnsmessage.ErrSectionDone) {
				break
			}
			if err != nil {
				return fmt.Errorf("mesh: mdns: %w", err)
			}
			r.add(rr)
		}
		if err := s.skip(); err != nil {
			return fmt.Errorf("mesh: mdns: %w", err)
		}
	}
	return nil
}

func (r *records) instance(name string) *announced {
	if !isInstance(name) {
		return nil
	}
	a := r.byInstance[name]
	if a == nil {
		a = &announced{instance: name}
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

func (a *announced) readText(txt []string) {
	for _, t := range txt {
		key, value, _ := strings.Cut(t, "=")
		switch {
		case strings.EqualFold(key, "mesh") && plain(value, maxName):
			a.mesh = value
		case strings.EqualFold(key, "id") && plainID(value):
			a.id = value
		case strings.EqualFold(key, "node") && plain(value, maxName):
			a.name = value
		}
	}
}

// nodes are those of which the packet says all. Our own responders always do.
func (r *records) nodes() []announced {
	var out []announced
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
