package config

import (
	"slices"
	"strconv"
	"strings"
)

// suggest says what was probably meant by a name, or which there are.
func suggest(name string, names []string) string {
	if n := nearest(name, names); n != "" {
		return "did you mean " + strconv.Quote(n) + "?"
	}
	if len(names) == 0 {
		return ""
	}
	return "it is one of " + strings.Join(names, ", ")
}

// nearest finds the name that is a slip or two away, "" when none is.
func nearest(name string, names []string) string {
	best, least := "", 3
	for _, n := range names {
		d := distance(strings.ToLower(name), strings.ToLower(n))
		// Two slips in a word of four letters are another word.
		if d < least && d*3 <= max(len(name), len(n)) {
			best, least = n, d
		}
	}
	return best
}

// distance is how many letters must be put in, taken out, changed or swapped
// with their neighbour (optimal string alignment). It gives up on long words.
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
