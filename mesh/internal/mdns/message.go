package mdns

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Names of DNS-SD (RFC 6763). The type is the same for every mesh: it is limited to 15 characters, so the mesh's name
// is in the TXT record.
const (
	serviceType     = "_tcpctl._tcp.local."
	typeEnumeration = "_services._dns-sd._udp.local." // "which types are there?", RFC 6763 section 9
)

// TTLs as in section 10, in seconds.
const (
	ttlHost    = 120
	ttlService = 4500
	ttlLegacy  = 10 // section 6.7: for resolvers without multicast
	maxPacket  = 9000
	maxRecords = 256 // parsed in one packet

	classIN         = uint16(1)
	classAny        = uint16(255)
	classMask       = uint16(1<<15 - 1)
	cacheFlush      = uint16(1 << 15) // in an answer's class, section 10.2: the record set is complete
	unicastResponse = uint16(1 << 15) // in a question's class, section 5.4: answer by unicast

	txtVersion = "txtvers=1" // RFC 6763 section 6.7
)

// service is this node in DNS-SD's terms. Its instance and host names contain the id, so they are unique and need no
// probing (section 8.1): a node is found in milliseconds instead of a second.
type service struct {
	instance, host string
	mesh, id, name string
	port           uint16
}

func newService(c Config) service {
	tag := c.ID
	if len(tag) > 16 {
		tag = tag[:16]
	}
	tag = label(tag, 16)
	return service{
		instance: label(c.Name, 40) + "-" + tag + "." + serviceType,
		host:     "tcpctl-" + tag + ".local.",
		mesh:     c.Mesh, id: c.ID, name: c.Name, port: c.Listen.Port(),
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

// response encodes all records of the service, with one interface's addresses. A goodbye has TTL 0. An answer to a legacy
// resolver (section 6.7) repeats its id and question.
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
		return nil, fmt.Errorf("mdns: %w", err)
	}
	host, err := dnsmessage.NewName(s.host)
	if err != nil {
		return nil, fmt.Errorf("mdns: %w", err)
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
		return nil, fmt.Errorf("mdns: %w", err)
	}
	return m.Pack()
}

// typesResponse encodes an answer to typeEnumeration.
func typesResponse() ([]byte, error) {
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}, Answers: []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(typeEnumeration), Class: dnsmessage.ClassINET, TTL: ttlService},
		Body:   &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(serviceType)},
	}}}
	return m.Pack()
}

// query asks for all instances, and lists those already known, which need not answer (section 7.1). The first query asks
// for unicast answers, which need no delay (section 5.4).
func query(known []string, first bool) ([]byte, error) {
	class := classIN
	if first {
		class |= unicastResponse
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
