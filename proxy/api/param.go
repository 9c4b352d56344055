package api

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Param is one option of acts. Flags, the console's command line and dialogs,
// the control API and the command line in an event are all derived from it, so
// that all accept the same values.
type Param struct {
	Name    string   // "limit": the flag is --limit
	Help    string   // one line, without a full stop
	Choices []string // the only valid values; nil: see Kind

	field func(*Options) any // its field in a request; nil: used only by the client
}

// Kind is the kind of a Param's values.
type Kind int

const (
	KindSwitch   Kind = iota // true or false
	KindText                 // anything
	KindChoice               // one of Choices
	KindDuration             // 90s, 5m, 05:00
	KindRate                 // 50/s, 3/m
	KindCount                // a whole number from 0
)

// All options.
var (
	paramLimit  = Param{Name: "limit", Help: "how long live sessions may take to end", field: func(o *Options) any { return &o.Limit }}
	paramThen   = Param{Name: "then", Help: "at the limit, abort (give up), cut (reset live sessions) or keep (go on without waiting for them)", Choices: proxy.Thens, field: func(o *Options) any { return &o.Then }}
	paramQuiet  = Param{Name: "quiet", Help: "end a live session once it has carried no data in either direction for `DURATION`, such as 500ms", field: func(o *Options) any { return &o.Quiet }}
	paramMax    = Param{Name: "max", Help: "longest pause", field: func(o *Options) any { return &o.Max }}
	paramRate   = Param{Name: "rate", Help: "admit the waiters afterwards at this `RATE`, such as 50/s", field: func(o *Options) any { return &o.Rate }}
	paramReason = Param{Name: "reason", Help: "reason, shown in events and status", field: func(o *Options) any { return &o.Reason }}
	paramForce  = Param{Name: "force", Help: "proceed despite warnings", field: func(o *Options) any { return &o.Force }}
	paramDryRun = Param{Name: "dry-run", Help: "only show what it would do", field: func(o *Options) any { return &o.DryRun }}
	paramSave   = Param{Name: "save", Help: "keep the change across restarts, in a file beside the configuration", field: func(o *Options) any { return &o.Save }}
	paramHere   = Param{Name: "here", Help: "act on this node only, even if the service's scope is cluster", field: func(o *Options) any { return &o.Here }}
	paramWait   = Param{Name: "wait", Help: "show progress until it is done"}
	paramMinUp  = Param{Name: "min-up", Help: "how many other backends must be up (default 1 if there are others)", field: func(o *Options) any { return &o.MinUp }}
	paramMaxW   = Param{Name: "max-wait", Help: "stop the roll if a client has waited longer than this", field: func(o *Options) any { return &o.MaxWait }}
	paramGrace  = Param{Name: "grace", Help: "how long waiters and live sessions may take before they are reset", field: func(o *Options) any { return &o.Grace }}
	paramSvc    = Param{Name: "service", Help: "all sessions of this `SERVICE`", field: func(o *Options) any { return &o.Service }}
	paramBack   = Param{Name: "backend", Help: "all sessions on this `BACKEND`", field: func(o *Options) any { return &o.Backend }}
	paramClient = Param{Name: "client", Help: "all sessions from this address or `CIDR`", field: func(o *Options) any { return &o.Client }}

	// params is the order of the options on a command line.
	params = []Param{paramSvc, paramBack, paramClient, paramLimit, paramThen, paramQuiet, paramMax, paramRate, paramGrace, paramMinUp, paramMaxW,
		paramReason, paramForce, paramHere, paramSave, paramDryRun}
)

// saying returns the same option with another help text.
func (p Param) saying(help string) Param {
	p.Help = help
	return p
}

// Kind returns the kind of its values.
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

// Set parses text, as an operator writes it, and sets the option in o. The error
// names the flag and the values it accepts; o is then unchanged.
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
		if errors.Is(bad, strconv.ErrRange) {
			return p.wrong(text, "is out of range: the most is 2147483647", "")
		} else if bad != nil {
			return p.wrong(text, "is not a whole number from 0", "write it like 2")
		}
		*to = int(n)
	case *bool:
		yes, bad := strconv.ParseBool(text)
		if bad != nil {
			return p.wrong(text, "is not a boolean", "use true or false")
		}
		*to = yes
	case *string:
		if p.Choices != nil && !slices.Contains(p.Choices, text) {
			return p.wrong(text, "is not known", "use one of "+strings.Join(p.Choices, ", "))
		}
		*to = text
	}
	if err != nil {
		return p.wrong(text, err.Error(), "")
	}
	return nil
}

// Clear resets the option in o to its default.
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

// Text returns the value in o as Set parses it; "" if it is not set.
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
