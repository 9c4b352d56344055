package screen

import (
	"slices"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/mattn/go-runewidth"

	proxytext "github.com/tcpctl/tcpctl/proxy/text"
)

// narrow measures runes. East Asian "ambiguous" ones count as narrow in any locale, as in Bubble
// Tea's renderer.
var narrow = &runewidth.Condition{}

// runeWidth returns 1 or 2 columns. Only runes that pass Safe are drawn, and none of those has
// width 0.
func runeWidth(r rune) int {
	if r < 0x1100 || r >= 0x2500 && r < 0x25a0 || r >= 0x2800 && r < 0x2900 {
		return 1 // below U+1100 nothing is wide; lines, blocks and braille are narrow
	}
	return narrow.RuneWidth(r)
}

// Safe makes text from outside harmless to any terminal, and fit for a canvas:
// each rune of the result takes one or two columns.
func Safe(s string) string { return strings.Map(safeRune, proxytext.Safe(s)) }

// safeRune is Safe for one rune: it also drops or replaces runes that do not occupy columns of
// their own.
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
	// If two width tables disagree, terminals do, too.
	if w := narrow.RuneWidth(r); w != 1 && w != 2 || w != ansi.StringWidth(string(r)) {
		return '?'
	}
	return r
}

// joins reports whether terminals draw r together with the rune beside it: the
// parts of Hangul syllables, regional indicators, skin tones, the Thai and Lao
// vowels that combine with their consonant, and a few letters more.
func joins(r rune) bool {
	return r >= 0x1100 && r <= 0x11ff || r >= 0xa960 && r <= 0xa97f || r >= 0xd7b0 && r <= 0xd7ff ||
		r >= 0x1f1e6 && r <= 0x1f1ff || r >= 0x1f3fb && r <= 0x1f3ff || r == 0x0e33 || r == 0x0eb3 || r == 0xff9e || r == 0xff9f ||
		slices.Contains(prepended, r)
}

// prepended are the letters with Unicode's Grapheme_Cluster_Break=Prepend: they
// are drawn together with the rune after them.
var prepended = []rune{0x0d4e, 0x111c2, 0x111c3, 0x1193f, 0x11941, 0x11a3a, 0x11a84, 0x11a85, 0x11a86, 0x11a87, 0x11a88, 0x11a89, 0x11d46, 0x11f02}

// Width is how many columns a safe text takes.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// Cut shortens a safe text to w columns at its end.
func Cut(s string, w int) string {
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

// FirstFit is the first of some texts that fits w columns, the longest of them first; else
// the last one.
func FirstFit(w int, texts ...string) string {
	for _, s := range texts {
		if Width(s) <= w {
			return s
		}
	}
	return texts[len(texts)-1]
}

// Clip shortens a safe text to w columns and ends it with an ellipsis.
func Clip(s string, w int, ellipsis rune) string {
	if len(s) <= w || Width(s) <= w {
		return s
	}
	if w < 2 {
		return Cut(s, w)
	}
	return Cut(s, w-1) + string(ellipsis)
}

// Middle shortens a safe text to w columns in its middle: names and addresses
// differ at both ends.
func Middle(s string, w int, ellipsis rune) string {
	if len(s) <= w || Width(s) <= w {
		return s
	}
	if w < 4 {
		return Cut(s, w)
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
	return Cut(s, w-1-n) + string(ellipsis) + string(tail[from:])
}

// Wrap breaks a safe text into lines of at most w columns, at spaces where it
// has any.
func Wrap(s string, w int) []string {
	if w < 1 {
		return nil
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		for Width(word) > w {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			head := Cut(word, w)
			if head == "" { // a wide rune does not fit into one column
				head = string([]rune(word)[:1])
			}
			lines, word = append(lines, head), word[len(head):]
		}
		switch {
		case line == "":
			line = word
		case Width(line)+1+Width(word) <= w:
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
