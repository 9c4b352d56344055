package tui

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Every rune that there is, between two letters and beside itself: what safe
// lets through is drawn as wide as we think, by the renderer's own measure.
func TestEveryRuneIsDrawnAsWideAsWeThink(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		s := "a" + string(r) + string(r) + "b"
		clean := safe(s)
		if got, want := ansi.StringWidth(clean), width(clean); got != want {
			t.Fatalf("%U: %q is %d columns wide, we think %d", r, clean, got, want)
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
		if got := safe(in); got != want {
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
		if got := middle(c.in, c.w, '…'); got != c.want || width(got) > c.w {
			t.Errorf("middle(%q, %d) = %q, not %q", c.in, c.w, got, c.want)
		}
	}
}

func TestWrapKeepsAllWords(t *testing.T) {
	const text = "an operator who reads this should see every word of it, averyveryverylongone too"
	for w := 1; w < 40; w++ {
		lines := wrap(text, w)
		for _, l := range lines {
			if width(l) > w {
				t.Errorf("%d: %q is too wide", w, l)
			}
		}
		if got := strings.ReplaceAll(strings.Join(lines, ""), " ", ""); got != strings.ReplaceAll(text, " ", "") {
			t.Errorf("%d: %q", w, got)
		}
	}
}

func TestFilterLanguage(t *testing.T) {
	c := newConsole(t, edge(), 140, 45)
	for filter, want := range map[string]string{
		"pg":               "pg-a pg-b pg-c pg-d",
		"pg !down":         "pg-a pg-b pg-c",
		"state:down":       "pg-d",
		"act>100":          "pg-a",
		"act>=38 act<400":  "pg-b",
		"~pga":             "pg-a",
		"!~pg":             "soffice",
		"10.0.0.12:5432":   "pg-b",
		":8100":            "soffice",
		"STATE:up":         "pg-a soffice",
		"act>0.4k":         "pg-a",
		"since>1h state:+": "pg-a soffice",
		"office":           "soffice",
		"nothing":          "",
		"act>":             "pg-a pg-b pg-c pg-d soffice",
	} {
		p := c.backendsPane()
		p.table.setFilter(filter)
		var names []string
		for i := range p.table.len() {
			if r := p.table.row(i); r.backend != nil {
				names = append(names, r.backend.Name)
			}
		}
		if filter == "act>" {
			continue // half typed: whatever it shows, it must not fail
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q shows %q, not %q", filter, got, want)
		}
	}
}

func TestFormats(t *testing.T) {
	for got, want := range map[string]string{
		size(0): "0", size(999): "999", size(1000): "1.0K", size(88 << 20): "88M", size(1 << 60): "1.0E", size(1023 << 10): "1.0M",
		amount(9999): "9999", amount(12345): "12k", amount(1.2e6): "1.2M",
		perSecond(0.5): "0.5", perSecond(118.2): "118", perSecond(0): "0",
		clock(seconds(42)): "00:42", clock(seconds(11522)): "3h12m", clock(seconds(352800)): "4d02h",
		latency(0.0004): "0.4ms", latency(0.0121): "12ms", latency(0): "-", latency(1.25): "1.2s",
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
