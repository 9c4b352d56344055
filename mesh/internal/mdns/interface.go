package mdns

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	updateEvery      = time.Second // checks for interfaces that came, went or changed
	maxInterfaces    = 64
	maxKnown         = 64 // known answers in a query
	longestQueryWait = time.Minute
)

// ifaceState is the responder's state for one interface.
type ifaceState struct {
	net.Interface
	addrs      []netip.Addr // to announce
	err        error        // from the last join or send
	announces  int          // left to send
	announceAt time.Time
	queryAt    time.Time
	queryWait  time.Duration
	answerAt   time.Time            // zero: no question waits for an answer
	sentAt     time.Time            // of the last multicast of our records
	known      map[string]time.Time // instances, with the time each was last announced
}

func (i *ifaceState) loopback() bool { return i.Flags&net.FlagLoopback != 0 }

// knownAnswers are the instances that need not answer a query: they were heard less than half their time to live ago
// (section 7.1).
func (i *ifaceState) knownAnswers(now time.Time) []string {
	var out []string
	for instance, at := range i.known {
		if now.Sub(at) > ttlService*time.Second/2 {
			delete(i.known, instance)
			continue
		}
		out = append(out, instance)
	}
	return out
}

// updateInterfaces starts over on each interface that is new or has other addresses: other nodes may be behind it.
func (r *responder) updateInterfaces(now time.Time) {
	seen := map[int]bool{}
	ifaces, err := net.Interfaces()
	if err != nil {
		return // keep those of before
	}
	for _, iface := range ifaces {
		addrs := announcedOn(iface, r.Listen.Addr())
		if len(addrs) == 0 || len(seen) == maxInterfaces {
			continue
		}
		seen[iface.Index] = true
		i := r.interfaces[iface.Index]
		if i == nil {
			i = &ifaceState{known: map[string]time.Time{}}
			r.interfaces[iface.Index] = i
		} else if slices.Equal(i.addrs, addrs) && i.err == nil {
			continue
		}
		retry := i.err != nil && slices.Equal(i.addrs, addrs) // an IPv6 address fails during duplicate address detection
		i.Interface, i.addrs = iface, addrs
		i.err = r.socks.join(&iface)
		if !retry || i.err == nil {
			i.announces, i.announceAt = 2, now
			i.queryAt, i.queryWait = now, 0
			clear(i.known)
		}
	}
	maps.DeleteFunc(r.interfaces, func(index int, _ *ifaceState) bool { return !seen[index] })
	r.warn()
}

// announcedOn returns the addresses to announce on an interface; none if it should not be used. A node that listens on
// all addresses is also announced on loopback, for nodes that listen only there.
func announcedOn(iface net.Interface, listen netip.Addr) []netip.Addr {
	loopback := iface.Flags&net.FlagLoopback != 0
	if iface.Flags&net.FlagUp == 0 || iface.Flags&net.FlagMulticast == 0 && !loopback {
		return nil // Linux's loopback has no multicast flag but carries multicast
	}
	addrs := InterfaceAddrs(iface)
	switch {
	case listen.IsUnspecified():
		return addrs
	case loopback || slices.Contains(addrs, listen):
		return []netip.Addr{listen}
	}
	return nil
}

// interfaceOf guesses a packet's interface on systems that do not report it.
func (r *responder) interfaceOf(from netip.Addr) *ifaceState {
	for _, i := range r.interfaces {
		if from.Zone() == i.Name || slices.Contains(i.addrs, from) {
			return i
		}
	}
	for _, i := range r.interfaces {
		if !i.loopback() {
			return i
		}
	}
	return nil
}
