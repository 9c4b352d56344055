package screen

import (
	"math"
	"testing"
	"time"
)

func TestFormats(t *testing.T) {
	for got, want := range map[string]string{
		Bytes(0): "0", Bytes(999): "999", Bytes(1000): "1.0K", Bytes(88 << 20): "88M", Bytes(1 << 60): "1.0E", Bytes(1023 << 10): "1.0M",
		Count(9999): "9999", Count(12345): "12k", Count(1.2e6): "1.2M", Count(9999.6): "10k", Count(math.NaN()): "0", Count(999.6e3): "1.0M", Count(1e30): "huge",
		Rate(0.5): "0.5", Rate(118.2): "118", Rate(0): "0",
		Clock(Seconds(42)): "00:42", Clock(Seconds(11522)): "3h12m", Clock(Seconds(352800)): "4d02h",
		Latency(0.0004): "0.4ms", Latency(0.0121): "12ms", Latency(0): "-", Latency(1.25): "1.2s",
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// TestClockFitsItsColumns: a cut 12h30m reads like another time.
func TestClockFitsItsColumns(t *testing.T) {
	const day = 24 * time.Hour
	for _, d := range []time.Duration{time.Hour - 1, time.Hour, day - time.Second, day, 100*day - time.Second, 100 * day, 9999 * day} {
		if text := Clock(d); Width(text) > 6 {
			t.Errorf("%v is %s", d, text)
		}
	}
}
