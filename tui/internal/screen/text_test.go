package screen

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Every rune, between two letters and next to itself: what Safe lets through has the width that we
// assume, by the renderer's own measure.
func TestEveryRuneHasTheWidthWeAssume(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		s := "a" + string(r) + string(r) + "b"
		clean := Safe(s)
		if got, want := ansi.StringWidth(clean), Width(clean); got != want {
			t.Fatalf("%U: %q is %d columns wide, we assume %d", r, clean, got, want)
		}
		for _, c := range clean {
			if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 {
				t.Fatalf("%U: a control character is left in %q", r, clean)
			}
		}
	}
}

func TestEscapesFromOutsideAreHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                 "plain",
		"\x1b[2Jgone":           "?[2Jgone",
		"two\nlines\tof text":   "two lines of text",
		"\u202egnp.exe":         "gnp.exe",
		"e\u0301":               "e",
		"bell\a":                "bell?",
		"bad\xffutf":            "bad?utf",
		"日本":                    "日本",
		"\u009b31mcsi":          "?31mcsi",
		"zero\u200dwidth\ufe0f": "zerowidth",
	} {
		if got := Safe(in); got != want {
			t.Errorf("safe(%q) = %q, not %q", in, got, want)
		}
	}
}

func TestNamesShortenInTheMiddle(t *testing.T) {
	for _, c := range []struct {
		in   string
		w    int
		want string
	}{
		{"10.0.0.11:5432", 14, "10.0.0.11:5432"}, {"database-primary-1", 9, "data…ry-1"}, {"日本語の名前です", 9, "日本…です"},
		{"abc", 2, "ab"}, {"abc", 0, ""}, {"abcdef", 4, "ab…f"},
	} {
		if got := Middle(c.in, c.w, '…'); got != c.want || Width(got) > c.w {
			t.Errorf("middle(%q, %d) = %q, not %q", c.in, c.w, got, c.want)
		}
	}
}

func TestWrapKeepsAllWords(t *testing.T) {
	const text = "an operator who reads this should see every word of it, averyveryverylongone too"
	for w := 1; w < 40; w++ {
		lines := Wrap(text, w)
		for _, l := range lines {
			if Width(l) > w {
				t.Errorf("%d: %q is too wide", w, l)
			}
		}
		if got := strings.ReplaceAll(strings.Join(lines, ""), " ", ""); got != strings.ReplaceAll(text, " ", "") {
			t.Errorf("%d: %q", w, got)
		}
	}
}
