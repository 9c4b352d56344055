package tlsrecord

import (
	"crypto/tls"
	"errors"
)

// tickets gives a client's configuration the session tickets that follow the handshake,
// so that later connections resume it: only crypto/tls can make a session of them. Its
// Conn reads the same records as the Session, which passes them on while they contain
// only tickets; servers send those first. Then the Conn is dropped.
type tickets struct {
	over  *tls.Conn
	under *handshakeConn
}

// errNoMore is what crypto/tls reads after a record of tickets. It is temporary, so
// crypto/tls may read again.
var errNoMore error = noMore{}

type noMore struct{}

func (noMore) Error() string   { return "tlsrecord: no more records have been read" }
func (noMore) Timeout() bool   { return false }
func (noMore) Temporary() bool { return true }

// take passes a record on. It reports false if crypto/tls cannot continue.
func (t *tickets) take(record []byte) bool {
	t.under.passed = record
	_, err := t.over.Read(make([]byte, 1))
	done := len(t.under.passed) == 0
	t.under.passed = nil
	return done && errors.Is(err, errNoMore)
}

// passTickets is called for each opened record while there are tickets. After a record
// that is not passed on, crypto/tls would expect other sequence numbers.
func (s *Session) passTickets(kind byte, record []byte) {
	if kind != typeHandshake || s.in.seq == 0 || s.readErr != nil || !s.tickets.take(record) {
		s.tickets = nil
	}
}
