package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

// parseEndpoint parses "host:port" or "unix:/path" as the engine does, and suggests what was
// probably meant if that fails. To listen, the host may be missing (all addresses) and the port 0
// (any).
func parseEndpoint(addr string, listen bool) (e proxy.Address, text, hint string) {
	e, err := proxy.ParseAddress(addr, listen)
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		switch {
		case err != nil:
			return e, "a Unix socket's path has 1 to 100 bytes", `write "unix:/run/name.sock"`
		case strings.ContainsRune(path, 0):
			return e, "a Unix socket's path has no zero byte", ""
		}
		return e, "", ""
	}
	host, port, split := net.SplitHostPort(addr)
	switch {
	case split != nil && strings.Count(addr, ":") > 1:
		return e, "not HOST:PORT", `an IPv6 address stands in brackets: "[::1]:5432"`
	case split != nil && addr != "" && strings.Trim(addr, "0123456789") == "":
		return e, "not HOST:PORT", `write "127.0.0.1:` + addr + `", or ":` + addr + `" for every address`
	case split != nil:
		return e, "not HOST:PORT", `write "` + strings.TrimSuffix(addr, ":") + `:5432"`
	case host == "" && !listen:
		return e, "no host", `write "127.0.0.1:` + port + `"`
	case strings.ContainsAny(host, " /\t\n"):
		return e, "no host has such a name", ""
	case err != nil:
		return e, "there is no port " + strconv.Quote(port), "a port is a number from 1 to 65535"
	}
	return e, "", ""
}

// ParsePrefix parses "10.0.0.0/8", or a single address.
func ParsePrefix(s string) (netip.Prefix, error) {
	p, err := proxy.ParseNetwork(s)
	if bad, ok := errors.AsType[*proxy.ValueError](err); ok {
		return p, Error{Text: bad.Text, Hint: bad.Hint}
	}
	return p, err
}

// parseSource parses an address to connect from.
func parseSource(s string) (netip.Addr, error) {
	a, err := proxy.ParseSource(s)
	if err != nil {
		return a, Error{Text: err.Error(), Hint: `write one of this machine's: "10.0.0.5" or "fd00::5"`}
	}
	return a, nil
}

// parseMode parses the permissions of a file as chmod does: "0600".
func parseMode(s string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(s, 8, 9)
	if err != nil {
		return 0, Error{Text: strconv.Quote(s) + " is not a file's mode", Hint: `write it as for chmod: "0600"`}
	}
	return fs.FileMode(n), nil
}

// addressHint says how to write an address in place of something else.
func addressHint(raw any, listen bool) string {
	switch n, number := raw.(int64); {
	case number && listen:
		return fmt.Sprintf(`write "127.0.0.1:%d", or ":%d" for every address`, n, n)
	case number:
		return fmt.Sprintf(`write "127.0.0.1:%d", or another host before the port`, n)
	}
	return `write "127.0.0.1:5432"`
}
