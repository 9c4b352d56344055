// Package text has what messages are made with: counts with their noun, short
// durations, the nearest of some names. And it makes text from outside fit to
// be shown. Names, reasons, the output of a hook or a server and the strings
// of a peer may hold anything: escape sequences that move the cursor or change
// the keys, characters that turn a line around or hide a part of it, bytes that
// are no text at all. All that a terminal shows passes Safe, and JSON for a
// terminal passes JSON.
package text

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Safe gives s as one line that a terminal only shows: ends of lines, tabs and
// other white space are spaces, format characters (bidirectional ones, too)
// are left out, and each control character, byte that is not UTF-8 or rune
// that is not assigned is a question mark. A text that is safe comes back
// as it is.
func Safe(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
		return s
	}
	return strings.Map(Rune, s)
}

// Rune is what Safe shows in place of r: itself, a space, a question mark, or
// -1 for nothing.
func Rune(r rune) rune {
	switch {
	case r >= ' ' && r <= '~':
		return r
	case r == '\n' || r == '\t' || r == '\r' || unicode.Is(unicode.Zs, r):
		return ' '
	case unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
		return -1
	case r == unicode.ReplacementChar || !unicode.IsPrint(r):
		return '?'
	}
	return r
}

// JSON writes what Safe would not show as it is in b, a JSON document, as
// \u escapes: the document means the same, and a terminal only shows it. Only
// strings can hold such runes; the ends of lines and tabs between values stay.
func JSON(b []byte) []byte {
	if bytes.IndexFunc(b, func(r rune) bool { return (r < ' ' || r > '~') && r != '\n' && r != '\t' }) < 0 {
		return b
	}
	var out bytes.Buffer
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == '\n' || r == '\t' || Rune(r) == r:
			out.Write(b[:n])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		b = b[n:]
	}
	return out.Bytes()
}
