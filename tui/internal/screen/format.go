package screen

import (
	"fmt"
	"math"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// Bytes writes a size in binary units, in at most four columns: 0, 88M, 1.2G.
func Bytes(n float64) string { return text.Bytes(n) }

// Count writes a number with k and M, in at most four columns.
func Count(n float64) string { return text.Count(n) }

// Rate writes a number a second. Slow rates have a decimal: a 0 would hide that
// anything moves at all.
func Rate(n float64) string {
	if n > 0.05 && n < 9.95 && math.Abs(n-math.Round(n)) > 0.05 {
		return fmt.Sprintf("%.1f", n)
	}
	return Count(n)
}

// Clock writes a duration in at most six columns: 00:42, 11:02, 3h12m, 4d02h, 123d.
func Clock(d time.Duration) string {
	s := int64(max(d, 0).Seconds())
	switch {
	case s < 3600:
		return fmt.Sprintf("%02d:%02d", s/60, s%60)
	case s < 24*3600:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	case s < 100*86400:
		return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
	}
	return fmt.Sprintf("%dd", s/86400)
}

// Seconds makes a duration of seconds. What is no number is 0.
func Seconds(s float64) time.Duration {
	if math.IsNaN(s) || s > 1e9 {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}

// Latency writes a round trip in seconds: 0.4ms, 12ms, 1.2s; "-" is unknown.
func Latency(s float64) string {
	switch ms := s * 1000; {
	case ms <= 0:
		return "-"
	case ms < 0.95:
		return fmt.Sprintf("%.1fms", max(ms, 0.1))
	case ms < 999.5:
		return fmt.Sprintf("%.0fms", ms)
	}
	return fmt.Sprintf("%.1fs", s)
}
