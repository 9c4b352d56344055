package config

import (
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

func TestUnits(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "250ms": 250 * time.Millisecond, "30s": 30 * time.Second, "2m": 2 * time.Minute, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute,
	} {
		if d, err := ParseDuration(text); d != want || err != nil {
			t.Errorf("ParseDuration(%q) = %v, %v", text, d, err)
		}
	}
	for text, want := range map[string]Size{
		"0B": 0, "512B": 512, "64KiB": 64 << 10, "10MiB": 10 << 20, "1GiB": 1 << 30, "2TiB": 2 << 40,
		"64KB": 64e3, "10MB": 10e6, "1GB": 1e9, "1TB": 1e12, "1.5KiB": 1536,
	} {
		if n, err := ParseSize(text); n != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v", text, n, err)
		}
	}
	for text, want := range map[string]Rate{"0/s": 0, "50/s": 50, "3/m": 0.05, "1800/h": 0.5, "0.5/s": 0.5} {
		if r, err := ParseRate(text); r != want || err != nil {
			t.Errorf("ParseRate(%q) = %v, %v", text, r, err)
		}
	}
	for text, want := range map[string]ByteRate{"0/s": 0, "0B/s": 0, "10MiB/s": 10 << 20, "60KB/m": 1000, "1B/m": 1. / 60} {
		if r, err := ParseByteRate(text); r != want || err != nil {
			t.Errorf("ParseByteRate(%q) = %v, %v", text, r, err)
		}
	}
}

// Errors say what to write instead.
func TestUnitsRefused(t *testing.T) {
	said := func(err error) string {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	duration := func(s string) error { _, err := ParseDuration(s); return err }
	size := func(s string) error { _, err := ParseSize(s); return err }
	rate := func(s string) error { _, err := ParseRate(s); return err }
	bytes := func(s string) error { _, err := ParseByteRate(s); return err }
	for _, c := range []struct {
		err  error
		want string
	}{
		{duration("30"), `"30" has no unit; write "30s", or ms, m, h, d`},
		{duration("1.5"), `"1.5" has no unit; write "1.5s", or ms, m, h, d`},
		{duration("-30s"), `"-30s" is negative; "0s" is off`},
		{duration(""), `"" is not a duration; write "250ms", "30s", "2m" or "1h30m"`},
		{duration("30 s"), `"30 s" is not a duration; write "250ms", "30s", "2m" or "1h30m"`},
		{duration("900000h"), `"900000h" is out of range; the longest is "3650d"`},
		{duration("3651d"), `"3651d" is out of range; the longest is "3650d"`},
		{duration("9999999999999h"), `"9999999999999h" is out of range; the longest is "3650d"`},
		{duration("-9999999999999h5m"), `"-9999999999999h5m" is out of range; the longest is "3650d"`},
		{duration("9999999999999d5x"), `"9999999999999d5x" is not a duration; write "250ms", "30s", "2m" or "1h30m"`},
		{size("64"), `"64" has no unit; write "64B", or KiB, MiB, GiB, KB, MB, GB`},
		{size("64kib"), `"64kib" is not a size; did you mean "64KiB"?`},
		{size("64K"), `"64K" is not a size; write "512B", "64KiB" or "10MB"`},
		{size("-64KiB"), `"-64KiB" is not a size; write "512B", "64KiB" or "10MB"`},
		{size("1e3B"), `"1e3B" is not a size; write "512B", "64KiB" or "10MB"`},
		{size("KiB"), `"KiB" is not a size; write "512B", "64KiB" or "10MB"`},
		{size("99999999TiB"), `"99999999TiB" is out of range; the most is "8192TiB"`},
		{rate("50"), `"50" is not a rate; write "50/s" or "3/m"`},
		{rate("10MiB/s"), `"10MiB/s" is not a rate; write "50/s" or "3/m"`},
		{rate("-1/s"), `"-1/s" is not a rate; write "50/s" or "3/m"`},
		{rate("99999999999999999999/s"), `"99999999999999999999/s" is out of range; the most is "1000000000/s", and "0/s" is no limit`},
		{bytes("99999999TiB/s"), `"99999999TiB/s" is out of range; the most is "8192TiB/s", and "0/s" is no limit`},
		{bytes("10/s"), `"10/s" is not a rate; write "10MiB/s" or "64KB/s"`},
		{bytes("10MiB/d"), `"10MiB/d" is not a rate; write "10MiB/s" or "64KB/s"`},
	} {
		if got := said(c.err); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// What was parsed can be formatted and parsed again, and nothing is negative.
func FuzzUnits(f *testing.F) {
	for _, s := range []string{"30s", "1h30m", "30", "-5s", "64KiB", "1.5MB", "0B", "50/s", "3/m", "10MiB/s", "0/s", "1B/m", "64kib", "/s", "B", "1µs", "9007199254740993B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDuration(s); err == nil {
			if back, err := ParseDuration(text.Duration(d)); back != d || d < 0 || err != nil {
				t.Errorf("duration %q: %v, again %v, %v", s, d, back, err)
			}
		}
		if n, err := ParseSize(s); err == nil {
			if back, err := ParseSize(n.String()); back != n || n < 0 || err != nil {
				t.Errorf("size %q: %d, again %d, %v", s, n, back, err)
			}
		}
		if r, err := ParseRate(s); err == nil {
			if back, err := ParseRate(r.String()); back != r || r < 0 || err != nil {
				t.Errorf("rate %q: %v, again %v, %v", s, r, back, err)
			}
		}
		if r, err := ParseByteRate(s); err == nil && r < 0 {
			t.Errorf("rate %q: %v", s, r)
		}
	})
}
