package text

import (
	"slices"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for command, want := range map[string][]string{
		`restart-soffice`:                {"restart-soffice"},
		`  sh -c 'kill  $(pidof x)' `:    {"sh", "-c", "kill  $(pidof x)"},
		`a "b c" d\ e "f\"g" '' h"i"'j'`: {"a", "b c", "d e", `f"g`, "", "hij"},
		"":                               {},
		"  drain  db/a\t--limit 5m ":     {"drain", "db/a", "--limit", "5m"},
		`mark "a 'b' c" 'd "e" f'`:       {"mark", "a 'b' c", `d "e" f`},
		`mark a\ b "c\"d" 'e\f'`:         {"mark", "a b", `c"d`, `e\f`},
		`mark '' ""`:                     {"mark", "", ""},
		`mark x'y'"z"`:                   {"mark", "xyz"},
		"mark #42 fixed":                 {"mark", "#42", "fixed"},
		"mark # '#' a#b":                 {"mark", "#", "#", "a#b"},
		"drain büro/ä":                   {"drain", "büro/ä"},
	} {
		if got, err := Words(command); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", command, got, err, want)
		}
	}
	for line, want := range map[string]string{
		`a "b`: "a quote is not closed", "drain 'db": "a quote is not closed", `drain "db\`: "the line ends with a backslash",
		`mark # 'x`: "a quote is not closed", `a\`: "the line ends with a backslash",
	} {
		if got, err := Words(line); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
}
