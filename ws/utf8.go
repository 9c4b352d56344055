package ws

import "unicode/utf8"

// utf8Check follows UTF-8 over any cuts and fails at the first byte that no
// valid text could have in its place (RFC 3629, section 4), so that a peer is
// told at once and not at the end of its message.
type utf8Check struct {
	need   int8 // continuation bytes that must follow
	lo, hi byte // what the next of them may be
}

// ok takes the next bytes of a message.
func (u *utf8Check) ok(p []byte) bool {
	for u.need > 0 && len(p) > 0 {
		if !u.step(p[0]) {
			return false
		}
		p = p[1:]
	}
	n := wholeRunes(p)
	if !utf8.Valid(p[:n]) {
		return false
	}
	for _, b := range p[n:] {
		if !u.step(b) {
			return false
		}
	}
	return true
}

// done says whether the text may end here.
func (u *utf8Check) done() bool { return u.need == 0 }

func (u *utf8Check) step(b byte) bool {
	if u.need > 0 {
		if b < u.lo || b > u.hi {
			return false
		}
		u.need--
		u.lo, u.hi = 0x80, 0xBF
		return true
	}
	u.lo, u.hi = 0x80, 0xBF
	switch {
	case b < 0x80:
	case b >= 0xC2 && b <= 0xDF:
		u.need = 1
	case b >= 0xE0 && b <= 0xEF:
		u.need = 2
		if b == 0xE0 {
			u.lo = 0xA0 // less would be overlong
		}
		if b == 0xED {
			u.hi = 0x9F // more would be a surrogate
		}
	case b >= 0xF0 && b <= 0xF4:
		u.need = 3
		if b == 0xF0 {
			u.lo = 0x90
		}
		if b == 0xF4 {
			u.hi = 0x8F // U+10FFFF is the last
		}
	default:
		return false
	}
	return true
}

// wholeRunes returns how much of p comes before a code point that is cut off
// at its end, which is at most three bytes less than all of it. Bytes that can
// never become valid count as whole.
func wholeRunes(p []byte) int {
	for i := 1; i <= 3 && i <= len(p); i++ {
		at := len(p) - i
		if utf8.RuneStart(p[at]) {
			if !utf8.FullRune(p[at:]) {
				return at
			}
			break
		}
	}
	return len(p)
}
