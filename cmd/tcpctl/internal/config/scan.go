package config

import (
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// header reads [table] or [[table]], and returns its path and depth.
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

// pair reads key = value, if there is a key.
func (x *index) pair(table string, depth int) {
	at := x.here()
	parts := x.key()
	if len(parts) == 0 || x.tooDeep(depth+len(parts), at) {
		return
	}
	path := x.way(table, parts, at)
	x.note(path, at, false)
	x.space()
	if x.skip('=') {
		x.space()
		x.value(path, depth+len(parts))
	}
}

// value skips a value and indexes the keys in it.
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
			case x.skip(c + 2): // in ASCII, both kinds of closing bracket are 2 after the opening one
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
				x.i++ // invalid: leave it to the decoder
			}
		}
	default: // a number, a word, a date
		for x.i < len(x.text) && !strings.ContainsRune(",]}#\r\n", rune(x.text[x.i])) {
			x.i++
		}
	}
}

// key reads a dotted key: a."b c".d
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

// str skips a string of any of the four kinds.
func (x *index) str() {
	quote := x.text[x.i]
	if triple := strings.Repeat(string(quote), 3); strings.HasPrefix(x.text[x.i:], triple) {
		for x.i += 3; x.i < len(x.text); x.i++ {
			if x.text[x.i] == '\\' && quote == '"' {
				x.i++
			} else if strings.HasPrefix(x.text[x.i:], triple) {
				x.i += 3
				for range 2 { // """a""""" contains two quotes at its end
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

// blank skips white space, line ends and comments; space stays within the line.
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

// unquote decodes a quoted key with the TOML decoder.
func unquote(quoted string) string {
	var v struct{ K string }
	if _, err := toml.Decode("K="+quoted, &v); err != nil {
		return quoted
	}
	return v.K
}
