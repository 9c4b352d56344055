package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// handshakeTimeout is how long a client may take for its whole PROXY header, and again
// for its TLS handshake.
const handshakeTimeout = 10 * time.Second

// maxHeader bounds a PROXY header with everything in it.
const maxHeader = 4 << 10

// handshake starts the next step of the opening that the service needs: the PROXY
// header, the choice between services that share the address, the access rules, TLS, a
// Protocol's handshake.
func (s *Session) handshake() transition {
	c := s.service.config()
	s.moveIfNotForLoop()
	if c.AcceptProxy && !s.headerAsked {
		if !covers(c.TrustedProxies, s.client.Remote().Addr()) {
			return s.refuse(ReasonUntrustedProxy, "")
		}
		s.headerAsked = true
		conn := s.client.Conn()
		if c.TLS != nil || c.Protocol != nil || s.sharers() != nil {
			conn = byByte{conn} // what follows is for the next step
		}
		s.do(func() relay.Event { return readHeader(conn) })
		return wait
	}
	if s.sharers() != nil && len(c.SNI) > 0 {
		conn := s.client.Conn()
		s.do(func() relay.Event { return readClientHello(conn) })
		return wait
	}
	trusted := covers(c.TrustedProxies, s.client.Remote().Addr())
	if r := s.admitOpening(c, trusted); r != "" {
		return s.refuse(r, "")
	}
	if c.TLS != nil && !s.encrypted {
		conn, last := s.client.Replay(), c.Protocol == nil
		if s.onLoop() {
			s.do(func() relay.Event { return loopTLSHandshake(conn, c.TLS, last) })
		} else {
			over := tls.Server(relay.NoteEnd(conn), c.TLS)
			s.do(func() relay.Event { return tlsHandshake(over, last) })
		}
		return wait
	}
	if p := c.Protocol; p != nil && s.protocol == nil {
		s.handshakeAsked = true
		conn, a := s.client.Conn(), s.arrival(c, trusted)
		s.do(func() relay.Event { return protocolHandshake(p, conn, a) })
		return wait
	}
	return next
}

// refuse rejects a client before it has waited.
func (s *Session) refuse(r Reason, detail string) transition { return s.refuseWith(r, detail, "") }

// refuseWith adds a hint to the event.
func (s *Session) refuseWith(r Reason, detail, hint string) transition {
	text := fmt.Sprintf("%s refused %s: %s", s.service.name, s.client.Name(), explain(r, detail))
	if hint != "" {
		text += "; " + hint
	}
	s.service.engine.noteThrottledAs(EventRefused+" "+s.service.name+" "+string(r), Event{Kind: EventRefused, Level: LevelWarn, Service: s.service.name, Session: s.ID(), Text: text})
	return s.endWith(ending{by: ByProxy, phase: PhaseQueue, reason: r, detail: detail, reset: true, refused: true})
}

// handshakeResult is the result of a step of the opening.
type handshakeResult struct {
	from    netip.AddrPort // the client that a proxy speaks for
	early   []byte         // bytes after the header
	hello   *clientHello   // of TLS; its bytes are in early
	conn    net.Conn       // TLS over the client's
	secure  *relay.TLS     // or TLS handled by the loop
	pending PendingClient  // a client of a Protocol

	refused   Reason // why the step has failed
	tls       Reason // why the TLS handshake has failed
	abandoned bool   // it failed because the client left without sending a byte
}

// serviceName is the service that a Protocol has found, if several share the address.
func (g *handshakeResult) serviceName() string {
	if g.pending == nil {
		return ""
	}
	return g.pending.Service()
}

// takeHandshake applies the result, with the queue locked, since Live reads the client.
func (s *Session) takeHandshake(g handshakeResult) {
	if g.conn != nil {
		s.moveToStream() // TLS remains a layer over the client's connection
	}
	s.service.queue.Do(func() {
		if g.from.IsValid() {
			s.client.SetRemote(g.from)
		}
		switch {
		case g.conn != nil:
			s.client.Wrap(g.conn)
		case g.secure != nil:
			s.client.Secure(g.secure)
		}
		if g.conn != nil || g.secure != nil {
			s.encrypted = true
			if c := s.service.config(); c.TLSStrictEnd {
				s.client.StrictEnd(c.HalfCloseTimeout, isTLSTruncated)
			}
		}
		s.client.Unread(g.early)
	})
	if g.pending != nil {
		s.releasePerIP() // it was counted as a connection without a handshake
		s.accessChecked = false
		s.attachProtocol(g.pending)
	}
}

// readHeader reads the PROXY header (v1 or v2) that a trusted proxy sends first.
func readHeader(conn net.Conn) relay.Event {
	conn.SetReadDeadline(time.Now().Add(handshakeTimeout))
	defer conn.SetReadDeadline(time.Time{})
	r := bufio.NewReaderSize(conn, maxHeader)
	size, err := awaitHeader(r)
	var g handshakeResult
	if err == nil {
		g.from, err = parseHeader(r, size)
	}
	if err != nil {
		return relay.Event{Kind: relay.HandshakeDone, Err: err, Arg: handshakeResult{refused: ReasonProxyHeader}}
	}
	g.early, _ = r.Peek(r.Buffered())
	return relay.Event{Kind: relay.HandshakeDone, Arg: g}
}

// parseHeader parses a complete header, and returns the client that it names: none for
// UNKNOWN of v1, LOCAL and UNSPEC of v2, and addresses other than TCP's. The size is
// that of a v2 header, or 0.
func parseHeader(r *bufio.Reader, size int) (from netip.AddrPort, err error) {
	if size > 0 {
		header, _ := r.Peek(size)
		noAddress, err := checkV2(header)
		if err != nil {
			return from, err
		}
		if noAddress {
			r.Discard(size)
			return from, nil
		}
	}
	h, err := proxyproto.Read(r)
	if err != nil {
		return from, err
	}
	if a, ok := h.SourceAddr.(*net.TCPAddr); ok && h.Command.IsProxy() {
		from = a.AddrPort()
	}
	return from, nil
}

// byByte is read one byte at a time, so that nothing is read ahead.
type byByte struct{ net.Conn }

func (c byByte) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(1, len(p))]) }

const (
	headerV1 = "PROXY "
	headerV2 = "\r\n\r\n\x00\r\nQUIT\n"
)

// awaitHeader reads until the whole header has arrived, in however many pieces:
// go-proxyproto needs it in one. An invalid header is refused at its first wrong byte.
// The size is that of version 2, or 0.
func awaitHeader(r *bufio.Reader) (size int, err error) {
	for n := 1; ; n = max(n, r.Buffered()) + 1 {
		switch _, err := r.Peek(n); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return 0, fmt.Errorf("it was incomplete after %s", handshakeTimeout)
		case errors.Is(err, io.EOF):
			return 0, errors.New("the client ended before it was complete")
		case err != nil:
			return 0, err
		}
		b, _ := r.Peek(r.Buffered())
		text := string(b)
		switch {
		case strings.HasPrefix(text, headerV1):
			if strings.Contains(text, "\r\n") {
				return 0, nil
			}
			if len(text) > 107 {
				return 0, errors.New("a version 1 header has no more than 107 bytes")
			}
		case strings.HasPrefix(text, headerV2):
			if len(b) < v2Fixed {
				break
			}
			size := v2Fixed + int(binary.BigEndian.Uint16(b[14:16]))
			if size > maxHeader {
				return 0, fmt.Errorf("a header of %d bytes is too long", size)
			}
			if len(b) >= size {
				return size, nil
			}
		case !strings.HasPrefix(headerV1, text) && !strings.HasPrefix(headerV2, text):
			return 0, fmt.Errorf("it begins with %.12q", text)
		}
	}
}

// tlsHandshake is the TLS handshake. last: bytes for the backend follow this step.
func tlsHandshake(conn *tls.Conn, last bool) relay.Event {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return tlsFailed(err)
	}
	return tlsDone(conn, last)
}

// loopTLSHandshake is tlsHandshake for a client of the loops, which handle TLS 1.3
// themselves.
func loopTLSHandshake(conn net.Conn, config *tls.Config, last bool) relay.Event {
	t, over, err := relay.TLSServer(conn, config, handshakeTimeout, last)
	switch {
	case err != nil:
		return tlsFailed(err)
	case t != nil:
		return relay.Event{Kind: relay.HandshakeDone, Arg: handshakeResult{secure: t}}
	}
	return tlsDone(over, last)
}

func tlsFailed(err error) relay.Event {
	return relay.Event{Kind: relay.HandshakeDone, Err: answerHTTP(err), Arg: handshakeResult{refused: ReasonTLS, tls: clientTLSReason(err)}}
}

func tlsDone(conn *tls.Conn, last bool) relay.Event {
	g := handshakeResult{conn: conn}
	if last {
		g.early = readAhead(conn)
	}
	return relay.Event{Kind: relay.HandshakeDone, Arg: g}
}

// readAhead returns data that came with the end of the handshake, which is in conn and
// no longer in the socket; nil: none. Its end of stream then does not mean that the
// client has sent nothing.
func readAhead(conn *tls.Conn) []byte {
	conn.SetReadDeadline(time.Unix(1, 0)) // so that the socket is not read
	defer conn.SetReadDeadline(time.Time{})
	b := make([]byte, 64)
	n, _ := conn.Read(b)
	return b[:n]
}

// sendProxyHeader sends the backend a PROXY header with the client's address.
func (s *Session) sendProxyHeader() error {
	text, err := s.proxyHeader()
	if err != nil || text == nil {
		return err
	}
	return s.server.WriteFirst(text)
}

// proxyHeader is the header for the session's client; nil: the service sends none.
func (s *Session) proxyHeader() ([]byte, error) {
	v := s.service.config().SendProxy
	if v == 0 {
		return nil, nil
	}
	from, to := net.TCPAddrFromAddrPort(s.client.Remote()), net.TCPAddrFromAddrPort(s.client.Local())
	h := proxyproto.HeaderProxyFromAddrs(byte(v), from, to)
	token := s.grantToken()
	if !s.client.Remote().IsValid() || !s.client.Local().IsValid() {
		if v == 1 || token == 0 {
			return localHeader(v), nil
		}
		// LOCAL names no client, and its content is to be ignored.
		h = proxyproto.HeaderProxyFromAddrs(2, &net.UnixAddr{Net: "unix"}, &net.UnixAddr{Net: "unix"})
	}
	if v == 2 && token != 0 {
		if err := h.SetTLVs([]proxyproto.TLV{{Type: tokenType, Value: binary.BigEndian.AppendUint64(nil, token)}}); err != nil {
			return nil, fmt.Errorf("proxy: PROXY header: %w", err)
		}
	}
	text, err := h.Format()
	if err != nil {
		return nil, fmt.Errorf("proxy: PROXY header: %w", err)
	}
	return text, nil
}

// localHeader is a PROXY header without a client, for a check or a client without an
// address: LOCAL, or UNKNOWN in version 1.
func localHeader(version int) []byte {
	switch version {
	case 1:
		return []byte("PROXY UNKNOWN\r\n")
	case 2:
		return []byte(headerV2 + "\x20\x00\x00\x00")
	}
	return nil
}
