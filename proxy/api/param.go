package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Param is one option of acts. Flags, the console's command line and dialogs,
// what goes over the control API and the equal command line of an event are
// all made from it, so that each takes the same values.
type Param struct {
	Name    string   // "limit": the flag is --limit
	Help    string   // one line, without a full stop
	Choices []string // the only values there are; nil: others than these

	field func(*Options) any // where a request keeps it; nil: it is the client's own
}

// Kind is what the values of a Param look like.
type Kind int

const (
	KindSwitch   Kind = iota // true or false
	KindText                 // anything
	KindChoice               // one of Choices
	KindDuration             // 90s, 5m, 05:00
	KindRate                 // 50/s, 3/m
	KindCount                // a whole number from 0
)

// The options there are.
var (
	paramLimit  = Param{Name: "limit", Help: "how long live sessions may take", field: func(o *Options) any { return &o.Limit }}
	paramThen   = Param{Name: "then", Help: "at the limit: abort (give up), cut (reset the live sessions) or keep (go on without waiting for them)", Choices: proxy.Thens, field: func(o *Options) any { return &o.Then }}
	paramMax    = Param{Name: "max", Help: "the longest pause", field: func(o *Options) any { return &o.Max }}
	paramRate   = Param{Name: "rate", Help: "afterwards admit so many waiters, like `50/s`", field: func(o *Options) any { return &o.Rate }}
	paramReason = Param{Name: "reason", Help: "why, for those who read the events", field: func(o *Options) any { return &o.Reason }}
	paramForce  = Param{Name: "force", Help: "do it in spite of a warning", field: func(o *Options) any { return &o.Force }}
	paramDryRun = Param{Name: "dry-run", Help: "only say what it would do", field: func(o *Options) any { return &o.DryRun }}
	paramSave   = Param{Name: "save", Help: "keep it over a restart, in a file beside the configuration", field: func(o *Options) any { return &o.Save }}
	paramWait   = Param{Name: "wait", Help: "show the progress until it is done"}
	paramMinUp  = Param{Name: "min-up", Help: "how many other backends must be up (default 1 where there are others)", field: func(o *Options) any { return &o.MinUp }}
	paramMaxW   = Param{Name: "max-wait", Help: "stop when a client has waited longer", field: func(o *Options) any { return &o.MaxWait }}
	paramGrace  = Param{Name: "grace", Help: "how long waiters and live sessions may take before they are reset", field: func(o *Options) any { return &o.Grace }}
	paramSvc    = Param{Name: "service", Help: "all of this `SERVICE`", field: func(o *Options) any { return &o.Service }}
	paramBack   = Param{Name: "backend", Help: "all on this `BACKEND`", field: func(o *Options) any { return &o.Backend }}
	paramClient = Param{Name: "client", Help: "all from this address or `CIDR`", field: func(o *Options) any { return &o.Client }}

	// params is the order in which a command line has them.
	params = []Param{paramSvc, paramBack, paramClient, paramLimit, paramThen, paramMax, paramRate, paramGrace, paramMinUp, paramMaxW,
		paramReason, paramForce, paramSave, paramDryRun}
)

// saying is the same option with a help of its own.
func (p Param) saying(help string) Param {
	p.Help = help
	return p
}

// Kind is what its values look like.
func (p Param) Kind() Kind {
	if p.field == nil {
		return KindSwitch
	}
	switch p.field(new(Options)).(type) {
	case *time.Duration:
		return KindDuration
	case *float64:
		return KindRate
	case *int:
		return KindCount
	case *string:
		if p.Choices != nil {
			return KindChoice
		}
		return KindText
	}
	return KindSwitch
}

// Set reads a value as people write it. An error names the flag, and what it
// takes; what was set before stays then.
func (p Param) Set(o *Options, text string) (err error) {
	if p.field == nil {
		return nil
	}
	switch to := p.field(o).(type) {
	case *time.Duration:
		var d time.Duration
		if d, err = ParseDuration(text); err == nil {
			*to = d
		}
	case *float64:
		var rate float64
		if rate, err = ParseRate(text); err == nil {
			*to = rate
		}
	case *int:
		n, bad := strconv.ParseUint(text, 10, 31)
		if bad != nil {
			return p.wrong(text, "is not a whole number from 0", "")
		}
		*to = int(n)
	case *bool:
		yes, bad := strconv.ParseBool(text)
		if bad != nil {
			return p.wrong(text, "is neither true nor false", "")
		}
		*to = yes
	case *string:
		if p.Choices != nil && !slices.Contains(p.Choices, text) {
			return p.wrong(text, "is not known", "it is one of "+strings.Join(p.Choices, ", "))
		}
		*to = text
	}
	if err != nil {
		return p.wrong(text, err.Error(), "")
	}
	return nil
}

// Clear takes a value back: the default holds.
func (p Param) Clear(o *Options) {
	if p.field == nil {
		return
	}
	switch at := p.field(o).(type) {
	case *time.Duration:
		*at = 0
	case *float64:
		*at = 0
	case *int:
		*at = 0
	case *bool:
		*at = false
	case *string:
		*at = ""
	}
}

func (p Param) wrong(text, what, hint string) error {
	return Wrong(fmt.Sprintf("--%s %q %s", p.Name, text, what), hint)
}

// Text is the value as Set reads it; "" when it is not set.
func (p Param) Text(o *Options) string {
	if p.field == nil {
		return ""
	}
	switch at := p.field(o).(type) {
	case *time.Duration:
		if *at != 0 {
			return text.Duration(*at)
		}
	case *float64:
		if *at != 0 {
			return strconv.FormatFloat(*at, 'g', -1, 64) + "/s"
		}
	case *int:
		if *at != 0 {
			return strconv.Itoa(*at)
		}
	case *bool:
		if *at {
			return "true"
		}
	case *string:
		return *at
	}
	return ""
}

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

// key is the name in JSON, which says in what a number is counted.
func (p Param) key() string {
	key := strings.ReplaceAll(p.Name, "-", "_")
	if p.Kind() == KindDuration {
		key += "_seconds"
	}
	return key
}

// setJSON reads a value as programs send it.
func (p Param) setJSON(o *Options, raw json.RawMessage) error {
	to := p.field(o)
	d, timed := to.(*time.Duration)
	seconds := 0.0
	if timed {
		to = &seconds
	}
	if json.Unmarshal(raw, to) != nil {
		return notJSON(p.key(), jsonKinds[p.Kind()], raw)
	}
	if !timed {
		return nil
	}
	var err error
	if *d, err = Duration(seconds); err != nil {
		return Wrong(p.key()+": "+err.Error(), "like 30")
	}
	return nil
}

// jsonKinds is what a value must be, for whoever has sent something else.
var jsonKinds = map[Kind]string{KindSwitch: "true or false", KindText: "a text", KindChoice: "a text",
	KindDuration: "a number of seconds", KindRate: "a number a second", KindCount: "a whole number"}

func (p Param) jsonValue(o *Options) any {
	if d, ok := p.field(o).(*time.Duration); ok {
		return d.Seconds()
	}
	return p.field(o)
}

// Duration is a number of seconds as a program gives it.
func Duration(seconds float64) (time.Duration, error) {
	if !(math.Abs(seconds) < math.MaxInt64/1e9) {
		return 0, fmt.Errorf("%g seconds are too many", seconds)
	}
	return time.Duration(math.Round(seconds * 1e9)), nil
}

func notJSON(key, want string, raw json.RawMessage) error {
	return Wrong(fmt.Sprintf("%s must be %s, not %.40s", key, want, raw), "")
}
