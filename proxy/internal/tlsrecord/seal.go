package tlsrecord

import (
	"crypto/tls"
	"slices"
)

const (
	overhead = headerLen + 1 + tagLen // of each record: a type follows the content

	// updateAfter is how many records are sent before we update our keys: AES-GCM
	// stays safe for 2^24.5 full ones (section 5.5).
	updateAfter = 1 << 24
)

// keyUpdate is the message that says that our next record has new keys, and does not
// ask for the peer's (section 4.6.3).
var keyUpdate = []byte{messageKeyUpdate, 0, 0, 1, 0}

// Overhead is how much longer what Seal appends for n bytes may be.
func Overhead(n int) int {
	return (n+maxContent-1)/maxContent*overhead + overhead + len(keyUpdate)
}

// Fits is how many bytes can be sealed into a buffer of size bytes, whatever Seal
// appends; 0 when none.
func Fits(size int) int {
	size -= overhead + len(keyUpdate)
	n := size / (maxContent + overhead) * maxContent
	return max(0, n+max(0, size%(maxContent+overhead)-overhead))
}

// Seal appends the records for plain, which must not overlap dst: full ones, and
// one with the remainder; a key update goes first when one is owed or due. It
// does not allocate when dst has room for len(plain)+Overhead(len(plain)). Behind
// a close_notify or an alert of ours nothing may be sent (section 6.1), and it
// appends nothing.
func (s *Session) Seal(dst, plain []byte) []byte {
	for len(plain) > 0 && !s.ended {
		dst = s.AppendControl(dst)
		n := min(len(plain), maxContent)
		dst = s.out.seal(dst, typeData, plain[:n])
		plain = plain[n:]
		s.ignored = 0 // a peer that only receives may update its keys again and again
	}
	return dst
}

// Pending says whether the peer has asked for a key update, so that AppendControl
// has something to send even where there is no data.
func (s *Session) Pending() bool { return s.owed && !s.ended }

// AppendControl appends the record of a key update that is owed or due, if any,
// and goes over to the new keys: the record has to be sent.
func (s *Session) AppendControl(dst []byte) []byte {
	if s.ended || !s.owed && s.out.seq < updateAfter {
		return dst
	}
	s.owed = false
	dst = s.out.seal(dst, typeHandshake, keyUpdate)
	s.out.update(s.suite)
	return dst
}

// CloseNotify appends the record that ends what we send. What the peer sends can
// still be read.
func (s *Session) CloseNotify(dst []byte) []byte { return s.Alert(dst, uint8(alertCloseNotify)) }

// Alert appends an alert, such as AlertOf's, as the last record that we send; none
// where one was sent before.
func (s *Session) Alert(dst []byte, alert uint8) []byte {
	if s.ended {
		return dst
	}
	level := byte(2) // fatal
	if a := tls.AlertError(alert); a == alertCloseNotify || a == alertUserCanceled {
		level = 1
	}
	dst = s.out.seal(dst, typeAlert, []byte{level, alert})
	s.ended = true
	return dst
}

// seal appends one record.
func (d *direction) seal(dst []byte, kind byte, content []byte) []byte {
	n := len(content) + 1 + tagLen
	dst = slices.Grow(dst, headerLen+n)
	record := dst[len(dst) : len(dst)+headerLen+n]
	header, inner := record[:headerLen], record[headerLen:headerLen+len(content)+1]
	header[0], header[1], header[2], header[3], header[4] = typeData, 3, 3, byte(n>>8), byte(n)
	copy(inner, content)
	inner[len(content)] = kind
	d.aead.Seal(inner[:0], d.nextNonce(), inner, header)
	d.seq++
	return dst[:len(dst)+len(record)]
}
