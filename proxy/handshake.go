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

// handshakeTimeout is how long a client may take, in all, to send its PROXY
// header, and again for its TLS handshake.
const handshakeTimeout = 10 * time.Second

// maxHeader bounds a PROXY header with all that it carries.
const maxHeader = 4 << 10

// handshake takes the steps of the opening that a service asks for, one after
// another: the PROXY header, the choice between services that share the address,
// the access rules, TLS, a Protocol's handshake.
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
			conn = byByte{conn} // what is behind it is for the next step
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

// refuse turns a client away before it waited.
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

// handshakeResult is what a step of the opening has brought.
type handshakeResult struct {
	from    netip.AddrPort // the client that a proxy speaks for
	early   []byte         // what came behind the header
	hello   *clientHello   // of TLS, which early has
	conn    net.Conn       // TLS over the client's
	secure  *relay.TLS     // or TLS that the loop carries
	pending PendingClient  // a client of a Protocol

	refused   Reason // the step has failed
	tls       Reason // that of TLS has, and why
	abandoned bool   // it has failed, since the client went away without a word
}

// serviceName is the service that a client of a Protocol is for, of several.
func (g *handshakeResult) serviceName() string {
	if g.pending == nil {
		return ""
	}
	return g.pending.Service()
}

// takeHandshake takes it over. Under the queue's lock, since Live reads the client.
func (s *Session) takeHandshake(g handshakeResult) {
	if g.conn != nil {
		s.moveToStream() // TLS stays over the client's connection
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
		s.releasePerIP() // as one without a handshake
		s.accessChecked = false
		s.attachProtocol(g.pending)
	}
}

// readHeader reads the PROXY header (v1 or v2) that a trusted proxy sends
// first.
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

// parseHeader takes a header that is there, and gives the client that it
// speaks for: none of v1's UNKNOWN, of v2's LOCAL and UNSPEC, and of addresses
// that are not TCP's. The size is that of one of version 2, else 0.
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

// awaitHeader reads until the whole header is there, in however many pieces
// it comes: go-proxyproto wants it in one. What cannot become one is refused
// at its first byte that does not fit. The size is that of version 2, else 0.
func awaitHeader(r *bufio.Reader) (size int, err error) {
	for n := 1; ; n = max(n, r.Buffered()) + 1 {
		switch _, err := r.Peek(n); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return 0, fmt.Errorf("it was not whole within %s", handshakeTimeout)
		case errors.Is(err, io.EOF):
			return 0, errors.New("the client ended before it was whole")
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

// tlsHandshake is that of TLS. Behind the last step of the opening come bytes
// for the backend.
func tlsHandshake(conn *tls.Conn, last bool) relay.Event {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return tlsFailed(err)
	}
	return tlsDone(conn, last)
}

// loopTLSHandshake is tlsHandshake for a client of the loops, which carry TLS 1.3
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

// readAhead takes a part of what has come with the end of the handshake, and
// so stands in conn and no longer in the socket: nil where nothing has. Behind
// it an end of stream is not that of a client that has sent nothing.
func readAhead(conn *tls.Conn) []byte {
	conn.SetReadDeadline(time.Unix(1, 0)) // the socket is not asked
	defer conn.SetReadDeadline(time.Time{})
	b := make([]byte, 64)
	n, _ := conn.Read(b)
	return b[:n]
}

// sendProxyHeader sends the backend a PROXY header with the client's
// address.
func (s *Session) sendProxyHeader() error {
	text, err := s.proxyHeader()
	if err != nil || text == nil {
		return err
	}
	return s.server.WriteFirst(text)
}

// proxyHeader is that of the session's client; nil: the service sends none.
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
		// LOCAL says nothing of a client, and what it carries is to be ignored.
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

// localHeader is a PROXY header that names no client, as of a check or of a
// client without an address: LOCAL, or UNKNOWN in version 1.
func localHeader(version int) []byte {
	switch version {
	case 1:
		return []byte("PROXY UNKNOWN\r\n")
	case 2:
		return []byte(headerV2 + "\x20\x00\x00\x00")
	}
	return nil
}
