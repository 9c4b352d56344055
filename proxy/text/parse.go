package text

import (
	"cmp"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/google/shlex"
)

// LongestDuration bounds all durations: it keeps every sum of a time and a duration far from an overflow.
const LongestDuration = 10 * 365 * 24 * time.Hour

// What ParseDuration and ParseRate refuse, as a sentence goes on behind the text.
var (
	ErrNotDuration = errors.New("is not a duration")
	ErrTooLong     = errors.New("is out of range: the longest is 3650d")
	ErrNotRate     = errors.New("is not a rate")
)

// ParseDuration reads "250ms", "1h30m" and "30d", and what is below 0, as a file and a command line have it. The error is
// ErrNotDuration or ErrTooLong.
func ParseDuration(s string) (time.Duration, error) {
	days, rest := 0.0, s
	if number, more, ok := strings.Cut(s, "d"); ok && IsNumber(number) {
		days, _ = strconv.ParseFloat(number, 64)
		rest = cmp.Or(more, "0s")
	}
	d, err := time.ParseDuration(rest)
	switch {
	case rest == "", err != nil && !madeOfDurations(strings.TrimPrefix(rest, "-")):
		return 0, ErrNotDuration
	case err != nil, math.Abs(d.Hours())+days*24 > LongestDuration.Hours():
		return 0, ErrTooLong
	}
	return d + time.Duration(days*24*float64(time.Hour)), nil
}

// madeOfDurations reports whether time.ParseDuration rejects s only for its size: its
// error does not distinguish that.
func madeOfDurations(s string) bool {
	for s != "" {
		behind := strings.TrimLeft(s, "0123456789.")
		number := s[:len(s)-len(behind)]
		s = strings.TrimLeft(behind, "hmsnuµμ")
		if _, err := time.ParseDuration("1" + behind[:len(behind)-len(s)]); err != nil || !IsNumber(number) {
			return false
		}
	}
	return true
}

// ParseRate reads "50/s", "3/m" or "100/h", and gives how many a second that is. The error is ErrNotRate.
func ParseRate(s string) (float64, error) {
	number, per, _ := strings.Cut(s, "/")
	seconds := SecondsOf(per)
	if seconds == 0 || !IsNumber(number) {
		return 0, ErrNotRate
	}
	n, _ := strconv.ParseFloat(number, 64) // infinite if it is too large, which its owner refuses
	return n / seconds, nil
}

// SecondsOf is how long "s", "m" or "h" is; 0: there is no such unit of a rate.
func SecondsOf(unit string) float64 { return map[string]float64{"s": 1, "m": 60, "h": 3600}[unit] }

// IsNumber takes digits with at most one point among them, and no more:
// strconv.ParseFloat would also read "1e9", "0x1p4", "inf" and "1_000".
func IsNumber(s string) bool {
	whole, part, point := strings.Cut(s, ".")
	return digits(whole) && (!point || digits(part))
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// Words splits a line as a shell does: at spaces, with '…', "…" and \x. A # begins
// no comment: operators type it before the numbers of tickets.
func Words(line string) ([]string, error) {
	// shlex cannot turn comments off, so # is replaced. A line that an operator types
	// has no NUL.
	words, err := shlex.Split(strings.ReplaceAll(line, "#", "\x00"))
	switch {
	case err != nil && strings.HasSuffix(err.Error(), "escape character"):
		return nil, errors.New(`the line ends with a backslash; write \\ for one`)
	case err != nil:
		return nil, errors.New("a quote is not closed")
	}
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "\x00", "#")
	}
	return words, nil
}
