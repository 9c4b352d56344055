package api

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// ParseDuration parses "90s", "1h30m" and "05:00" (minutes and seconds). A
// duration must be positive.
func ParseDuration(s string) (d time.Duration, err error) {
	minutes, seconds, clock := strings.Cut(s, ":")
	if clock {
		m, bad := strconv.ParseUint(minutes, 10, 16)
		sec, worse := strconv.ParseUint(seconds, 10, 16)
		d, err = time.Duration(m)*time.Minute+time.Duration(sec)*time.Second, errors.Join(bad, worse)
		switch {
		case errors.Is(bad, strconv.ErrRange):
			err = text.ErrTooLong
		case sec > 59 || len(seconds) != 2:
			err = text.ErrNotDuration
		}
	} else {
		d, err = text.ParseDuration(s)
	}
	switch {
	case errors.Is(err, text.ErrTooLong):
		return 0, err
	case err != nil:
		return 0, errors.New("is not a duration like 90s, 5m or 05:00")
	case d <= 0:
		return 0, errors.New("is not longer than 0; leave it out for the default")
	}
	return d, nil
}

// ParseRate parses "50/s", "3/m", "100/h" and a bare number, which is per second.
func ParseRate(s string) (float64, error) {
	if text.IsNumber(s) {
		s += "/s"
	}
	n, err := text.ParseRate(s)
	if err != nil || n == 0 {
		return 0, errors.New("is not a rate like 50/s or 3/m")
	}
	return n, nil
}
