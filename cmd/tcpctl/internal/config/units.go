package config

import (
	"cmp"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Size is a number of bytes.
type Size int64

// Rate is a number of things a second. Zero is no limit.
type Rate float64

// ByteRate is bytes a second. Zero is no limit.
type ByteRate float64

// ParseDuration reads "250ms", "30s", "2m", "1h30m" or "30d". Without a unit no reader
// knows whether 30 is seconds or milliseconds, so it is refused.
func ParseDuration(s string) (time.Duration, error) {
	if isNumber(s) {
		return 0, Error{Text: strconv.Quote(s) + " has no unit", Hint: "write " + strconv.Quote(s+"s") + ", or ms, m, h, d"}
	}
	days, rest := 0.0, s
	if number, more, ok := strings.Cut(s, "d"); ok && isNumber(number) {
		days, _ = strconv.ParseFloat(number, 64)
		rest = cmp.Or(more, "0s")
	}
	d, err := time.ParseDuration(rest)
	if days*24 > proxy.LongestDuration.Hours() {
		d = proxy.LongestDuration + 1
	} else {
		d += time.Duration(days * 24 * float64(time.Hour))
	}
	switch {
	case err != nil:
		return 0, Error{Text: strconv.Quote(s) + " is not a duration", Hint: `write "250ms", "30s", "2m" or "1h30m"`}
	case d < 0:
		return 0, Error{Text: strconv.Quote(s) + " is negative", Hint: `"0s" is off`}
	case d > proxy.LongestDuration:
		return 0, Error{Text: strconv.Quote(s) + " is more than ten years", Hint: `"0s" is off`}
	}
	return d, nil
}

// sizes are the units from the largest, so that String takes the first that
// leaves no remainder.
var sizes = []struct {
	unit  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9},
	{"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"KB", 1e3}, {"B", 1},
}

// ParseSize reads "64KiB", "1.5MB" or "512B".
func ParseSize(s string) (Size, error) {
	f, err := parseBytes(s)
	return Size(f), err
}

func parseBytes(s string) (float64, error) {
	if isNumber(s) {
		return 0, Error{Text: strconv.Quote(s) + " has no unit", Hint: "write " + strconv.Quote(s+"B") + ", or KiB, MiB, GiB, KB, MB, GB"}
	}
	number := strings.TrimRight(s, "BKMGTibkmgt")
	unit := s[len(number):]
	for _, z := range sizes {
		if !strings.EqualFold(unit, z.unit) || !isNumber(number) {
			continue
		}
		if unit != z.unit {
			return 0, Error{Text: strconv.Quote(s) + " is not a size", Hint: "did you mean " + strconv.Quote(number+z.unit) + "?"}
		}
		f, err := strconv.ParseFloat(number, 64)
		if f *= float64(z.bytes); err != nil || f > 1<<53 {
			return 0, Error{Text: strconv.Quote(s) + " is too large", Hint: "the most is 8192TiB"}
		}
		return math.Round(f), nil
	}
	return 0, Error{Text: strconv.Quote(s) + " is not a size", Hint: `write "512B", "64KiB" or "10MB"`}
}

// ParseRate reads "50/s", "3/m" or "100/h".
func ParseRate(s string) (Rate, error) {
	f, err := parsePer(s, `"50/s" or "3/m"`, func(number string) (float64, error) {
		if !isNumber(number) {
			return 0, errors.New("")
		}
		return strconv.ParseFloat(number, 64)
	})
	return Rate(f), err
}

// ParseByteRate reads "10MiB/s"; "0/s" is no limit.
func ParseByteRate(s string) (ByteRate, error) {
	f, err := parsePer(s, `"10MiB/s" or "64KB/s"`, func(number string) (float64, error) {
		if number == "0" {
			return 0, nil
		}
		return parseBytes(number)
	})
	return ByteRate(f), err
}

func parsePer(s, example string, parse func(string) (float64, error)) (float64, error) {
	wrong := Error{Text: strconv.Quote(s) + " is not a rate", Hint: "write " + example}
	number, unit, _ := strings.Cut(s, "/")
	seconds := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	if seconds == 0 {
		return 0, wrong
	}
	f, err := parse(number)
	if err != nil {
		return 0, wrong
	}
	if f > 1<<53 {
		return 0, Error{Text: strconv.Quote(s) + " is too large", Hint: `"0/s" is no limit`}
	}
	return f / seconds, nil
}

// isNumber takes digits with at most one point among them, and no more:
// ParseFloat would also read "1e9", "0x1p4", "inf" and "1_000".
func isNumber(s string) bool {
	whole, part, point := strings.Cut(s, ".")
	return digits(whole) && (!point || digits(part))
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func (s Size) String() string {
	for _, z := range sizes {
		if n := int64(s); n != 0 && n%z.bytes == 0 {
			return strconv.FormatInt(n/z.bytes, 10) + z.unit
		}
	}
	return "0B"
}

func (r Rate) String() string { return strconv.FormatFloat(float64(r), 'f', -1, 64) + "/s" }

func (r ByteRate) String() string {
	if n := math.Round(float64(r)); n != 0 && n == float64(r) {
		return Size(n).String() + "/s"
	} else if r != 0 {
		return strconv.FormatFloat(float64(r), 'f', -1, 64) + "B/s"
	}
	return "0/s"
}
