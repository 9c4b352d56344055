package mesh

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/mesh/internal/mdns"
)

// Addr is the listen address of a node.
type Addr struct {
	Port  uint16       `json:"port"`
	Addrs []netip.Addr `json:"addresses"` // addresses of all interfaces that are up, if the node listens on all
}

// String returns all addresses, as "10.0.0.1:7460, [fd00::1]:7460".
func (a Addr) String() string {
	parts := make([]string, len(a.Addrs))
	for i, ip := range a.Addrs {
		parts[i] = netip.AddrPortFrom(ip, a.Port).String()
	}
	return strings.Join(parts, ", ")
}

// listenAddr completes an address as people write it: "", "7460", ":7460", "localhost", "10.0.0.1", "::1", "[::1]:7460".
func listenAddr(addr string) (string, error) {
	if port, err := strconv.ParseUint(addr, 10, 16); err == nil {
		return net.JoinHostPort("0.0.0.0", strconv.FormatUint(port, 10)), nil
	}
	if addr == "" {
		return "0.0.0.0:0", nil
	}
	bare := addr
	if strings.HasPrefix(addr, "[") {
		bare = strings.TrimSuffix(addr[1:], "]")
	}
	// A zone may contain any byte, even "]:0".
	if _, err := netip.ParseAddr(bare); err == nil && !strings.Contains(bare, "]") || !strings.Contains(addr, ":") {
		return net.JoinHostPort(bare, "0"), nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("mesh: listen address %.80q is not HOST:PORT or a part of it; write the IPv6 address ::1 as [::1]:7460", addr)
	}
	host = cmp.Or(host, "0.0.0.0") // package net then also listens on IPv6, if the system has it
	return net.JoinHostPort(host, port), nil
}

// reachable returns the addresses of a listener on l: l itself or, for a wildcard, every address of every interface.
func reachable(l netip.AddrPort) []netip.Addr {
	if !l.IsValid() { // not listening yet
		return nil
	}
	if !l.Addr().IsUnspecified() {
		return []netip.Addr{l.Addr()}
	}
	ifaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, iface := range ifaces {
		out = append(out, mdns.InterfaceAddrs(iface)...)
	}
	return out
}

// shareableAddrs returns the addresses that are valid on other machines, too: neither loopback nor link-local.
func shareableAddrs(addrs []netip.Addr, port uint16) []netip.AddrPort {
	var out []netip.AddrPort
	for _, a := range addrs {
		if !a.IsLoopback() && !a.IsLinkLocalUnicast() && len(out) < maxAddrs {
			out = append(out, netip.AddrPortFrom(a, port))
		}
	}
	return out
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
