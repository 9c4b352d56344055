package tlsrecord

import (
	"crypto/tls"
	"net"
)

const (
	headerLen  = 5
	maxContent = 1 << 14 // of a record (section 5.1)

	// maxPayload is the size of a record with the longest content, its type or padding,
	// and the tag. Section 5.2 allows 2^14+256 bytes, for longer tags.
	maxPayload = maxContent + 1 + tagLen

	// MaxRecord is the length of the longest record.
	MaxRecord = headerLen + maxPayload

	// MaxPlain is how much room Open needs for any record: its content and type.
	MaxPlain = maxContent + 1

	// maxIgnored bounds consecutive records that bring no data, while we send none either.
	maxIgnored = 16
)

// The types of records (section 5.1).
const (
	typeAlert     = 21
	typeHandshake = 22
	typeData      = 23
)

// A Session is a TLS 1.3 connection behind its handshake. It is used by one
// goroutine at a time. It must not be copied: two copies would use one nonce.
type Session struct {
	_       noCopy
	in, out direction
	suite   *suite
	tickets *tickets // nil: not wanted, or no longer

	readErr  error   // why reading has ended
	message  [4]byte // the header of a handshake message, incomplete
	got      uint8   // bytes in message
	ignored  uint8   // consecutive records without data, in either direction
	isClient bool
	owed     bool   // a key update, which the peer has asked for
	ended    bool   // we have sent close_notify or another alert
	skip     uint32 // bytes of a session ticket still to come
}

// newSession makes a Session for the secrets of a handshake.
func newSession(s *suite, in, out []byte, isClient bool) (*Session, error) {
	n := &Session{suite: s, isClient: isClient}
	if err := n.in.setSecret(s, in); err != nil {
		return nil, err
	}
	return n, n.out.setSecret(s, out)
}

// fail ends reading because the peer violates the protocol. The error reads like that
// of crypto/tls, and AlertOf returns its alert.
func (s *Session) fail(a tls.AlertError) {
	s.readErr = &net.OpError{Op: "local error", Err: a}
}

// The alerts that are sent or understood here (section 6).
const (
	alertCloseNotify       tls.AlertError = 0
	alertUnexpectedMessage tls.AlertError = 10
	alertBadRecordMAC      tls.AlertError = 20
	alertRecordOverflow    tls.AlertError = 22
	alertIllegalParameter  tls.AlertError = 47
	alertDecodeError       tls.AlertError = 50
	alertProtocolVersion   tls.AlertError = 70
	alertUserCanceled      tls.AlertError = 90
)

// AlertOf is the alert that tells the peer of an error of Open's; ok is false
// where none is to be sent: it was the peer's own.
func AlertOf(err error) (alert uint8, ok bool) {
	op, is := err.(*net.OpError)
	if !is || op.Op != "local error" {
		return 0, false
	}
	a, is := op.Err.(tls.AlertError)
	return uint8(a), is
}

// RecordLen is the length of the record that b begins with, header and all; 0
// while the header is not whole.
func RecordLen(b []byte) int {
	if len(b) < headerLen {
		return 0
	}
	return headerLen + int(b[3])<<8 + int(b[4])
}

// noCopy makes go vet report copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}
