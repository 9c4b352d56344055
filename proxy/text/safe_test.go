package text

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// nasty are texts that had an effect on a terminal or a reader, and what is shown for
// them.
var nasty = []struct{ in, want string }{
	{"plain", "plain"},
	{"日本 Köln", "日本 Köln"},
	{"cafe\u0301", "cafe\u0301"}, // marks belong to the letters of most scripts
	{"\x1b[2Jgone", "?[2Jgone"},
	{"\x1b]0;title\a", "?]0;title?"},
	{"\x1b]52;c;cm0gLXJm\x1b\\", "?]52;c;cm0gLXJm?\\"},
	{"\u009b31mred", "?31mred"}, // CSI in one C1 control
	{"\u009d0;title\u009c", "?0;title?"},
	{"\x9b31mred", "?31mred"}, // and in one byte
	{"two\nlines\tof\rtext", "two lines of text"},
	{"nul\x00del\x7f", "nul?del?"},
	{"bad\xff\xc3utf", "bad??utf"},
	{"\xed\xa0\x80", "???"}, // a surrogate
	{"\u202egnp.exe\u202c", "gnp.exe"},
	{"\u2066a\u2069\u200e\u200f\u061c", "a"},
	{"zero\u200b\u200d\ufeffwidth\ufe0f", "zerowidth"},
	{"tag\U000e0041s", "tags"},
	{"wide\u00a0\u3000space", "wide  space"},
	{"line\u2028para\u2029", "line?para?"},
	{"private\ue000\U000f0000", "private??"},
	{"nobody\uffff\U0003ffff", "nobody??"},
}

func TestWhatIsShownOfNastyTexts(t *testing.T) {
	for _, c := range nasty {
		if got := Safe(c.in); got != c.want {
			t.Errorf("Safe(%q) = %q, not %q", c.in, got, c.want)
		}
	}
}

func TestEveryRuneIsHarmless(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if bad := harm(Safe("a" + string(r) + "b")); bad != "" {
			t.Fatalf("%U: %s remains", r, bad)
		}
	}
}

func TestJSONMeansTheSame(t *testing.T) {
	for _, c := range nasty {
		said, err := json.MarshalIndent(map[string]string{c.in: c.in}, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		shown := JSON(said)
		if bad := harm(strings.NewReplacer("\n", "", "\t", "").Replace(string(shown))); bad != "" {
			t.Errorf("%q: %s remains in %s", c.in, bad, shown)
		}
		var before, after map[string]string
		if err := json.Unmarshal(shown, &after); err != nil {
			t.Fatalf("%s: %v", shown, err)
		}
		json.Unmarshal(said, &before)
		for k, v := range before {
			if after[k] != v {
				t.Errorf("%q became %q", before, after)
			}
		}
	}
}

func FuzzSafe(f *testing.F) {
	for _, c := range nasty {
		f.Add(c.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		once := Safe(in)
		if bad := harm(once); bad != "" {
			t.Fatalf("%s remains in %q", bad, once)
		}
		if twice := Safe(once); twice != once {
			t.Fatalf("%q is not safe: it became %q", once, twice)
		}
	})
}

// harm returns what in a text a terminal would interpret.
func harm(s string) string {
	if !utf8.ValidString(s) {
		return "invalid UTF-8"
	}
	for _, r := range s {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) {
			return fmt.Sprintf("%U", r)
		}
	}
	return ""
}
