package mesh

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// MDNS is the source that needs nothing configured: multicast DNS service discovery (RFC 6762 and 6763), on every interface
// that is up, also when it comes late. `avahi-browse -r _tcpctl._tcp` shows the same nodes.
func MDNS() Source { return mdns{} }

type mdns struct{}

func (mdns) Name() string { return sourceMDNS }

// Run is one goroutine that keeps all state, and one for each socket that reads.
func (mdns) Run(ctx context.Context, self Self, r Reporter) error {
	socks, err := openSockets()
	if err != nil {
		return err
	}
	s := &speaker{socks: socks, self: self, service: newService(self), report: r, ports: map[int]*port{}}
	in := make(chan datagram)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer socks.close()
	if socks.v4 != nil {
		wg.Go(func() { socks.read4(in, ctx.Done()) })
	}
	if socks.v6 != nil {
		wg.Go(func() { socks.read6(in, ctx.Done()) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			s.goodbye()
			return nil
		case d := <-in:
			s.hear(d)
		case <-timer.C:
		}
		timer.Reset(time.Until(s.work(time.Now())))
	}
}

const (
	lookEvery   = time.Second // for interfaces that have come, gone or changed
	maxPorts    = 64
	maxKnown    = 64 // instances that a query names
	longestWait = time.Minute
)

// speaker speaks for this node on all interfaces.
type speaker struct {
	socks   *sockets
	self    Self
	service service
	report  Reporter
	ports   map[int]*port
	lookAt  time.Time
}

// port is one interface.
type port struct {
	iface      net.Interface
	addrs      []netip.Addr
	err        error
	announces  int // still to send
	announceAt time.Time
	queryAt    time.Time
	queryWait  time.Duration
	answerAt   time.Time // zero: nobody waits for an answer
	spokeAt    time.Time // of the last multicast of our records
	known      map[string]time.Time
}

// work does what is due and returns when the next thing is.
func (s *speaker) work(now time.Time) time.Time {
	if !now.Before(s.lookAt) {
		s.look(now)
		s.lookAt = now.Add(lookEvery)
	}
	next := s.lookAt
	for _, p := range s.ports {
		if t := s.workOn(p, now); t.Before(next) {
			next = t
		}
	}
	return next
}

func (s *speaker) workOn(p *port, now time.Time) (next time.Time) {
	if p.announces > 0 && !now.Before(p.announceAt) {
		p.announces--
		p.announceAt = now.Add(time.Second) // RFC 6762 section 8.3: at least twice, a second apart
		s.speak(p, now)
	}
	if !p.answerAt.IsZero() && !now.Before(p.answerAt) {
		s.speak(p, now)
	}
	if !now.Before(p.queryAt) {
		if body, err := query(p.knownNow(now), p.queryWait == 0); err == nil {
			p.err = s.socks.send(&p.iface, body)
		}
		p.queryWait = min(max(time.Second, 2*p.queryWait), longestWait)
		p.queryAt = now.Add(p.queryWait)
		s.warn()
	}
	next = p.queryAt
	if p.announces > 0 && p.announceAt.Before(next) {
		next = p.announceAt
	}
	if !p.answerAt.IsZero() && p.answerAt.Before(next) {
		next = p.answerAt
	}
	return next
}

// speak multicasts our records on the interface.
func (s *speaker) speak(p *port, now time.Time) {
	p.answerAt, p.spokeAt = time.Time{}, now
	if body, err := s.service.response(p.addrs, false, nil); err == nil {
		p.err = s.socks.send(&p.iface, body)
	}
}

// look finds the interfaces. On one that is new or has new addresses everything begins again: others may have come with it.
func (s *speaker) look(now time.Time) {
	seen := map[int]bool{}
	ifaces, err := net.Interfaces()
	if err != nil {
		return // as before
	}
	for _, iface := range ifaces {
		addrs := announcedOn(iface, s.self.Listen.Addr())
		if len(addrs) == 0 || len(seen) == maxPorts {
			continue
		}
		seen[iface.Index] = true
		p := s.ports[iface.Index]
		if p == nil {
			p = &port{known: map[string]time.Time{}}
			s.ports[iface.Index] = p
		} else if slices.Equal(p.addrs, addrs) && p.err == nil {
			continue
		}
		again := p.err != nil && slices.Equal(p.addrs, addrs) // as an IPv6 address does that is still being checked
		p.iface, p.addrs = iface, addrs
		p.err = s.socks.join(&iface)
		if !again || p.err == nil {
			p.announces, p.announceAt = 2, now
			p.queryAt, p.queryWait = now, 0
			clear(p.known)
		}
	}
	for i := range s.ports {
		if !seen[i] {
			delete(s.ports, i)
		}
	}
	s.warn()
}

// announcedOn are the addresses to announce on an interface: none, if it is not for us. A node that listens on all
// addresses is also found over loopback, by those that listen there only.
func announcedOn(iface net.Interface, listen netip.Addr) []netip.Addr {
	loopback := iface.Flags&net.FlagLoopback != 0
	if iface.Flags&net.FlagUp == 0 || iface.Flags&net.FlagMulticast == 0 && !loopback {
		return nil // Linux' loopback has no multicast flag, and does it all the same
	}
	addrs := addrsOf(iface)
	switch {
	case listen.IsUnspecified():
		return addrs
	case loopback || slices.Contains(addrs, listen):
		return []netip.Addr{listen}
	}
	return nil
}

// warn puts into the status why nobody can be found, if that is so on every interface but loopback.
func (s *speaker) warn() {
	var errs []string
	usable := 0
	for _, p := range s.ports {
		if p.err != nil {
			errs = append(errs, fmt.Sprintf("%s: %v", p.iface.Name, p.err))
		} else if p.iface.Flags&net.FlagLoopback == 0 || s.self.Listen.Addr().IsLoopback() {
			usable++
		}
	}
	switch {
	case usable > 0:
		s.report.Warn("")
	case len(errs) > 0:
		slices.Sort(errs)
		s.report.Warn("multicast does not leave: " + strings.Join(errs, "; "))
	default:
		s.report.Warn("no interface with multicast is up: only nodes on this machine are found")
	}
}

// hear takes one packet.
func (s *speaker) hear(d datagram) {
	p, err := parsePacket(d.body)
	if err != nil && len(p.questions) == 0 && len(p.nodes) == 0 {
		return // port 5353 is everybody's
	}
	on := s.ports[d.iface]
	if d.iface == 0 {
		on = s.portFor(d.from.Addr())
	}
	if on == nil {
		return
	}
	if p.response {
		s.meet(on, p.nodes)
		return
	}
	for _, q := range p.questions {
		s.answer(on, d, p, q)
	}
}

// portFor guesses, where the system does not tell.
func (s *speaker) portFor(from netip.Addr) *port {
	for _, p := range s.ports {
		if from.Zone() == p.iface.Name || slices.Contains(p.addrs, from) {
			return p
		}
	}
	for _, p := range s.ports {
		if p.iface.Flags&net.FlagLoopback == 0 {
			return p
		}
	}
	return nil
}

func (s *speaker) meet(on *port, nodes []announced) {
	for _, a := range nodes {
		if strings.EqualFold(a.instance, s.service.instance) {
			continue
		}
		if a.goodbye {
			delete(on.known, a.instance)
			continue
		}
		if len(on.known) < maxKnown {
			on.known[a.instance] = time.Now()
		}
		if a.mesh != s.self.Mesh {
			continue
		}
		sighting := Sighting{ID: a.id, Name: a.name}
		for _, ip := range a.addrs {
			if ip.IsLinkLocalUnicast() && ip.Is6() {
				ip = ip.WithZone(on.iface.Name)
			}
			if !ip.IsLoopback() || on.iface.Flags&net.FlagLoopback != 0 {
				sighting.Addrs = append(sighting.Addrs, netip.AddrPortFrom(ip, a.port))
			}
		}
		s.report.Found(sighting)
	}
}

// knownNow are those that need not answer a query: they were heard less than half their time to live ago.
func (p *port) knownNow(now time.Time) []string {
	var out []string
	for instance, at := range p.known {
		if now.Sub(at) > ttlService*time.Second/2 {
			delete(p.known, instance)
			continue
		}
		out = append(out, instance)
	}
	return out
}

func (s *speaker) answer(on *port, d datagram, p packet, q dnsmessage.Question) {
	name := q.Name.String()
	if class := uint16(q.Class) & classMask; class != classIN && class != classAny {
		return
	}
	is := func(want string, types ...dnsmessage.Type) bool {
		return strings.EqualFold(name, want) && (q.Type == dnsmessage.TypeALL || slices.Contains(types, q.Type))
	}
	shared := is(serviceType, dnsmessage.TypePTR)
	ours := is(s.service.instance, dnsmessage.TypeSRV, dnsmessage.TypeTXT) || is(s.service.host, dnsmessage.TypeA, dnsmessage.TypeAAAA)
	switch {
	case is(metaType, dnsmessage.TypePTR):
		if body, err := metaResponse(); err == nil {
			on.err = s.socks.send(&on.iface, body)
		}
	case !shared && !ours:
	case d.from.Port() != 5353:
		legacy := &dnsmessage.Message{Header: dnsmessage.Header{ID: p.id}, Questions: []dnsmessage.Question{q}}
		if body, err := s.service.response(on.addrs, false, legacy); err == nil {
			s.socks.sendTo(d.from, body)
		}
	case shared && uint16(q.Class)&unicast != 0 && time.Since(on.spokeAt) < ttlService*time.Second/4:
		if body, err := s.service.response(on.addrs, false, nil); err == nil {
			s.socks.sendTo(d.from, body)
		}
		if slices.ContainsFunc(on.addrs, func(a netip.Addr) bool { return a == d.from.Addr() }) {
			on.answerSoon(time.Now(), shared) // of several processes on this machine, another one may have got it
		}
	case shared && slices.ContainsFunc(p.known, func(k string) bool { return strings.EqualFold(k, s.service.instance) }):
	default:
		on.answerSoon(time.Now(), shared)
	}
}

// answerSoon: RFC 6762 section 6. Where many may answer, each waits 20 to 120 ms; and nobody says the same thing twice
// within a second.
func (p *port) answerSoon(now time.Time, shared bool) {
	at := now
	if shared {
		at = now.Add(20*time.Millisecond + rand.N(100*time.Millisecond))
	}
	if again := p.spokeAt.Add(time.Second); at.Before(again) && p.iface.Flags&net.FlagLoopback == 0 {
		at = again
	}
	if p.answerAt.IsZero() || at.Before(p.answerAt) {
		p.answerAt = at
	}
}

// goodbye says on every interface that our records are no more (RFC 6762 section 10.1).
func (s *speaker) goodbye() {
	for _, p := range s.ports {
		if body, err := s.service.response(p.addrs, true, nil); err == nil {
			_ = s.socks.send(&p.iface, body) // the links have said it already
		}
	}
}
