package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
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
	if text.IsNumber(s) {
		return 0, Error{Text: strconv.Quote(s) + " has no unit", Hint: "write " + strconv.Quote(s+"s") + ", or ms, m, h, d"}
	}
	d, err := text.ParseDuration(s)
	switch {
	case errors.Is(err, text.ErrTooLong):
		return 0, Error{Text: strconv.Quote(s) + " is out of range", Hint: `the longest is "3650d"`}
	case err != nil:
		return 0, Error{Text: strconv.Quote(s) + " is not a duration", Hint: `write "250ms", "30s", "2m" or "1h30m"`}
	case d < 0:
		return 0, Error{Text: strconv.Quote(s) + " is negative", Hint: `"0s" is off`}
	}
	return d, nil
}

// sizes are the units, largest first, so that String uses the first that leaves no remainder.
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
	if err == nil && f > proxy.MaxBytes {
		return 0, Error{Text: strconv.Quote(s) + " is out of range", Hint: `the most is "8192TiB"`}
	}
	return Size(f), err
}

func parseBytes(s string) (float64, error) {
	if text.IsNumber(s) {
		return 0, Error{Text: strconv.Quote(s) + " has no unit", Hint: "write " + strconv.Quote(s+"B") + ", or KiB, MiB, GiB, KB, MB, GB"}
	}
	number := strings.TrimRight(s, "BKMGTibkmgt")
	unit := s[len(number):]
	for _, z := range sizes {
		if !strings.EqualFold(unit, z.unit) || !text.IsNumber(number) {
			continue
		}
		if unit != z.unit {
			return 0, Error{Text: strconv.Quote(s) + " is not a size", Hint: "did you mean " + strconv.Quote(number+z.unit) + "?"}
		}
		f, _ := strconv.ParseFloat(number, 64) // infinite if too large
		return math.Round(f * float64(z.bytes)), nil
	}
	return 0, Error{Text: strconv.Quote(s) + " is not a size", Hint: `write "512B", "64KiB" or "10MB"`}
}

// ParseRate reads "50/s", "3/m" or "100/h".
func ParseRate(s string) (Rate, error) {
	f, err := text.ParseRate(s)
	if err != nil {
		return 0, Error{Text: strconv.Quote(s) + " is not a rate", Hint: `write "50/s" or "3/m"`}
	}
	if f > proxy.MaxRate {
		return 0, Error{Text: strconv.Quote(s) + " is out of range", Hint: fmt.Sprintf(`the most is "%d/s", and "0/s" is no limit`, int(proxy.MaxRate))}
	}
	return Rate(f), nil
}

// ParseByteRate reads "10MiB/s"; "0/s" is no limit.
func ParseByteRate(s string) (ByteRate, error) {
	number, unit, _ := strings.Cut(s, "/")
	seconds := text.SecondsOf(unit)
	f, err := 0.0, error(nil)
	if number != "0" {
		f, err = parseBytes(number)
	}
	switch {
	case err != nil, seconds == 0:
		return 0, Error{Text: strconv.Quote(s) + " is not a rate", Hint: `write "10MiB/s" or "64KB/s"`}
	case f/seconds > proxy.MaxBytes:
		return 0, Error{Text: strconv.Quote(s) + " is out of range", Hint: `the most is "8192TiB/s", and "0/s" is no limit`}
	}
	return ByteRate(f / seconds), nil
}

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
