package front

import (
	"net/netip"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// guest is a ws.Pending for the engine.
type guest struct{ *ws.Pending }

func (g guest) Accept() (proxy.Line, error) {
	c, err := g.Pending.Accept()
	if err != nil {
		return nil, err
	}
	return line{c}, nil
}

// Forwarded reads X-Forwarded-For. What is no address ends the list: nobody
// knows what stands before it.
func (g guest) Forwarded() (all []netip.Addr) {
	words := strings.Split(strings.Join(g.Request.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(words) - 1; i >= 0; i-- {
		addr, ok := parseAddr(strings.TrimSpace(words[i]))
		if !ok {
			break
		}
		all = append([]netip.Addr{addr}, all...)
	}
	return all
}

// parseAddr reads an address, which some proxies send with a port.
func parseAddr(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	ap, err := netip.ParseAddrPort(s)
	return ap.Addr().Unmap().WithZone(""), err == nil
}

// line is a ws.Conn for the engine. WriteTo and ReadFromOnce are the Conn's.
type line struct{ *ws.Conn }

func (l line) CloseWith(code int, reason string) error {
	return l.Conn.CloseWith(ws.Code(code), reason)
}

func (l line) CloseCode() int {
	if end := l.CloseError(); end != nil {
		return int(end.Code)
	}
	return 0
}
