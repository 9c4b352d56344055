package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// address is where something listens or is dialled, in a form that can be
// compared: localhost is 127.0.0.1, and the two wildcards are one.
type address struct {
	path string // of a Unix socket, "@name" of an abstract one
	host string // "": all addresses of this host
	port int    // 0: any
}

// parseAddress reads "host:port" or "unix:/path". To listen, the host may be
// missing, and the port may be 0.
func parseAddress(addr string, listen bool) (a address, err error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		if path == "" || len(path) > 100 {
			return a, fmt.Errorf("%q: a Unix socket's path has 1 to 100 bytes", addr)
		}
		return address{path: path}, nil
	}
	host, port, err := net.SplitHostPort(addr)
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
	a = address{host: strings.ToLower(host), port: n}
	if a.host == "localhost" {
		a.host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if a.host = ip.Unmap().String(); ip.Unmap().IsUnspecified() {
			a.host = "" // Go listens on both families for either of 0.0.0.0 and [::]
		}
	}
	return a, nil
}

// checkAddr refuses what no socket can have.
func checkAddr(addr string, listen bool) error {
	_, err := parseAddress(addr, listen)
	return err
}

// overlaps says that the system would not open both.
func (a address) overlaps(b address) bool {
	if a.path != "" || b.path != "" {
		return a.path == b.path
	}
	return a.port != 0 && a.port == b.port && (a.host == b.host || a.host == "" || b.host == "")
}
