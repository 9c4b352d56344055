package tlsrecord

import (
	"crypto/tls"
	"errors"
)

// tickets gives a client's configuration the session tickets that come behind the
// handshake, so that later connections resume it: only crypto/tls can make a
// session of them. Its Conn reads the same records as the Session, which passes
// them on, as long as they have nothing but tickets; servers send them first. Then
// it is let go.
type tickets struct {
	over  *tls.Conn
	under *handshakeConn
}

// errNoMore is what crypto/tls has from its connection behind a record of tickets.
// As it is temporary, it may read again.
var errNoMore error = noMore{}

type noMore struct{}

func (noMore) Error() string   { return "tlsrecord: no more records have been read" }
func (noMore) Timeout() bool   { return false }
func (noMore) Temporary() bool { return true }

// take passes a record on. It reports false where crypto/tls cannot go on.
func (t *tickets) take(record []byte) bool {
	t.under.passed = record
	_, err := t.over.Read(make([]byte, 1))
	done := len(t.under.passed) == 0
	t.under.passed = nil
	return done && errors.Is(err, errNoMore)
}

// passTickets is called for each record that has been opened, as long as there are
// tickets. Behind a record that is not passed on crypto/tls would expect other
// sequence numbers.
func (s *Session) passTickets(kind byte, record []byte) {
	if kind != typeHandshake || s.in.seq == 0 || s.readErr != nil || !s.tickets.take(record) {
		s.tickets = nil
	}
}
