package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// Key returns the name in JSON, which includes the unit; "" if the option is not
// sent.
func (p Param) Key() string {
	if p.field == nil {
		return ""
	}
	key := strings.ReplaceAll(p.Name, "-", "_")
	if p.Kind() == KindDuration {
		key += "_seconds"
	}
	return key
}

// setJSON reads a value from JSON.
func (p Param) setJSON(o *Options, raw json.RawMessage) error {
	to := p.field(o)
	d, timed := to.(*time.Duration)
	seconds := 0.0
	if timed {
		to = &seconds
	}
	if json.Unmarshal(raw, to) != nil {
		return notJSON(p.Key(), jsonKinds[p.Kind()], raw)
	}
	if !timed {
		return nil
	}
	var err error
	if *d, err = Duration(seconds); err != nil {
		return Wrong(p.Key()+": "+err.Error(), "like 30")
	}
	return nil
}

// jsonKinds says what a value must be, for the error about another value.
var jsonKinds = map[Kind]string{KindSwitch: "true or false", KindText: "a text", KindChoice: "a text",
	KindDuration: "a number of seconds", KindRate: "a number a second", KindCount: "a whole number"}

func (p Param) jsonValue(o *Options) any {
	if d, ok := p.field(o).(*time.Duration); ok {
		return d.Seconds()
	}
	return p.field(o)
}

// Duration converts a number of seconds from JSON.
func Duration(seconds float64) (time.Duration, error) {
	if !(math.Abs(seconds) < math.MaxInt64/1e9) {
		return 0, fmt.Errorf("%g seconds are too many", seconds)
	}
	return time.Duration(math.Round(seconds * 1e9)), nil
}

func notJSON(key, want string, raw json.RawMessage) error {
	return Wrong(fmt.Sprintf("%s must be %s, not %.40s", key, want, raw), "")
}

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
