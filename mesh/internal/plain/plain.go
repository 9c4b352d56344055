// Package plain decides which text from other nodes may be shown: it ends up in terminals, so it must have no
// control characters.
package plain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the most bytes that a name or an id may have.
const MaxName = 64

// Text reports whether s is printable and has 1 to limit bytes.
func Text(s string, limit int) bool {
	if s == "" || len(s) > limit || !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Name is Text with MaxName bytes.
func Name(s string) bool { return Text(s, MaxName) }

// ID is Name without spaces.
func ID(s string) bool { return Name(s) && !strings.ContainsFunc(s, unicode.IsSpace) }

// Clean puts a question mark for whatever may not be shown.
func Clean(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, string(text))
}
