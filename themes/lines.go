package themes

import (
	"maps"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// lines knows on which line of a file a key stands: the toml package does not
// say for keys it did not expect, and a strict loader has to.
type lines map[string]int

// scan goes over the text by line: [table] headers, and keys before "=".
func scan(text string) lines {
	at := lines{}
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
		if at[key] == 0 {
			at[key] = n
		}
	}
	return at
}

// of finds the line of a dotted key, or of the nearest table around it.
func (l lines) of(key string) int {
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

// hint asks whether the nearest of names was meant, when one is near.
func hint(name string, names []string) string { return text.DidYouMean(name, names) }
