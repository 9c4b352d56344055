package text

import (
	"strconv"
	"strings"
	"time"
)

// Plural writes a number with its noun: "1 session", "2 sessions".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// Duration writes d without the zeros that its String ends with: 5m, not 5m0s.
// time.ParseDuration reads it back.
func Duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
