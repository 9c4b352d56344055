package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// table is rows of cells, printed in columns as wide as needed. A cell that begins with a NUL is
// the rest of its line, and does not widen a column.
type table [][]string

func (t table) print(w io.Writer) {
	var widths []int
	for _, row := range t {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if strings.HasPrefix(cell, "\x00") {
				continue
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range t {
		var line strings.Builder
		for i, cell := range row {
			if text, ok := strings.CutPrefix(cell, "\x00"); ok {
				line.WriteString(text)
				continue
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if isNumber(t, i) {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
			line.WriteString("  ")
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// isNumber reports, by its title, whether a column is aligned to the right.
func isNumber(t table, column int) bool {
	switch t[0][column] {
	case "ACTIVE", "QUEUE", "OLDEST", "IN/s", "OUT/s", "#", "WAITED", "PING", "AGE", "IDLE", "IN", "OUT", "SHARE", "SESSIONS":
		return true
	}
	return false
}

// amount formats bytes in binary units: "12 K".
func amount(n float64) string {
	units := []string{"", " K", " M", " G", " T"}
	i := 0
	for n >= 1024 && i < len(units)-1 {
		n /= 1024
		i++
	}
	if n < 10 && i > 0 {
		return fmt.Sprintf("%.1f%s", n, units[i])
	}
	return fmt.Sprintf("%.0f%s", n, units[i])
}

// clock formats a time in the local zone, with the date unless it is today.
func clock(t time.Time) string {
	t = t.Local()
	if t.Format(time.DateOnly) == time.Now().Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}
