package ws

import "unicode/utf8"

// A utf8Checker checks UTF-8 wherever it is split, and fails at the first byte that
// no valid text could have in its place (RFC 3629, section 4), so that the
// connection is closed at once and not at the end of the message.
type utf8Checker struct {
	remaining int8 // continuation bytes that are still missing
	lo, hi    byte // range of the next of them
}

// valid checks the next bytes of a message.
func (u *utf8Checker) valid(p []byte) bool {
	for u.remaining > 0 && len(p) > 0 {
		if !u.next(p[0]) {
			return false
		}
		p = p[1:]
	}
	n := wholeRunes(p)
	if !utf8.Valid(p[:n]) {
		return false
	}
	for _, b := range p[n:] {
		if !u.next(b) {
			return false
		}
	}
	return true
}

// complete reports whether the text may end here.
func (u *utf8Checker) complete() bool { return u.remaining == 0 }

func (u *utf8Checker) next(b byte) bool {
	if u.remaining > 0 {
		if b < u.lo || b > u.hi {
			return false
		}
		u.remaining--
		u.lo, u.hi = 0x80, 0xBF
		return true
	}
	u.lo, u.hi = 0x80, 0xBF
	switch {
	case b < 0x80:
	case b >= 0xC2 && b <= 0xDF:
		u.remaining = 1
	case b >= 0xE0 && b <= 0xEF:
		u.remaining = 2
		if b == 0xE0 {
			u.lo = 0xA0 // below is overlong
		}
		if b == 0xED {
			u.hi = 0x9F // above is a surrogate
		}
	case b >= 0xF0 && b <= 0xF4:
		u.remaining = 3
		if b == 0xF0 {
			u.lo = 0x90
		}
		if b == 0xF4 {
			u.hi = 0x8F // above is beyond U+10FFFF
		}
	default:
		return false
	}
	return true
}

// wholeRunes returns the length of p without an incomplete code point at its end,
// which has at most three bytes. Bytes that can never become valid count as whole.
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
