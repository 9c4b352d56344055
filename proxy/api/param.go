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
	paramQuiet  = Param{Name: "quiet", Help: "end a live session once it has carried nothing, both ways, for this `DURATION`, like 500ms", field: func(o *Options) any { return &o.Quiet }}
	paramMax    = Param{Name: "max", Help: "the longest pause", field: func(o *Options) any { return &o.Max }}
	paramRate   = Param{Name: "rate", Help: "admit the waiters afterwards at this `RATE`, like 50/s", field: func(o *Options) any { return &o.Rate }}
	paramReason = Param{Name: "reason", Help: "the reason, which events and status show", field: func(o *Options) any { return &o.Reason }}
	paramForce  = Param{Name: "force", Help: "do it despite a warning", field: func(o *Options) any { return &o.Force }}
	paramDryRun = Param{Name: "dry-run", Help: "only say what it would do", field: func(o *Options) any { return &o.DryRun }}
	paramSave   = Param{Name: "save", Help: "keep it across restarts, in a file beside the configuration", field: func(o *Options) any { return &o.Save }}
	paramHere   = Param{Name: "here", Help: "act on this node alone, where the service's scope is cluster", field: func(o *Options) any { return &o.Here }}
	paramWait   = Param{Name: "wait", Help: "show the progress until it is done"}
	paramMinUp  = Param{Name: "min-up", Help: "how many other backends must be up (default 1 if there are others)", field: func(o *Options) any { return &o.MinUp }}
	paramMaxW   = Param{Name: "max-wait", Help: "stop the roll when a client has waited longer", field: func(o *Options) any { return &o.MaxWait }}
	paramGrace  = Param{Name: "grace", Help: "how long waiters and live sessions may take before they are reset", field: func(o *Options) any { return &o.Grace }}
	paramSvc    = Param{Name: "service", Help: "all sessions of this `SERVICE`", field: func(o *Options) any { return &o.Service }}
	paramBack   = Param{Name: "backend", Help: "all sessions on this `BACKEND`", field: func(o *Options) any { return &o.Backend }}
	paramClient = Param{Name: "client", Help: "all sessions from this address or `CIDR`", field: func(o *Options) any { return &o.Client }}

	// params is the order in which a command line has them.
	params = []Param{paramSvc, paramBack, paramClient, paramLimit, paramThen, paramQuiet, paramMax, paramRate, paramGrace, paramMinUp, paramMaxW,
		paramReason, paramForce, paramHere, paramSave, paramDryRun}
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

// Set reads a value as an operator writes it. An error names the flag, and what it
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
