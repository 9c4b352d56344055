package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Address is where something listens or is dialled, in a form that can be
// compared: localhost is 127.0.0.1, and the two wildcards are one.
type Address struct {
	Path string // of a Unix socket, "@name" of an abstract one
	Host string // "": all addresses of this host
	Port int    // 0: any
}

// ParseAddress parses "host:port", "unix:/path" or "unix:@name". For a listen
// address, the host may be missing, and the port may be 0.
func ParseAddress(addr string, listen bool) (a Address, err error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		if path == "" || len(path) > 100 {
			return a, fmt.Errorf("%q: a Unix socket's path has 1 to 100 bytes", addr)
		}
		return Address{Path: path}, nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil && strings.Count(addr, ":") > 1 {
		return a, fmt.Errorf("%q is not HOST:PORT: an IPv6 address is in brackets, like [::1]:5432", addr)
	}
	if err != nil {
		return a, fmt.Errorf("%q is not HOST:PORT", addr)
	}
	if host == "" && !listen {
		return a, fmt.Errorf("%q has no host", addr)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		n, err = net.LookupPort("tcp", port)
	}
	if err != nil || n < 0 || n > 65535 || n == 0 && !listen {
		return a, fmt.Errorf("%q: there is no port %q", addr, port)
	}
	a = Address{Host: strings.ToLower(host), Port: n}
	if a.Host == "localhost" {
		a.Host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if a.Host = ip.Unmap().String(); ip.Unmap().IsUnspecified() {
			a.Host = "" // Go listens on both families for either of 0.0.0.0 and [::]
		}
	}
	return a, nil
}

// checkAddr refuses an address that no socket can have.
func checkAddr(addr string, listen bool) error {
	_, err := ParseAddress(addr, listen)
	return err
}

// Overlaps reports whether the system refuses to open both addresses.
func (a Address) Overlaps(b Address) bool {
	if a.Path != "" || b.Path != "" {
		return a.Path == b.Path
	}
	return a.Port != 0 && a.Port == b.Port && (a.Host == b.Host || a.Host == "" || b.Host == "")
}
