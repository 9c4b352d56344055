package tlsrecord

import (
	"context"
	"crypto/fips140"
	"crypto/tls"
	"net"
)

// Handshake is what has come of one.
type Handshake struct {
	// Session has what is to be sent and received, where TLS 1.3 was agreed. The
	// connection itself has no TLS around it any more, and is the caller's.
	Session *Session

	// Conn goes on instead where Session is nil: it was an older version, or keys
	// that this package may not use (FIPS 140).
	Conn *tls.Conn

	// State is crypto/tls's. It holds certificates and functions: take from it what
	// is needed, and let it go.
	State tls.ConnectionState

	// Early is what was read behind the last record of the handshake: ciphertext of
	// the Session, the first that Open is to be given.
	Early []byte
}

// Server does the handshake of a server over c, as a tls.Server with this
// configuration would. After an error c is as crypto/tls leaves it, which has sent
// an alert and not closed it. The context bounds the handshake, and closes c at
// its end. The configuration stays the caller's, session tickets are those of all
// its connections, and its KeyLogWriter goes on being written to.
func Server(ctx context.Context, c net.Conn, config *tls.Config) (Handshake, error) {
	h := &handshakeConn{Conn: c}
	return h.do(ctx, tls.Server(h, h.derive(config)), false, false)
}

// Client does the handshake of a client, see Server. Session tickets that come
// before any data get into the configuration's ClientSessionCache, in Open.
func Client(ctx context.Context, c net.Conn, config *tls.Config) (Handshake, error) {
	h := &handshakeConn{Conn: c}
	config = config.Clone()
	config.KeyLogWriter = keyLog{h, config.KeyLogWriter}
	return h.do(ctx, tls.Client(h, config), true, config.ClientSessionCache != nil && !config.SessionTicketsDisabled)
}

// derive makes a configuration that reports this connection's secrets, and otherwise
// equals config at this time: a change, as by SetSessionTicketKeys, applies to the next
// handshake.
func (c *handshakeConn) derive(config *tls.Config) *tls.Config {
	// crypto/tls makes its own keys of session tickets, or changes them after a day,
	// when a ticket is used. Clone copies them, so this is done first, in the
	// configuration that all connections share.
	config.DecryptTicket(nil, tls.ConnectionState{})
	own := config.Clone()
	own.KeyLogWriter = keyLog{c, config.KeyLogWriter}
	if choose := config.GetConfigForClient; choose != nil {
		own.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if err != nil || chosen == nil {
				return nil, err
			}
			chosen = chosen.Clone()
			chosen.KeyLogWriter = keyLog{c, chosen.KeyLogWriter}
			return chosen, nil
		}
	}
	return own
}

// do has crypto/tls do the handshake, and takes over from it. wanted says whether the
// tickets that follow it are needed.
func (c *handshakeConn) do(ctx context.Context, over *tls.Conn, isClient, wanted bool) (Handshake, error) {
	err := over.HandshakeContext(ctx)
	if err != nil {
		c.finish(false)
		return Handshake{}, err
	}
	h := Handshake{State: over.ConnectionState()}
	if h.Session = c.session(&h.State, isClient); h.Session == nil {
		h.Conn = over
		c.finish(false)
		return h, nil
	}
	h.Early = c.finish(true)
	if wanted {
		h.Session.tickets = &tickets{over, c}
	}
	return h, nil
}

// session takes over, or returns nil if that is impossible.
func (c *handshakeConn) session(state *tls.ConnectionState, isClient bool) *Session {
	suite := suiteOf(state.CipherSuite)
	if state.Version != tls.VersionTLS13 || suite == nil || !c.betweenRecords() || fips140.Enabled() {
		return nil
	}
	in, out := c.secrets[clientSecret], c.secrets[serverSecret]
	if isClient {
		in, out = out, in
	}
	s, err := newSession(suite, in, out, isClient)
	if err != nil || !s.out.countSent(c.sent) {
		return nil
	}
	return s
}

// countSent sets seq after the records that were sent under the key: a server's session
// tickets, which come last. Authentication distinguishes them from records under the
// handshake's key. It reports false if a record is neither, and destroys sent.
func (d *direction) countSent(sent []byte) bool {
	for len(sent) > 0 {
		n := RecordLen(sent)
		if n == 0 || n > len(sent) {
			return false
		}
		header, payload := sent[:headerLen], sent[headerLen:n]
		_, err := d.aead.Open(payload[:0], d.nextNonce(), payload, header)
		switch {
		case err == nil:
			d.seq++
		case d.seq > 0:
			return false
		}
		sent = sent[n:]
	}
	return true
}
