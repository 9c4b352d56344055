package mdns

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// responder sends this node's answers and queries on all interfaces.
type responder struct {
	Config
	socks      *sockets
	service    service
	interfaces map[int]*ifaceState // by index
	updateAt   time.Time
}

// runDue does what is due and returns when it must be called again.
func (r *responder) runDue(now time.Time) time.Time {
	if !now.Before(r.updateAt) {
		r.updateInterfaces(now)
		r.updateAt = now.Add(updateEvery)
	}
	next := r.updateAt
	for _, i := range r.interfaces {
		if t := r.runDueOn(i, now); t.Before(next) {
			next = t
		}
	}
	return next
}

func (r *responder) runDueOn(i *ifaceState, now time.Time) (next time.Time) {
	if i.announces > 0 && !now.Before(i.announceAt) {
		i.announces--
		i.announceAt = now.Add(time.Second) // section 8.3: at least twice, a second apart
		r.sendRecords(i, now)
	}
	if !i.answerAt.IsZero() && !now.Before(i.answerAt) {
		r.sendRecords(i, now)
	}
	if !now.Before(i.queryAt) {
		if body, err := query(i.knownAnswers(now), i.queryWait == 0); err == nil {
			i.err = r.socks.send(&i.Interface, body)
		}
		i.queryWait = min(max(time.Second, 2*i.queryWait), longestQueryWait)
		i.queryAt = now.Add(i.queryWait)
		r.warn()
	}
	next = i.queryAt
	if i.announces > 0 && i.announceAt.Before(next) {
		next = i.announceAt
	}
	if !i.answerAt.IsZero() && i.answerAt.Before(next) {
		next = i.answerAt
	}
	return next
}

// sendRecords multicasts our records on the interface.
func (r *responder) sendRecords(i *ifaceState, now time.Time) {
	i.answerAt, i.sentAt = time.Time{}, now
	if body, err := r.service.response(i.addrs, false, nil); err == nil {
		i.err = r.socks.send(&i.Interface, body)
	}
}

// warn reports why no node can be found if every interface but loopback has failed.
func (r *responder) warn() {
	var errs []string
	usable := 0
	for _, i := range r.interfaces {
		if i.err != nil {
			errs = append(errs, fmt.Sprintf("%s: %v", i.Name, i.err))
		} else if !i.loopback() || r.Listen.Addr().IsLoopback() {
			usable++
		}
	}
	switch {
	case usable > 0:
		r.Warn("")
	case len(errs) > 0:
		slices.Sort(errs)
		r.Warn("multicast cannot be sent: " + strings.Join(errs, "; "))
	default:
		r.Warn("no interface with multicast is up: only nodes on this machine are found")
	}
}

func (r *responder) handle(d datagram) {
	p, err := parsePacket(d.body)
	if err != nil && len(p.questions) == 0 && len(p.announcements) == 0 {
		return // anyone may send to port 5353
	}
	i := r.interfaces[d.iface]
	if d.iface == 0 {
		i = r.interfaceOf(d.from.Addr())
	}
	if i == nil {
		return
	}
	if p.response {
		r.handleResponse(i, p.announcements)
		return
	}
	for _, q := range p.questions {
		r.answer(i, d, p, q)
	}
}

func (r *responder) handleResponse(i *ifaceState, all []announcement) {
	for _, a := range all {
		if strings.EqualFold(a.instance, r.service.instance) {
			continue
		}
		if a.goodbye {
			delete(i.known, a.instance)
			continue
		}
		if len(i.known) < maxKnown {
			i.known[a.instance] = time.Now()
		}
		if a.mesh == r.Mesh {
			r.Found(a.node(i.Interface, i.loopback()))
		}
	}
}

func (r *responder) answer(i *ifaceState, d datagram, p packet, q dnsmessage.Question) {
	name := q.Name.String()
	if class := uint16(q.Class) & classMask; class != classIN && class != classAny {
		return
	}
	is := func(want string, types ...dnsmessage.Type) bool {
		return strings.EqualFold(name, want) && (q.Type == dnsmessage.TypeALL || slices.Contains(types, q.Type))
	}
	shared := is(serviceType, dnsmessage.TypePTR)
	ours := is(r.service.instance, dnsmessage.TypeSRV, dnsmessage.TypeTXT) || is(r.service.host, dnsmessage.TypeA, dnsmessage.TypeAAAA)
	switch {
	case is(typeEnumeration, dnsmessage.TypePTR):
		if body, err := typesResponse(); err == nil {
			i.err = r.socks.send(&i.Interface, body)
		}
	case !shared && !ours:
	case d.from.Port() != 5353:
		legacy := &dnsmessage.Message{Header: dnsmessage.Header{ID: p.id}, Questions: []dnsmessage.Question{q}}
		if body, err := r.service.response(i.addrs, false, legacy); err == nil {
			r.socks.sendTo(d.from, body)
		}
	case shared && uint16(q.Class)&unicastResponse != 0 && time.Since(i.sentAt) < ttlService*time.Second/4:
		if body, err := r.service.response(i.addrs, false, nil); err == nil {
			r.socks.sendTo(d.from, body)
		}
		if slices.Contains(i.addrs, d.from.Addr()) {
			i.scheduleAnswer(time.Now(), shared) // another process on this machine may have received it instead
		}
	case shared && slices.ContainsFunc(p.known, func(k string) bool { return strings.EqualFold(k, r.service.instance) }):
	default:
		i.scheduleAnswer(time.Now(), shared)
	}
}

// scheduleAnswer sets answerAt: where many nodes may answer, each waits 20 to 120 ms, and none answers twice
// within a second (section 6).
func (i *ifaceState) scheduleAnswer(now time.Time, shared bool) {
	at := now
	if shared {
		at = now.Add(20*time.Millisecond + rand.N(100*time.Millisecond))
	}
	if again := i.sentAt.Add(time.Second); at.Before(again) && !i.loopback() {
		at = again
	}
	if i.answerAt.IsZero() || at.Before(i.answerAt) {
		i.answerAt = at
	}
}

// goodbye announces on every interface that our records are no longer valid (section 10.1).
func (r *responder) goodbye() {
	for _, i := range r.interfaces {
		if body, err := r.service.response(i.addrs, true, nil); err == nil {
			_ = r.socks.send(&i.Interface, body) // connected peers already have our goodbye
		}
	}
}

// node returns the node announced on iface. Its loopback addresses count only if the announcement came over loopback.
func (a *announcement) node(iface net.Interface, loopback bool) Node {
	n := Node{Mesh: a.mesh, ID: a.id, Name: a.name}
	for _, ip := range a.addrs {
		if loopback || !ip.IsLoopback() {
			n.Addrs = append(n.Addrs, netip.AddrPortFrom(withZone(ip, iface), a.port))
		}
	}
	return n
}
