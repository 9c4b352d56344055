package api

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// ParseTime parses a time as people write it: "now"; how long ago, "2h" or "3d";
// a time of day, "03:00" or "03:00:10", the most recent one; a date with or
// without a time of day, "2026-11-28 03:00"; or RFC 3339. Without a zone, the
// time is in the zone of now.
func ParseTime(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "now" {
		return now, nil
	}
	ago, err := text.ParseDuration(s)
	switch {
	case errors.Is(err, text.ErrTooLong):
		return time.Time{}, Wrong(fmt.Sprintf("%q %v", s, err), "write a date, or now")
	case err == nil && ago >= 0:
		return now.Add(-ago), nil
	}
	for _, form := range []string{"15:04", "15:04:05"} {
		if t, err := time.ParseInLocation(form, s, now.Location()); err == nil {
			at := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location())
			if at.After(now) {
				at = at.AddDate(0, 0, -1)
			}
			return at, nil
		}
	}
	for _, form := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(form, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, Wrong(fmt.Sprintf("%q is not a time", s), "like 2h (ago), 03:00, 2026-11-28 03:00 or now")
}

// ParseStretch parses "02:30..now", or "02:30" for the time from then until now.
func ParseStretch(text string, now time.Time) (s Stretch, err error) {
	since, until, _ := strings.Cut(text, "..")
	if s.Since, err = ParseTime(since, now); err != nil {
		return s, err
	}
	s.Until = now
	if until != "" {
		if s.Until, err = ParseTime(until, now); err != nil {
			return s, err
		}
	}
	if !s.Since.Before(s.Until) {
		return s, Wrong(fmt.Sprintf("the period %q is empty", text), "its first time comes before its second")
	}
	return s, nil
}
