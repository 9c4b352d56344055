package api

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
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
