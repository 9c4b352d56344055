package front

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// guest is a ws.Pending for the engine.
type guest struct{ *ws.Pending }

func (g guest) Accept() (proxy.ProtocolConn, error) {
	c, err := g.Pending.Accept()
	if err != nil {
		return nil, err
	}
	return line{c}, nil
}

// Forwarded reads X-Forwarded-For, or else Forwarded, or else X-Real-IP: a
// proxy that is trusted must set the first of them that it does not take out.
// What is no address ends the list: nobody knows what stands before it.
func (g guest) Forwarded() (all []netip.Addr) {
	words := forwardedFor(g.Request.Header)
	for i := len(words) - 1; i >= 0; i-- {
		addr, ok := parseAddr(strings.TrimSpace(words[i]))
		if !ok {
			break
		}
		all = append([]netip.Addr{addr}, all...)
	}
	return all
}

func forwardedFor(h http.Header) (words []string) {
	if lines := h.Values("X-Forwarded-For"); len(lines) > 0 {
		return strings.Split(strings.Join(lines, ","), ",")
	}
	if all := ws.ParseForwarded(h); len(all) > 0 {
		for _, f := range all {
			words = append(words, f.For)
		}
		return words
	}
	return h.Values("X-Real-Ip")
}

// Notice tells of a client that offers subprotocols, of which none is agreed
// to: most browsers take that for a failure, and the server's log has nothing.
func (g guest) Notice() string {
	offered := g.Subprotocols()
	if len(offered) == 0 || g.Subprotocol != "" {
		return ""
	}
	return fmt.Sprintf("it offers only subprotocols that are not configured: %s; add subprotocols = [%s], or [\"*\"] for whatever comes first",
		quote(strings.Join(offered, ", ")), quote(offered[0]))
}

// parseAddr reads an address, which some proxies send with a port.
func parseAddr(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	ap, err := netip.ParseAddrPort(s)
	return ap.Addr().Unmap().WithZone(""), err == nil
}

// line is a ws.Conn for the engine. ReadFromOnce is the Conn's.
type line struct{ *ws.Conn }

// WriteTo is the Conn's, with an error that says to the engine how the client
// has ended.
func (l line) WriteTo(dst io.Writer) (int64, error) {
	n, err := l.Conn.WriteTo(dst)
	return n, ended(err)
}

func ended(err error) error {
	var end *ws.CloseError
	if !errors.As(err, &end) {
		return err
	}
	switch {
	case errors.Is(err, ws.ErrTruncated):
		return &proxy.EndError{Reason: proxy.ReasonTruncated, Err: end.Err}
	case errors.Is(err, ws.ErrTLSTruncated):
		return &proxy.EndError{Reason: proxy.ReasonTLSTruncated, Err: end.Err}
	case errors.Is(err, ws.ErrUnresponsive):
		return &proxy.EndError{Reason: proxy.ReasonUnresponsive, Err: end.Err}
	case errors.Is(err, ws.ErrNotText):
		return &proxy.EndError{By: proxy.ByBackend, Reason: proxy.ReasonInvalidText, Err: end.Err}
	case end.Code != ws.Abnormal:
		return &proxy.EndError{Reason: proxy.ReasonProtocolError, Err: errors.New(end.Reason)}
	}
	return err
}

func (l line) CloseWith(code int, reason string) error {
	return l.Conn.CloseWith(ws.Code(code), reason)
}

func (l line) CloseCode() int {
	if end := l.CloseError(); end != nil {
		return int(end.Code)
	}
	return 0
}
