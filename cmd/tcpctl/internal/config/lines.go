package config

import (
	"cmp"
	"sort"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// place is where something is in a text: lines and columns from 1, columns in
// bytes. The zero place is nowhere.
type place struct{ line, column int }

// maxDepth bounds how deep tables and lists may nest. A right file has five
// levels; the decoder is quadratic in them, and in the end runs out of stack.
const maxDepth = 32

// index knows where each key of a TOML text is, by its path:
// "services.db.backends[1].weight". The decoder does not say, and stops at
// the first value of a wrong type.
type index struct {
	at   map[string]place
	deep place // where it nests deeper than maxDepth; nothing is known from there on

	implied map[string]bool // only named on the way to another: [a.b] implies a
	tables  map[string]int  // how many [[tables]] there are of a path
	text    string
	starts  []int // of lines
	i       int   // the scanner's offset in text
}

// indexOf scans a text. It is tolerant: whether the text is right is the
// decoder's business, and of a wrong one any index is good enough.
func indexOf(text string) *index {
	x := &index{at: map[string]place{}, implied: map[string]bool{}, tables: map[string]int{},
		text: strings.TrimPrefix(text, "\ufeff"), starts: []int{0}}
	for i := range len(x.text) {
		if x.text[i] == '\n' {
			x.starts = append(x.starts, i+1)
		}
	}
	table, depth := "", 0
	for x.blank(); x.i < len(x.text) && x.deep == (place{}); x.blank() {
		if x.text[x.i] == '[' {
			table, depth = x.header()
		} else {
			x.pair(table, depth)
		}
		for x.i < len(x.text) && x.text[x.i] != '\n' {
			x.i++
		}
	}
	return x
}

// find gives the place of a path, or of what is around it.
func (x *index) find(path string) place {
	if x == nil {
		return place{}
	}
	for path != "" {
		if p, ok := x.at[path]; ok {
			return p
		}
		// A name may have dots in it; then a few of these steps find nothing.
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return place{}
}

func (x *index) here() place {
	line := sort.SearchInts(x.starts, x.i+1)
	return place{line, x.i - x.starts[line-1] + 1}
}

// note keeps the place of a path; the first that is more than implied stays.
func (x *index) note(path string, at place, implied bool) {
	if _, known := x.at[path]; !known || x.implied[path] && !implied {
		x.at[path], x.implied[path] = at, implied
	}
}

// way notes all that parts imply below a table, and gives the path of the last.
func (x *index) way(path string, parts []string, at place) string {
	for n, part := range parts {
		path = join(path, part)
		if n == len(parts)-1 {
			break
		}
		x.note(path, at, true)
		if n := x.tables[path]; n > 0 { // [a.b] below [[a]] is of the last a
			path += "[" + strconv.Itoa(n-1) + "]"
		}
	}
	return path
}

func (x *index) tooDeep(depth int, at place) bool {
	if depth > maxDepth && x.deep == (place{}) {
		x.deep = at
	}
	return depth > maxDepth
}

// join adds a key to a path, in quotes where TOML wants them.
func join(path, key string) string { return strings.TrimPrefix(path+"."+toml.Key{key}.String(), ".") }

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.line, q.line), cmp.Compare(p.column, q.column))
}
