package api

import (
	"slices"
	"testing"
	"time"
)

// TestEachParamOfEachAct is read from a command line, and written to one unchanged.
func TestEachParamOfEachAct(t *testing.T) {
	values := map[Kind][]string{KindText: {"a b"}, KindDuration: {"5m", "90s", "05:00"}, KindRate: {"50/s", "3/m"}, KindCount: {"2"}, KindSwitch: {"true"}}
	for _, a := range Acts {
		if a.apply == nil {
			t.Errorf("%s has no function", a.Name)
		}
		for _, p := range a.Params {
			all := values[p.Kind()]
			if p.Choices != nil {
				all = p.Choices
			}
			for _, value := range all {
				words := []string{a.Name, "x", "1", "--" + p.Name + "=" + value}
				switch {
				case a.Name == "add":
					words[2] = "127.0.0.1:1"
				case a.Name == "cluster":
					words[1], words = "init", slices.Delete(words, 2, 3)
				case a.Name == "plan":
					words[1], words = "abort", slices.Delete(words, 2, 3)
				case a.On == OnNothing && a.Args == "":
					words = slices.Delete(words, 1, 3)
				case a.Args == "":
					words = slices.Delete(words, 2, 3)
				}
				if p.Name == "save" {
					words = append(words, "--reason", "so that --then is not abort")
				}
				r, err := ParseWords(words)
				if err == nil {
					err = a.Check(&r)
				}
				if err != nil {
					t.Errorf("%q: %v", words, err)
					continue
				}
				var again Options
				if text := p.Text(&r.Options); p.Name != "wait" {
					if err := p.Set(&again, text); err != nil || p.Text(&again) != text || text == "" {
						t.Errorf("%q is %q, and then %q (%v)", words, text, p.Text(&again), err)
					}
				}
				p.Clear(&r.Options)
				if text := p.Text(&r.Options); text != "" {
					t.Errorf("%q is %q after Clear", words, text)
				}
			}
		}
	}
}

// TestWordsThatAreNoRequest are refused as wrong usage, with a hint what is right.
func TestWordsThatAreNoRequest(t *testing.T) {
	for _, words := range [][]string{
		{}, {"plan", "bogus"}, {"plan"}, {"weight", "db/a", "-1"}, {"weight", "db/a", "1.5"}, {"weight", "db/a"}, {"mark", ""}, {"mark", " "}, {"mark"},
		{"pause", "db", "--max", "0s"}, {"pause", "db", "--max", "-1s"}, {"pause", "db", "--max", "5"}, {"pause", "db", "--max"},
		{"pause", "db", "--max", "1:75"}, {"pause", "db", "--bogus"}, {"resume", "db", "--rate", "0/s"}, {"resume", "db", "--rate", "NaN"},
		{"resume", "db", "--rate", "5/d"}, {"resume", "db", "--rate", "+Inf"}, {"drain", "db/a", "--then", "stop"}, {"drain"}, {"drain", "db/a", "--force=maybe"},
		{"roll", "db", "--min-up", "-1"}, {"reload", "db"}, {"weight", "db/a", "1", "2"},
	} {
		r, err := ParseWords(words)
		if err == nil {
			err = Lookup(r.Act).Check(&r)
		}
		if e := AsErrorOrNil(err); e == nil || e.Status != 400 || e.Hint == "" && len(e.Text) < 20 {
			t.Errorf("%q: %v", words, err)
		}
	}
}

// AsErrorOrNil is AsError for an error that may be nil.
func AsErrorOrNil(err error) *Error {
	if err == nil {
		return nil
	}
	return AsError(err)
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "05:00": 5 * time.Minute, "0:30": 30 * time.Second, "250ms": 250 * time.Millisecond,
		"1d": 24 * time.Hour, "1d1h": 25 * time.Hour} {
		if got, err := ParseDuration(text); got != want || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"99999999h": "is out of range: the longest is 3650d", "9999999:00": "is out of range: the longest is 3650d",
		"5:77": "is not a duration like 90s, 5m or 05:00", "5": "is not a duration like 90s, 5m or 05:00", "99999999x": "is not a duration like 90s, 5m or 05:00",
		"0s": "is not longer than 0; leave it out for the default",
	} {
		if _, err := ParseDuration(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want: %s", text, err, want)
		}
	}
}

// TestParseRate: other numbers that strconv.ParseFloat accepts are not rates.
func TestParseRate(t *testing.T) {
	for text, want := range map[string]float64{"50/s": 50, "3/m": 0.05, "50": 50, "0.5/s": 0.5} {
		if got, err := ParseRate(text); got != want || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "/s", "0/s", "-1/s", "inf/s", "0x1p4/s", "1e3/s", "1/d", "1/s/s"} {
		if got, err := ParseRate(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
