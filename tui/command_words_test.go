package tui

import (
	"slices"
	"testing"
)

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                           {},
		"  drain  db/a\t--limit 5m ": {"drain", "db/a", "--limit", "5m"},
		`mark "a 'b' c" 'd "e" f'`:   {"mark", "a 'b' c", `d "e" f`},
		`mark a\ b "c\"d" 'e\f'`:     {"mark", "a b", `c"d`, `e\f`},
		`mark '' ""`:                 {"mark", "", ""},
		`mark x'y'"z"`:               {"mark", "xyz"},
		"mark #42 fixed":             {"mark", "#42", "fixed"},
		"mark # '#' a#b":             {"mark", "#", "#", "a#b"},
		"drain büro/ä":               {"drain", "büro/ä"},
	} {
		if got, err := splitWords(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{"drain 'db", `drain "db`, `drain db\`, `drain "db\`, `mark # 'x`} {
		if got, err := splitWords(line); err == nil || err.Error() != "a quote is not closed" {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
}
