package config

import (
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

// endpoint is an address in a form that can be compared: 127.0.0.1, and not
// localhost.
type endpoint struct {
	path string // of a Unix socket
	host string // "" is every address
	port int
}

// parseEndpoint reads "host:port" or "unix:/path". To listen, the host may be
// missing (all addresses) and the port 0 (any).
func parseEndpoint(addr string, listen bool) (e endpoint, text, hint string) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		if path == "" || len(path) > 100 {
			return e, "a Unix socket's path has 1 to 100 bytes", `write "unix:/run/name.sock"`
		}
		return endpoint{path: path}, "", ""
	}
	host, port, err := net.SplitHostPort(addr)
	switch {
	case err != nil && strings.Count(addr, ":") > 1:
		return e, "not HOST:PORT", `an IPv6 address stands in brackets: "[::1]:5432"`
	case err != nil && digits(addr):
		return e, "not HOST:PORT", `write "127.0.0.1:` + addr + `", or ":` + addr + `" for every address`
	case err != nil:
		return e, "not HOST:PORT", `write "` + strings.TrimSuffix(addr, ":") + `:5432"`
	case host == "" && !listen:
		return e, "no host", `write "127.0.0.1:` + port + `"`
	case strings.ContainsAny(host, " /\t\n"):
		return e, "no host has such a name", ""
	}
	e.port, err = strconv.Atoi(port)
	if err != nil {
		e.port, err = net.LookupPort("tcp", port)
	}
	if err != nil || e.port < 0 || e.port > 65535 || e.port == 0 && !listen {
		return e, "there is no port " + strconv.Quote(port), "a port is a number from 1 to 65535"
	}
	if e.host = strings.ToLower(host); e.host == "localhost" {
		e.host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		// Go listens on both families for either of 0.0.0.0 and [::].
		if e.host = ip.Unmap().String(); ip.Unmap().IsUnspecified() {
			e.host = ""
		}
	}
	return e, "", ""
}

// overlaps says that the system would refuse to open both.
func (e endpoint) overlaps(o endpoint) bool {
	if e.path != "" || o.path != "" {
		return e.path == o.path
	}
	return e.port != 0 && e.port == o.port && (e.host == o.host || e.host == "" || o.host == "")
}

// parsePrefix reads "10.0.0.0/8", or an address alone.
func parsePrefix(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, Error{Text: strconv.Quote(s) + " is not a network", Hint: `write "10.0.0.0/8", "fd00::/8" or an address`}
	}
	return p.Masked(), nil
}

// parseSource reads an address to connect from.
func parseSource(s string) (netip.Addr, error) {
	a, err := proxy.ParseSource(s)
	if err != nil {
		return a, Error{Text: err.Error(), Hint: `write one of this machine's: "10.0.0.5" or "fd00::5"`}
	}
	return a, nil
}

// parseMode reads the permissions of a file as chmod does: "0600".
func parseMode(s string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(s, 8, 9)
	if err != nil {
		return 0, Error{Text: strconv.Quote(s) + " is not a file's mode", Hint: `write it as for chmod: "0600"`}
	}
	return fs.FileMode(n), nil
}
