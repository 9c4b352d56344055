package text

import (
	"slices"
	"strconv"
	"strings"
)

// DidYouMean is `; did you mean "x"?` with the nearest of names, to be added to an
// error about a name, or "" when none is near.
func DidYouMean(name string, names []string) string {
	n := Nearest(name, names)
	if n == "" {
		return ""
	}
	return "; did you mean " + strconv.Quote(n) + "?"
}

// Nearest is the name that is a slip or two away, "" when none is. Upper and lower
// case are the same.
func Nearest(name string, names []string) string {
	best, least := "", 3
	for _, n := range names {
		d := distance(strings.ToLower(name), strings.ToLower(n))
		// A word of four letters with two typos is another word.
		if d < least && d*3 <= max(len(name), len(n)) {
			best, least = n, d
		}
	}
	return best
}

// distance is how many letters must be inserted, deleted, changed or swapped with their
// neighbour (optimal string alignment). Long words are not compared.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	var before, above []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, above, row = above, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := above[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = slices.Min([]int{change, above[j+1] + 1, row[j] + 1})
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
