package mdns

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Interface is what became of a query on one interface.
type Interface struct {
	Name     string
	Addrs    []netip.Addr
	Sent     bool   // the system took the packet
	Received bool   // and gave a copy of it to the sockets on this machine
	Nodes    []Node // that have answered, of any mesh
	Problem  string
}

const (
	diagnoseFor = 1500 * time.Millisecond // an answer takes up to 120 ms, or a second more if it was given just before
	maxAnswers  = 64                      // on one interface
)

// Diagnose sends one query on each interface and returns what came back within a second and a half. An error says that
// no socket is to be had.
func Diagnose(ctx context.Context) ([]Interface, error) {
	ifaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	socks, err := openSockets()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, diagnoseFor)
	defer cancel()
	in, stop := socks.receive(ctx)
	defer stop()
	random := make([]byte, 8)
	rand.Read(random)
	mark := "doctor-" + hex.EncodeToString(random) + "." + serviceType // a known answer that identifies our own query
	var out []Interface
	byIndex := map[int]int{}
	for _, iface := range ifaces {
		if iface.Flags&net.FlagUp == 0 {
			continue
		}
		byIndex[iface.Index] = len(out)
		out = append(out, socks.queryOn(iface, mark))
	}
	for {
		select {
		case <-ctx.Done():
			return out, nil
		case d := <-in:
			if i, ok := byIndex[d.iface]; ok {
				out[i].handle(d, mark)
			}
		}
	}
}

func (s *sockets) queryOn(iface net.Interface, mark string) Interface {
	i := Interface{Name: iface.Name, Addrs: InterfaceAddrs(iface)}
	loopback := iface.Flags&net.FlagLoopback != 0
	switch {
	case len(i.Addrs) == 0:
		i.Problem = "it has no address"
		return i
	case iface.Flags&net.FlagMulticast == 0 && !loopback:
		i.Problem = "it has no multicast flag (ip link set " + iface.Name + " multicast on)"
		return i
	}
	if err := s.join(&iface); err != nil {
		i.Problem = "the multicast group cannot be joined: " + err.Error()
		return i
	}
	body, err := query([]string{mark}, false)
	if err == nil {
		err = s.send(&iface, body)
	}
	if err != nil {
		i.Problem = "multicast cannot be sent, for want of a route or because of a firewall: " + err.Error()
		return i
	}
	i.Sent = true
	return i
}

func (i *Interface) handle(d datagram, mark string) {
	p, _ := parsePacket(d.body) // anyone may send to port 5353: ignore what cannot be parsed
	if !p.response {
		i.Received = i.Received || slices.Contains(p.known, mark)
		return
	}
	for _, a := range p.announcements {
		known := func(n Node) bool { return n.ID == a.id }
		if a.goodbye || len(i.Nodes) == maxAnswers || slices.ContainsFunc(i.Nodes, known) {
			continue
		}
		i.Nodes = append(i.Nodes, a.node(net.Interface{Name: i.Name}, true))
	}
}
