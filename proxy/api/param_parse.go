package api

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads "90s", "1h30m" and "05:00" (minutes and seconds). A
// duration is longer than 0.
func ParseDuration(text string) (d time.Duration, err error) {
	minutes, seconds, clock := strings.Cut(text, ":")
	if clock {
		m, bad := strconv.ParseUint(minutes, 10, 16)
		s, worse := strconv.ParseUint(seconds, 10, 16)
		d, err = time.Duration(m)*time.Minute+time.Duration(s)*time.Second, errors.Join(bad, worse)
		if s > 59 || len(seconds) != 2 {
			err = strconv.ErrRange
		}
	} else {
		d, err = time.ParseDuration(text)
	}
	switch {
	case err != nil:
		return 0, errors.New("is not a duration like 90s, 5m or 05:00")
	case d <= 0:
		return 0, errors.New("is not longer than 0; leave it out for the default")
	}
	return d, nil
}

// ParseRate reads "50/s", "3/m", "100/h" and a bare number, which is a second's.
func ParseRate(text string) (float64, error) {
	number, per, _ := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(number, 64)
	units := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}
	if err != nil || !(n > 0) || math.IsInf(n, 0) || units[per] == 0 {
		return 0, errors.New("is not a rate like 50/s or 3/m")
	}
	return n / units[per], nil
}
