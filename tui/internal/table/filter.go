package table

import (
	"slices"
	"strconv"
	"strings"
)

// A filter is a list of terms, all of which a row must match:
//
//	pg !down state:up act>100 ~dbf
//
//	word        in any column, in upper or lower case
//	!word       in none
//	~letters    in this order somewhere in a column
//	col:word    in that column
//	col>n       a number in that column, with < >= <= = as well; 10k, 1.5M, 2m, 30s
type filter struct {
	text  string
	terms []term
}

type term struct {
	not   bool
	fuzzy bool
	col   string // "": any
	op    string // "", ":", ">", "<", ">=", "<=", "="
	word  string // lower case
	num   float64
}

// cells gives a filter access to a row.
type cells interface {
	columnNames() []string
	// text returns a column as shown, number the value it is sorted by.
	text(col int) string
	number(col int) (float64, bool)
}

type cellsOf[T any] struct {
	*Table[T]
	row T
}

func (c cellsOf[T]) text(col int) string {
	s, _ := c.Columns[col].Cell(c.row)
	return s
}

func (c cellsOf[T]) number(col int) (float64, bool) {
	value := c.Columns[col].Value
	if value == nil {
		n, err := strconv.ParseFloat(c.text(col), 64)
		return n, err == nil
	}
	return value(c.row), true
}

func parseFilter(s string) filter {
	f := filter{text: strings.TrimSpace(s)}
	for _, w := range strings.Fields(strings.ToLower(s)) {
		if t, ok := parseTerm(w); ok {
			f.terms = append(f.terms, t)
		}
	}
	return f
}

func parseTerm(w string) (t term, ok bool) {
	if rest, not := strings.CutPrefix(w, "!"); not {
		t.not, w = true, rest
	}
	if rest, fuzzy := strings.CutPrefix(w, "~"); fuzzy {
		t.fuzzy, t.word = true, rest
		return t, rest != ""
	}
	t.word = w
	// The first of these characters is the operator, unless the word begins with it: ":5432" looks
	// for a port. If what precedes it is no column, as in "10.0.0.1:80", the whole is a word.
	if i := strings.IndexAny(w, ":<>="); i > 0 {
		op := w[i : i+1]
		rest := w[i+1:]
		if (op == "<" || op == ">") && strings.HasPrefix(rest, "=") {
			op, rest = op+"=", rest[1:]
		}
		t.col, t.op = w[:i], op
		if op == ":" {
			t.num = 0
		} else if n, err := quantity(rest); err == nil {
			t.num = n
		} else if op != "=" {
			t.col, t.op = "", "" // "a>b" is a word
		}
		if t.op != "" {
			t.word = rest
		}
	}
	return t, t.word != ""
}

// quantity reads 100, 10k, 1.5M and G (thousands), 30s, 2m, 1h, 3ms (seconds).
func quantity(s string) (float64, error) {
	for _, unit := range []struct {
		suffix string
		times  float64
	}{{"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"k", 1e3}, {"mb", 1 << 20}, {"kb", 1 << 10}, {"gb", 1 << 30}, {"g", 1e9}} {
		if n, ok := strings.CutSuffix(s, unit.suffix); ok {
			if v, err := strconv.ParseFloat(n, 64); err == nil {
				return v * unit.times, nil
			}
		}
	}
	return strconv.ParseFloat(s, 64)
}

// matches reports whether a row matches all terms.
func (f filter) matches(row cells) bool {
	for i := range f.terms {
		if f.terms[i].matches(row) == f.terms[i].not {
			return false
		}
	}
	return true
}

// plain reports whether a filter has words only: these may name a group and then match all of it,
// unlike "act>100".
func (f filter) plain() bool {
	return !slices.ContainsFunc(f.terms, func(t term) bool { return t.not || t.fuzzy || t.col != "" })
}

func (t *term) matches(row cells) bool {
	names := row.columnNames()
	if t.col != "" {
		for i, name := range names {
			if isNamed(name, t.col) {
				return t.matchesIn(row, i)
			}
		}
	}
	word := t.word
	if t.col != "" {
		word = t.col + t.op + t.word // no column has that name: it is a word
	}
	for i := range names {
		s := strings.ToLower(row.text(i))
		if t.fuzzy && inOrder(s, word) || !t.fuzzy && strings.Contains(s, word) {
			return true
		}
	}
	return false
}

func (t *term) matchesIn(row cells, col int) bool {
	n, numeric := row.number(col)
	switch {
	case t.op == ":" || t.op == "=" && !numeric:
		return strings.Contains(strings.ToLower(row.text(col)), t.word)
	case !numeric:
		return false
	case t.op == ">":
		return n > t.num
	case t.op == "<":
		return n < t.num
	case t.op == ">=":
		return n >= t.num
	case t.op == "<=":
		return n <= t.num
	}
	return n == t.num
}

// isNamed reports whether word names a column: both new/s and new name NEW/s.
func isNamed(name, word string) bool {
	name = strings.ToLower(name)
	return name == word || strings.TrimSuffix(name, "/s") == word
}

// inOrder reports whether s contains the letters in this order.
func inOrder(s, letters string) bool {
	for _, r := range s {
		if letters == "" {
			break
		}
		if rest, ok := strings.CutPrefix(letters, string(r)); ok {
			letters = rest
		}
	}
	return letters == ""
}
