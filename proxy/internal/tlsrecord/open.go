package tlsrecord

import (
	"crypto/tls"
	"io"
	"net"
)

// Open decrypts the whole records at the front of b and appends their application
// data to dst, which must not overlap b. It stops at a record that is not whole,
// and at one that dst has no room for: room for MaxPlain bytes is always enough.
// used is how much of b it took; what is behind has to be given again.
//
// err is io.EOF behind the peer's close_notify. An error of ours has an AlertOf; one
// that says "remote error" is an alert of the peer's. dst has what came before it,
// each later call returns it again, and further input is ignored.
func (s *Session) Open(dst, b []byte) (plain []byte, used int, err error) {
	for s.readErr == nil {
		record := b[used:]
		n := RecordLen(record)
		if n == 0 {
			break
		}
		if a, ok := checkHeader(record); !ok {
			s.fail(a)
			break
		}
		if len(record) < n || cap(dst)-len(dst) < n-headerLen-tagLen {
			break
		}
		dst = s.openRecord(dst, record[:n])
		used += n
	}
	return dst, used, s.readErr
}

// checkHeader checks a record before it is complete.
func checkHeader(b []byte) (a tls.AlertError, ok bool) {
	switch {
	case b[0] != typeData: // change_cipher_spec, too: the Finished has come (section 5)
		return alertUnexpectedMessage, false
	case b[1] != 3 || b[2] != 3:
		return alertProtocolVersion, false
	case RecordLen(b) > MaxRecord:
		return alertRecordOverflow, false
	}
	return 0, true
}

// openRecord appends the data of one record, which dst has room for.
func (s *Session) openRecord(dst, record []byte) []byte {
	inner, err := s.in.aead.Open(dst[len(dst):], s.in.nextNonce(), record[headerLen:], record[:headerLen])
	if err != nil {
		s.fail(alertBadRecordMAC)
		return dst
	}
	s.in.seq++
	// The type follows the content, and zeros may follow the type (section 5.4).
	end := len(inner) - 1
	for end >= 0 && inner[end] == 0 {
		end--
	}
	if end < 0 {
		s.fail(alertUnexpectedMessage)
		return dst
	}
	content, kind := inner[:end], inner[end]
	if s.tickets != nil {
		defer s.passTickets(kind, record)
	}
	if kind != typeHandshake && (s.got > 0 || s.skip > 0) {
		s.fail(alertUnexpectedMessage) // in the middle of a handshake message (section 5.1)
		return dst
	}
	switch kind {
	case typeData:
		if len(content) == 0 {
			s.ignore()
			return dst
		}
		s.ignored = 0
		return dst[:len(dst)+len(content)]
	case typeHandshake:
		s.takeHandshake(content)
	case typeAlert:
		s.takeAlert(content)
	default:
		s.fail(alertUnexpectedMessage)
	}
	return dst
}

// ignore counts a record or message without data.
func (s *Session) ignore() {
	if s.ignored++; s.ignored > maxIgnored {
		s.fail(alertUnexpectedMessage)
	}
}

// takeAlert ends reading, unless the alert has no meaning (section 6.1).
func (s *Session) takeAlert(content []byte) {
	if len(content) != 2 {
		s.fail(alertUnexpectedMessage)
		return
	}
	switch a := tls.AlertError(content[1]); a {
	case alertCloseNotify:
		s.readErr = io.EOF
	case alertUserCanceled:
		s.ignore()
	default:
		s.readErr = &net.OpError{Op: "remote error", Err: a}
	}
}

// The handshake messages that may come after the handshake.
const (
	messageNewSessionTicket = 4
	messageKeyUpdate        = 24
)

// takeHandshake takes a record of handshake messages, or parts of them. A client may
// only send key updates (section 4.6).
func (s *Session) takeHandshake(content []byte) {
	if len(content) == 0 {
		s.fail(alertUnexpectedMessage) // section 5.4
		return
	}
	for len(content) > 0 && s.readErr == nil {
		if s.skip > 0 {
			n := min(len(content), int(s.skip))
			content, s.skip = content[n:], s.skip-uint32(n)
			continue
		}
		n := copy(s.message[s.got:4], content)
		s.got, content = s.got+uint8(n), content[n:]
		if s.got < 4 && !s.knows(s.message[0]) {
			s.fail(alertUnexpectedMessage)
			return
		}
		if s.got >= 4 {
			content = s.takeMessage(content)
		}
	}
}

// knows reports whether the peer may send a handshake message of this kind.
func (s *Session) knows(kind byte) bool {
	return kind == messageKeyUpdate || kind == messageNewSessionTicket && s.isClient
}

// takeMessage continues with a message whose header is complete, and returns what
// remains of the record.
func (s *Session) takeMessage(content []byte) []byte {
	length := uint32(s.message[1])<<16 | uint32(s.message[2])<<8 | uint32(s.message[3])
	switch {
	case !s.knows(s.message[0]):
		s.fail(alertUnexpectedMessage)
	case s.message[0] == messageNewSessionTicket:
		if length > maxTicket {
			s.fail(alertDecodeError)
			return nil
		}
		s.got, s.skip = 0, length
		s.ignore()
		return content
	case length != 1:
		s.fail(alertDecodeError)
	case len(content) > 1:
		s.fail(alertUnexpectedMessage) // new keys begin with a record (section 5.1)
	case len(content) == 1:
		s.got = 0
		s.takeKeyUpdate(content[0])
	}
	return nil
}

// maxTicket bounds a NewSessionTicket: lifetime, age, nonce, ticket, extensions.
const maxTicket = 4 + 4 + 1 + 255 + 2 + 65535 + 2 + 65534

// takeKeyUpdate switches to the peer's new keys (section 4.6.3).
func (s *Session) takeKeyUpdate(request byte) {
	switch request {
	case 0:
	case 1:
		s.owed = true // once only: one update answers all that came since our last record
	default:
		s.fail(alertIllegalParameter)
		return
	}
	s.in.update(s.suite)
	s.ignore()
}
