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
// "services.db.backends[1].weight". The decoder does not tell, and stops at
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

// header reads [table] or [[table]], and gives its path and depth.
func (x *index) header() (string, int) {
	at := x.here()
	x.i++
	list := x.skip('[')
	parts := x.key()
	if len(parts) == 0 || x.tooDeep(len(parts), at) {
		return "", 0
	}
	path := x.way("", parts, at)
	if list {
		x.note(path, at, true)
		x.tables[path]++
		path += "[" + strconv.Itoa(x.tables[path]-1) + "]"
	}
	x.note(path, at, false)
	return path, len(parts)
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

// pair reads key = value, and says whether there was a key.
func (x *index) pair(table string, depth int) bool {
	at := x.here()
	parts := x.key()
	if len(parts) == 0 || x.tooDeep(depth+len(parts), at) {
		return false
	}
	path := x.way(table, parts, at)
	x.note(path, at, false)
	x.space()
	if x.skip('=') {
		x.space()
		x.value(path, depth+len(parts))
	}
	return true
}

func (x *index) tooDeep(depth int, at place) bool {
	if depth > maxDepth && x.deep == (place{}) {
		x.deep = at
	}
	return depth > maxDepth
}

// value reads over a value and notes what is in it.
func (x *index) value(path string, depth int) {
	switch c := x.peek(); c {
	case '"', '\'':
		x.str()
	case '[', '{':
		if x.tooDeep(depth+1, x.here()) {
			return
		}
		x.i++
		for n := 0; ; {
			x.blank()
			before := x.i
			switch {
			case x.i >= len(x.text) || x.deep != (place{}):
				return
			case x.skip(c + 2): // both brackets are two behind their opening in ASCII
				return
			case x.skip(','):
			case c == '[':
				element := path + "[" + strconv.Itoa(n) + "]"
				x.note(element, x.here(), false)
				x.value(element, depth+1)
				n++
			default:
				x.pair(path, depth)
			}
			if x.i == before {
				x.i++ // what cannot be: leave it to the decoder
			}
		}
	default: // a number, a word, a date
		for x.i < len(x.text) && !strings.ContainsRune(",]}#\r\n", rune(x.text[x.i])) {
			x.i++
		}
	}
}

// key reads a key with its dots: a."b c".d
func (x *index) key() (parts []string) {
	for {
		x.space()
		from := x.i
		if c := x.peek(); c == '"' || c == '\'' {
			x.str()
			parts = append(parts, unquote(x.text[from:x.i]))
		} else {
			for x.i < len(x.text) && bare(x.text[x.i]) {
				x.i++
			}
			if x.i == from {
				return parts
			}
			parts = append(parts, x.text[from:x.i])
		}
		x.space()
		if !x.skip('.') {
			return parts
		}
	}
}

// str reads over a string of any of the four kinds.
func (x *index) str() {
	quote := x.text[x.i]
	if triple := strings.Repeat(string(quote), 3); strings.HasPrefix(x.text[x.i:], triple) {
		for x.i += 3; x.i < len(x.text); x.i++ {
			if x.text[x.i] == '\\' && quote == '"' {
				x.i++
			} else if strings.HasPrefix(x.text[x.i:], triple) {
				x.i += 3
				for range 2 { // """a""""" ends with two of its own
					x.skip(quote)
				}
				return
			}
		}
		x.i = len(x.text)
		return
	}
	for x.i++; x.i < len(x.text) && x.text[x.i] != '\n'; x.i++ {
		if x.text[x.i] == '\\' && quote == '"' {
			x.i++
		} else if x.skip(quote) {
			return
		}
	}
	x.i = min(x.i, len(x.text))
}

// blank reads over white space, line ends and comments; space stays in the line.
func (x *index) blank() {
	for x.space(); x.i < len(x.text); x.space() {
		if x.text[x.i] == '#' {
			for x.i < len(x.text) && x.text[x.i] != '\n' {
				x.i++
			}
		} else if !x.skip('\n') && !x.skip('\r') {
			return
		}
	}
}

func (x *index) space() {
	for x.skip(' ') || x.skip('\t') {
	}
}

func (x *index) skip(c byte) bool {
	if x.peek() != c || x.i >= len(x.text) {
		return false
	}
	x.i++
	return true
}

func (x *index) peek() byte {
	if x.i < len(x.text) {
		return x.text[x.i]
	}
	return 0
}

func bare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// unquote lets the decoder read a quoted key.
func unquote(quoted string) string {
	var v struct{ K string }
	if _, err := toml.Decode("K="+quoted, &v); err != nil {
		return quoted
	}
	return v.K
}

// join adds a key to a path, in quotes where TOML wants them.
func join(path, key string) string { return strings.TrimPrefix(path+"."+toml.Key{key}.String(), ".") }

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.line, q.line), cmp.Compare(p.column, q.column))
}
