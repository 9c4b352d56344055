package protocol

import (
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

// hostsFor returns which hosts a handshake over conn may name; nil is any. They are the configured
// ones. Without any, every host is allowed, except on a listener that only this machine reaches: a
// web page whose name was made to resolve to 127.0.0.1 (DNS rebinding) also runs in a browser on
// this machine, and its Origin and Host are equal. Such a listener allows only addresses, localhost
// and its own name, and whatever a trusted proxy forwards: no page can send the forwarding headers.
func hostsFor(hosts []string, conn net.Conn, a proxy.Arrival) func(string, *http.Request) bool {
	if len(hosts) > 0 {
		return func(host string, _ *http.Request) bool { return matchesHost(hosts, host) }
	}
	if !a.Client.IsLoopback() || !onlyLocal(conn.LocalAddr(), a.Listen) {
		return nil
	}
	own := listenNames(a.Listen)
	return func(host string, r *http.Request) bool {
		if a.Trusted && isForwarded(r.Header) {
			return true
		}
		_, err := netip.ParseAddr(host)
		return err == nil || host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(own, host)
	}
}

// matchesHost understands "*" in patterns, as in origins.
func matchesHost(hosts []string, host string) bool {
	return slices.ContainsFunc(hosts, func(pattern string) bool {
		ok, _ := path.Match(strings.ToLower(strings.Trim(pattern, "[]")), host)
		return ok || pattern == "*"
	})
}

// onlyLocal reports whether a listener is on loopback. The local address of a connection is not
// enough: a listener on every address has connections over loopback, too.
func onlyLocal(local net.Addr, listen []string) bool {
	tcp, ok := local.(*net.TCPAddr)
	if !ok || !tcp.IP.IsLoopback() {
		return false
	}
	return !slices.ContainsFunc(listen, func(addr string) bool {
		host, _, err := net.SplitHostPort(addr)
		ip, _ := netip.ParseAddr(host)
		return err == nil && (host == "" || ip.IsUnspecified())
	})
}

// listenNames returns the names among the addresses of a listener.
func listenNames(listen []string) (names []string) {
	for _, addr := range listen {
		if host, _, err := net.SplitHostPort(addr); err == nil && host != "" {
			names = append(names, strings.ToLower(host))
		}
	}
	return names
}

// isForwarded reports whether a proxy has passed a request on.
func isForwarded(h http.Header) bool {
	names := []string{"X-Forwarded-Host", "X-Forwarded-For", "Forwarded", "X-Real-Ip"}
	return slices.ContainsFunc(names, func(name string) bool { return h.Get(name) != "" })
}
