package config

import (
	"cmp"
	"sort"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// place is a position in a text: lines and columns from 1, columns in bytes. The zero place is
// nowhere.
type place struct{ line, column int }

// maxDepth bounds how deep tables and lists may nest. A valid file has five levels; the decoder is
// quadratic in the depth, and eventually runs out of stack.
const maxDepth = 32

// index knows where each key of a TOML text is, by its path: "services.db.backends[1].weight". The
// decoder does not report this, and stops at the first value of a wrong type.
type index struct {
	at   map[string]place
	deep place // where the text nests deeper than maxDepth; the rest is not indexed

	implied map[string]bool // named only as part of another path: [a.b] implies a
	tables  map[string]int  // number of [[tables]] with a path
	text    string
	starts  []int // of lines
	i       int   // the scanner's offset in text
}

// indexOf scans a text. It is tolerant: the decoder validates the text, and for an invalid one any
// index is good enough.
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

// find returns the place of a path, or of its closest parent.
func (x *index) find(path string) place {
	if x == nil {
		return place{}
	}
	for path != "" {
		if p, ok := x.at[path]; ok {
			return p
		}
		// A name may contain dots; then some of these steps find nothing.
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return place{}
}

func (x *index) here() place {
	line := sort.SearchInts(x.starts, x.i+1)
	return place{line, x.i - x.starts[line-1] + 1}
}

// note records the place of a path; the first one that is more than implied is kept.
func (x *index) note(path string, at place, implied bool) {
	if _, known := x.at[path]; !known || x.implied[path] && !implied {
		x.at[path], x.implied[path] = at, implied
	}
}

// way records all paths that parts imply below a table, and returns the last.
func (x *index) way(path string, parts []string, at place) string {
	for n, part := range parts {
		path = join(path, part)
		if n == len(parts)-1 {
			break
		}
		x.note(path, at, true)
		if n := x.tables[path]; n > 0 { // [a.b] below [[a]] belongs to the last a
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

// join adds a key to a path, in quotes if TOML requires them.
func join(path, key string) string { return strings.TrimPrefix(path+"."+toml.Key{key}.String(), ".") }

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.line, q.line), cmp.Compare(p.column, q.column))
}
