package themes

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// keyLines maps a dotted key to its line in the file. The toml package does not report
// the lines of keys that it did not expect.
type keyLines map[string]int

// findKeys finds [table] headers, and the keys before "=", line by line.
func findKeys(text string) keyLines {
	at := keyLines{}
	table := ""
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "["); ok {
			table, _, _ = strings.Cut(rest, "]")
			table = strings.Trim(table, "[ \t\"'")
			at[table] = n
			table += "."
			continue
		}
		key, _, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		key = table + strings.Trim(key, " \t\"'")
		at[key] = cmp.Or(at[key], n)
	}
	return at
}

// line returns the line of a dotted key, or of the nearest table around it.
func (l keyLines) line(key string) int {
	for {
		if n := l[key]; n > 0 {
			return n
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return 1
		}
		key = key[:i]
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// hint returns a question for the most similar of names, or "".
func hint(name string, names []string) string { return text.DidYouMean(name, names) }
