package text

import (
	"fmt"
	"math"
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

// Took writes a length of time for people, in seconds: "3.2s", "41s", "5m12s",
// "4h02m".
func Took(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
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

// Bytes writes a size in binary units, in at most four columns: 0, 88M, 1.2G.
func Bytes(n float64) string {
	if n < 1000 {
		return strconv.Itoa(int(math.Round(max(n, 0))))
	}
	return scaled(n, 1024, "KMGTPE")
}

// Count writes a number with k and M, in at most four columns: 0, 9999, 88k, 1.2M.
func Count(n float64) string {
	switch {
	case n < 0 || math.IsNaN(n):
		return "0"
	case n < 9999.5:
		return strconv.Itoa(int(math.Round(n)))
	}
	return scaled(n, 1000, "kMGTPE")
}

// scaled writes a number in the first unit in which it takes at most four columns.
func scaled(n, step float64, units string) string {
	for _, unit := range units {
		n /= step
		switch {
		case n < 9.95:
			return fmt.Sprintf("%.1f%c", n, unit)
		case n < 999.5:
			return fmt.Sprintf("%.0f%c", n, unit)
		}
	}
	return "huge"
}
