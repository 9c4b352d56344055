package tui

import (
	"slices"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/mattn/go-runewidth"

	proxytext "github.com/tcpctl/tcpctl/proxy/text"
)

// narrow measures runes. East Asian "ambiguous" ones are narrow whatever the
// locale says: the renderer below us thinks so too.
var narrow = &runewidth.Condition{}

// runeWidth is 1 or 2 columns. Only runes that safe lets through are drawn,
// and safe leaves none of width 0.
func runeWidth(r rune) int {
	if r < 0x1100 || r >= 0x2500 && r < 0x25a0 || r >= 0x2800 && r < 0x2900 {
		return 1 // nothing wide is below U+1100; lines, blocks and braille
	}
	return narrow.RuneWidth(r)
}

// safe makes a text from outside harmless, as for every terminal, and fit for
// the canvas: what is left is one column or two a rune, always.
func safe(s string) string { return strings.Map(safeRune, proxytext.Safe(s)) }

// safeRune is the same for one rune: it leaves out or replaces, too, what is
// not drawn in columns of its own.
func safeRune(r rune) rune {
	r = proxytext.Rune(r)
	switch {
	case r <= '~':
		return r
	case unicode.Is(unicode.M, r):
		return -1 // joins its neighbour
	case joins(r):
		return '?'
	}
	// Where two tables of widths disagree, terminals do too.
	if w := narrow.RuneWidth(r); w != 1 && w != 2 || w != ansi.StringWidth(string(r)) {
		return '?'
	}
	return r
}

// joins reports runes that terminals draw together with the rune beside them:
// the parts of Hangul syllables, the letters of flags, the tones of skin, and
// the Thai and Lao vowels that hang on their consonant, and a few letters more.
func joins(r rune) bool {
	return r >= 0x1100 && r <= 0x11ff || r >= 0xa960 && r <= 0xa97f || r >= 0xd7b0 && r <= 0xd7ff ||
		r >= 0x1f1e6 && r <= 0x1f1ff || r >= 0x1f3fb && r <= 0x1f3ff || r == 0x0e33 || r == 0x0eb3 || r == 0xff9e || r == 0xff9f ||
		slices.Contains(prepended, r)
}

// prepended are letters that are written together with the one after them
// (Unicode's Grapheme_Cluster_Break=Prepend, as far as they are letters).
var prepended = []rune{0x0d4e, 0x111c2, 0x111c3, 0x1193f, 0x11941, 0x11a3a, 0x11a84, 0x11a85, 0x11a86, 0x11a87, 0x11a88, 0x11a89, 0x11d46, 0x11f02}

// width is how many columns a safe text takes.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// cut shortens a safe text to w columns at its end.
func cut(s string, w int) string {
	if len(s) <= w {
		return s
	}
	n := 0
	for i, r := range s {
		if n += runeWidth(r); n > w {
			return s[:i]
		}
	}
	return s
}

// clip shortens a safe text to w columns and says so.
func clip(s string, w int, ellipsis rune) string {
	if len(s) <= w || width(s) <= w {
		return s
	}
	if w < 2 {
		return cut(s, w)
	}
	return cut(s, w-1) + string(ellipsis)
}

// middle shortens a safe name to w columns in its middle: both ends of names
// and addresses tell them apart.
func middle(s string, w int, ellipsis rune) string {
	if len(s) <= w || width(s) <= w {
		return s
	}
	if w < 4 {
		return cut(s, w)
	}
	tail := []rune(s)
	n, from := 0, len(tail)
	for from > 0 {
		rw := runeWidth(tail[from-1])
		if n+rw > (w-1)/2 {
			break
		}
		n += rw
		from--
	}
	return cut(s, w-1-n) + string(ellipsis) + string(tail[from:])
}

// wrap breaks a safe text into lines of at most w columns, at spaces where
// there are some.
func wrap(s string, w int) []string {
	if w < 1 {
		return nil
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		for width(word) > w {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			head := cut(word, w)
			if head == "" { // one wide rune in one column
				head = string([]rune(word)[:1])
			}
			lines, word = append(lines, head), word[len(head):]
		}
		switch {
		case line == "":
			line = word
		case width(line)+1+width(word) <= w:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
