// Package mdns makes mesh nodes known to each other by DNS-SD over multicast DNS (RFC 6763 and RFC 6762; section numbers
// in this package are of the latter unless another is named), on every interface that is up. `avahi-browse -r _tcpctl._tcp`
// shows the same nodes.
package mdns

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Node is one node as it announces itself. Nothing of it is proved.
type Node struct {
	Mesh, ID, Name string
	Addrs          []netip.AddrPort
}

// Config is what Run announces, and where it reports.
type Config struct {
	Mesh, ID, Name string
	Listen         netip.AddrPort // an unspecified address is all interfaces
	Found          func(Node)     // a node of the same mesh, again at each of its announcements
	Warn           func(string)   // why no node can be found now; "" takes it back
}

// Run answers, announces and queries until ctx ends, and then says goodbye. It fails when there is no socket. Found and
// Warn are called on its goroutine, and must not block.
//
// One goroutine keeps all state, and one for each socket reads.
func Run(ctx context.Context, c Config) error {
	socks, err := openSockets()
	if err != nil {
		return err
	}
	r := &responder{Config: c, socks: socks, service: newService(c), interfaces: map[int]*ifaceState{}}
	in, stop := socks.receive(ctx)
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			r.goodbye()
			return nil
		case d := <-in:
			r.handle(d)
		case <-timer.C:
		}
		timer.Reset(time.Until(r.runDue(time.Now())))
	}
}

// receive reads both sockets until stop, which closes them.
func (s *sockets) receive(ctx context.Context) (in <-chan datagram, stop func()) {
	ch := make(chan datagram)
	var wg sync.WaitGroup
	if s.v4 != nil {
		wg.Go(func() { read(s.v4.ReadFrom, func(c *ipv4.ControlMessage) int { return c.IfIndex }, ch, ctx.Done()) })
	}
	if s.v6 != nil {
		wg.Go(func() { read(s.v6.ReadFrom, func(c *ipv6.ControlMessage) int { return c.IfIndex }, ch, ctx.Done()) })
	}
	return ch, func() {
		s.close()
		wg.Wait()
	}
}

// InterfaceAddrs are the addresses of an interface that is up; IPv6 link-local ones carry its name as their zone.
func InterfaceAddrs(iface net.Interface) []netip.Addr {
	if iface.Flags&net.FlagUp == 0 {
		return nil
	}
	addrs, err := iface.Addrs()
	if err != nil {
		return nil // it has gone
	}
	var out []netip.Addr
	for _, a := range addrs {
		ipnet, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if ip, ok := netip.AddrFromSlice(ipnet.IP); ok {
			out = append(out, withZone(ip.Unmap(), iface))
		}
	}
	return out
}

// withZone adds the zone of iface to a link-local address, so that it can be dialled.
func withZone(ip netip.Addr, iface net.Interface) netip.Addr {
	if ip.Is6() && ip.IsLinkLocalUnicast() {
		return ip.WithZone(iface.Name)
	}
	return ip
}
