package mdns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

var (
	group4 = net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	group6 = net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: 5353}
)

// sockets are the two multicast sockets, whose port is shared with other mDNS programs on this machine. One of them is nil
// on a host that has only one address family.
type sockets struct {
	v4 *ipv4.PacketConn
	v6 *ipv6.PacketConn
	mu sync.Mutex // the outgoing interface is set on the socket, as not every system has it per packet
}

type datagram struct {
	body  []byte
	from  netip.AddrPort
	iface int // its index; 0: unknown on this system
}

func openSockets() (*sockets, error) {
	s := &sockets{}
	c4, err4 := net.ListenUDP("udp4", &group4) // for a group, package net binds the wildcard and shares the port
	if err4 == nil {
		s.v4 = ipv4.NewPacketConn(c4)
		// On systems without an option its default is good enough.
		_ = s.v4.SetControlMessage(ipv4.FlagInterface, true)
		_ = s.v4.SetMulticastLoopback(true)
		_ = s.v4.SetMulticastTTL(255)
		_ = s.v4.SetTTL(255)
	}
	c6, err6 := net.ListenUDP("udp6", &group6)
	if err6 == nil {
		s.v6 = ipv6.NewPacketConn(c6)
		_ = s.v6.SetControlMessage(ipv6.FlagInterface, true)
		_ = s.v6.SetMulticastLoopback(true)
		_ = s.v6.SetMulticastHopLimit(255)
		_ = s.v6.SetHopLimit(255)
	}
	if s.v4 == nil && s.v6 == nil {
		return nil, fmt.Errorf("mdns: %w", errors.Join(err4, err6))
	}
	return s, nil
}

func (s *sockets) close() {
	if s.v4 != nil {
		s.v4.Close()
	}
	if s.v6 != nil {
		s.v6.Close()
	}
}

// join joins the groups on an interface; to join twice is no error. It fails if neither family could be joined.
func (s *sockets) join(iface *net.Interface) error {
	err4, err6 := errNoFamily, errNoFamily
	if s.v4 != nil {
		err4 = s.v4.JoinGroup(iface, &net.UDPAddr{IP: group4.IP})
	}
	if s.v6 != nil {
		err6 = s.v6.JoinGroup(iface, &net.UDPAddr{IP: group6.IP})
	}
	if joined(err4) || joined(err6) {
		return nil
	}
	return errors.Join(err4, err6)
}

var errNoFamily = errors.New("no such socket")

// send multicasts on one interface in both address families. It fails if neither worked.
func (s *sockets) send(iface *net.Interface, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err4, err6 := errNoFamily, errNoFamily
	if s.v4 != nil {
		if err4 = s.v4.SetMulticastInterface(iface); err4 == nil {
			s.v4.SetWriteDeadline(time.Now().Add(time.Second))
			_, err4 = s.v4.WriteTo(body, nil, &group4)
		}
	}
	if s.v6 != nil {
		if err6 = s.v6.SetMulticastInterface(iface); err6 == nil {
			s.v6.SetWriteDeadline(time.Now().Add(time.Second))
			_, err6 = s.v6.WriteTo(body, nil, &net.UDPAddr{IP: group6.IP, Port: group6.Port, Zone: iface.Name})
		}
	}
	if err4 == nil || err6 == nil {
		return nil
	}
	return errors.Join(err4, err6)
}

func (s *sockets) sendTo(to netip.AddrPort, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A node that misses an answer queries again.
	if to.Addr().Is4() && s.v4 != nil {
		_, _ = s.v4.WriteTo(body, nil, net.UDPAddrFromAddrPort(to))
	} else if to.Addr().Is6() && s.v6 != nil {
		_, _ = s.v6.WriteTo(body, nil, net.UDPAddrFromAddrPort(to))
	}
}

// read passes packets on until the socket is closed. interfaceOf is not called with nil, which is what the system does not tell.
func read[C any](readFrom func([]byte) (int, *C, net.Addr, error), interfaceOf func(*C) int, out chan<- datagram, done <-chan struct{}) {
	buf := make([]byte, maxPacket)
	for {
		n, cm, from, err := readFrom(buf)
		index := 0
		if cm != nil {
			index = interfaceOf(cm)
		}
		if !deliver(out, done, buf[:n], index, from, err) {
			return
		}
	}
}

func deliver(out chan<- datagram, done <-chan struct{}, body []byte, index int, from net.Addr, err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	if err != nil {
		select { // for example, an interface went down: wait before the next read
		case <-time.After(100 * time.Millisecond):
			return true
		case <-done:
			return false
		}
	}
	u, ok := from.(*net.UDPAddr)
	if !ok {
		return true
	}
	ap := u.AddrPort()
	select {
	case out <- datagram{append([]byte(nil), body...), netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), index}:
		return true
	case <-done:
		return false
	}
}

// joined reports whether err means that the group is joined, now or before.
func joined(err error) bool { return err == nil || errors.Is(err, syscall.EADDRINUSE) }
