package protocol

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/relay"
	"github.com/tcpctl/tcpctl/ws"
)

// pendingClient adapts a ws.Pending to proxy.PendingClient.
type pendingClient struct {
	*ws.Pending
	service string // the chosen one of several; "": the only one
}

// Service is the service that the client is for.
func (p pendingClient) Service() string { return p.service }

func (p pendingClient) Accept() (proxy.ProtocolConn, error) {
	c, err := p.Pending.Accept()
	if err != nil {
		return nil, err
	}
	return clientConn{c}, nil
}

// Forwarded reads X-Forwarded-For, or else Forwarded, or else X-Real-IP: a
// trusted proxy must set the first of them that it does not remove. A word that
// is no address ends the list: what stands before it cannot be trusted.
func (p pendingClient) Forwarded() (all []netip.Addr) {
	words := forwardedFor(p.Request.Header)
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

// Notice reports a client that offers only subprotocols that the service does
// not agree to: most browsers then fail, and without this no log says why.
func (p pendingClient) Notice() string {
	offered := p.Subprotocols()
	if len(offered) == 0 || p.Subprotocol != "" {
		return ""
	}
	return fmt.Sprintf("the client offers only subprotocols that are not configured: %s; add subprotocols = [%s], or [\"*\"] to agree to the first that it offers",
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

// clientConn adapts a ws.Conn to proxy.ProtocolConn.
type clientConn struct{ *ws.Conn }

// WriteTo is ws.Conn's, with an error that says to the engine how the
// client has ended the session.
func (c clientConn) WriteTo(dst io.Writer) (int64, error) {
	n, err := c.Conn.WriteTo(dst)
	return n, endError(err)
}

// Frames is the connection for a loop of the engine.
func (c clientConn) Frames() relay.Frames { return &clientFrames{c.Conn.Frames(), c} }

// clientFrames adapts a ws.Frames to relay.Frames.
type clientFrames struct {
	*ws.Frames
	conn clientConn
}

// FrameRoom and FrameHeadroom must be equal.
var _ = [1]struct{}{}[relay.FrameRoom-ws.FrameHeadroom]

func (f *clientFrames) Attach(host relay.FramesHost) { f.Frames.Attach(host) }

func (f *clientFrames) Early(b []byte) (payload []byte, more bool, err error) {
	payload, more, err = f.Frames.Early(b)
	return payload, more, endError(err)
}

func (f *clientFrames) Unframe(b []byte) (payload []byte, err error) {
	payload, err = f.Frames.Unframe(b)
	return payload, endError(err)
}

func (f *clientFrames) Ended(by error) error { return endError(f.Frames.Ended(by)) }
func (f *clientFrames) CloseWrite() error    { return f.conn.CloseWrite() }
func (f *clientFrames) CloseGoing() error    { return f.conn.CloseGoing() }

// endError adds the engine's reason to an error of package ws.
func endError(err error) error {
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
	case errors.Is(err, ws.ErrNotUTF8):
		return &proxy.EndError{By: proxy.ByBackend, Reason: proxy.ReasonInvalidText, Err: end.Err}
	case end.Code != ws.AbnormalClosure:
		return &proxy.EndError{Reason: proxy.ReasonProtocolError, Err: errors.New(end.Reason)}
	}
	return err
}

// Hold is ServeControl of ws.Conn.
func (c clientConn) Hold(ctx context.Context) error { return c.ServeControl(ctx) }

func (c clientConn) CloseWith(code int, reason string) error {
	return c.Conn.CloseWith(ws.CloseCode(code), reason)
}

// CloseGoing is CloseWrite where the backend has not ended: a drain has found
// the session quiet.
func (c clientConn) CloseGoing() error {
	return c.CloseWriteWith(ws.GoingAway, "the service is being drained")
}

func (c clientConn) CloseCode() int {
	if end := c.CloseError(); end != nil {
		return int(end.Code)
	}
	return 0
}
