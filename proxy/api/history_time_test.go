package api

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	zone := time.FixedZone("here", 2*3600)
	now := time.Date(2026, 11, 28, 3, 7, 12, 0, zone)
	at := func(day, h, m, s int) time.Time { return time.Date(2026, 11, day, h, m, s, 0, zone) }
	for text, want := range map[string]time.Time{
		"now": now, "2h": at(28, 1, 7, 12), "90s": at(28, 3, 5, 42), "3d": at(25, 3, 7, 12), "0.5d": at(27, 15, 7, 12),
		"02:30": at(28, 2, 30, 0), "02:30:06": at(28, 2, 30, 6), "23:00": at(27, 23, 0, 0), " 03:07 ": at(28, 3, 7, 0),
		"2026-11-20": at(20, 0, 0, 0), "2026-11-20 14:00": at(20, 14, 0, 0), "2026-11-20T14:00:05": at(20, 14, 0, 5),
		"2026-11-20T12:00:05Z": at(20, 14, 0, 5),
	} {
		if got, err := ParseTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-2h", "25:00", "2026-13-01", "yesterday", "1e300d", "d"} {
		if got, err := ParseTime(text, now); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
	if s, err := ParseStretch("02:30..03:00", now); err != nil || !s.Since.Equal(at(28, 2, 30, 0)) || !s.Until.Equal(at(28, 3, 0, 0)) {
		t.Errorf("%v, %v", s, err)
	}
	if s, err := ParseStretch("1h", now); err != nil || !s.Until.Equal(now) {
		t.Errorf("%v, %v", s, err)
	}
	if _, err := ParseStretch("now..1h", now); err == nil {
		t.Error("an empty period was accepted")
	}
}
