package tui

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// backendRow is a service, the head of its group, or one of its backends.
type backendRow struct {
	target  string // service, or service/backend
	service *proxy.ServiceInfo
	backend *proxy.BackendInfo // nil: a service's row
	sign    sign
	flow    flow
	since   time.Duration
	pending string      // the act that no status shows yet
	alone   func() bool // not below its service, as rows are sorted across groups
	second  string      // of a service: see secondText
}

// MarshalJSON is what the row is about.
func (r *backendRow) MarshalJSON() ([]byte, error) {
	if r.backend != nil {
		return json.Marshal(r.backend)
	}
	return json.Marshal(r.service)
}

// isTall reports whether the row has a second line: a drain, a pause, a hook that clients wait for,
// or a source of backends.
func (r *backendRow) isTall() bool {
	if r.backend != nil {
		return r.backend.Drain != nil
	}
	return r.service.Pause != nil || r.second != ""
}

// sickness is the default sort key of the rows: 0 is well. A fault that keeps clients from a
// backend is worse than what an operator intends.
func (r *backendRow) sickness() int {
	switch {
	case r.backend == nil && r.service.State == proxy.StateClosed && !r.service.Removing:
		return 8
	case r.backend == nil && r.service.Pause != nil:
		return 5
	case r.backend == nil && r.service.Hook != nil && r.service.Hook.Failed > 0:
		return 4
	case r.backend == nil:
		return 0
	}
	switch r.sign {
	case signDown, signError, signEject:
		return 8
	case signCheck:
		return 6
	case signUp, signIdle:
		if isFailing(r.backend) {
			return 7
		}
		return 0
	case signMaint:
		return 1
	}
	return 2 // a drain, or a removal
}

// isFailing reports whether the last check of a backend failed. It may still be up.
func isFailing(b *proxy.BackendInfo) bool { return b.Check != nil && !b.Check.OK }

// backendColumns are drawn for services, too. A column that services do not have is empty there.
var backendColumns = []screen.Column[*backendRow]{
	{Name: "STATE", Prio: 1, Width: 9, Fixed: true, Across: true, Order: func(r *backendRow) int { return -r.sickness() }, Cell: func(r *backendRow) (string, themes.Role) {
		if r.pending != "" {
			return string(r.sign.mark) + " asked", themes.Info
		}
		return r.sign.text(), r.sign.role
	}},
	{Name: "NAME", Ends: true, Prio: 1, Width: 8, Grow: 12, Fixed: true, Cell: func(r *backendRow) (string, themes.Role) {
		if r.backend == nil {
			return screen.Safe(r.service.Name), themes.Title
		}
		if r.alone() {
			return screen.Safe(r.target), themes.Text
		}
		return screen.Safe(r.backend.Name), themes.Text
	}},
	{Name: "ADDRESS", Ends: true, Prio: 3, Width: 15, Grow: 7, Cell: func(r *backendRow) (string, themes.Role) {
		if r.backend == nil {
			return screen.Safe(strings.Join(r.service.Listen, " ")), themes.TextDim
		}
		return screen.Safe(r.backend.Addr), themes.Text
	}},
	screen.Number("ACT", 1, 4, func(r *backendRow) float64 { return float64(r.active()) }, screen.Count),
	screen.Number("NEW/s", 2, 5, func(r *backendRow) float64 { return r.flow.fresh }, screen.Rate),
	screen.Number("IN/s", 5, 4, func(r *backendRow) float64 { return r.flow.in }, screen.Bytes),
	screen.Number("OUT/s", 5, 5, func(r *backendRow) float64 { return r.flow.out }, screen.Bytes),
	{Name: "CHECK", Prio: 2, Width: 11, Grow: 17, Cell: func(r *backendRow) (string, themes.Role) { return r.check() }},
	{Name: "LAT", Prio: 4, Width: 5, Right: true, Value: func(r *backendRow) float64 { return r.rtt() },
		Cell: func(r *backendRow) (string, themes.Role) {
			if r.backend == nil {
				return "", themes.Text
			}
			return screen.Latency(r.rtt()), themes.Text
		}},
	{Name: "SINCE", Prio: 3, Width: 6, Right: true, Value: func(r *backendRow) float64 { return r.since.Seconds() },
		Cell: func(r *backendRow) (string, themes.Role) {
			if r.backend == nil || r.backend.Since.IsZero() {
				return "", themes.Text
			}
			return screen.Clock(r.since), themes.Text
		}},
	ofBackend("WGHT", 6, 4, func(b *proxy.BackendInfo) int { return b.Weight }),
	ofBackend("DOWNS", 6, 5, func(b *proxy.BackendInfo) int { return int(b.Transitions) }),
	ofBackend("PEAK", 7, 5, func(b *proxy.BackendInfo) int { return b.Peak }),
}

func (r *backendRow) active() int {
	if r.backend == nil {
		return r.service.Sessions.Active
	}
	return r.backend.Active
}

func (r *backendRow) rtt() float64 {
	if r.backend == nil {
		return 0
	}
	return r.backend.RTTSeconds
}

// ofBackend returns a column of a number that services do not have.
func ofBackend(name string, prio, width int, of func(*proxy.BackendInfo) int) screen.Column[*backendRow] {
	value := func(r *backendRow) float64 {
		if r.backend == nil {
			return 0
		}
		return float64(of(r.backend))
	}
	return screen.Column[*backendRow]{Name: name, Prio: prio, Width: width, Right: true, Value: value, Cell: func(r *backendRow) (string, themes.Role) {
		if r.backend == nil {
			return "", themes.Text
		}
		return screen.Count(value(r)), themes.Text
	}}
}

// check returns the result of the last check; for a service, its queue.
func (r *backendRow) check() (string, themes.Role) {
	if r.backend == nil {
		switch n := r.service.Queue.Waiting; {
		case n > 0:
			return "queue " + screen.Count(float64(n)), themes.Warn
		case r.service.Lock != nil && r.service.Lock.Scope == proxy.ScopeCluster:
			return fmt.Sprintf("%d of %d here", r.service.Lock.InUse, r.service.Lock.Slots), themes.TextDim
		case r.service.Lock != nil:
			return fmt.Sprintf("%d/%d slots", r.service.Lock.InUse, r.service.Lock.Slots), themes.TextDim
		}
		return "", themes.Text
	}
	c := r.backend.Check
	switch {
	case r.backend.Admin == proxy.AdminMaint:
		return "paused", themes.TextDim
	case r.sign == signEject && r.backend.Ejected != nil && r.backend.Ejected.Reason == proxy.ReasonConnect:
		return "dials fail", themes.Error
	case r.sign == signEject:
		return "resets", themes.Error
	case c == nil:
		return "-", themes.TextDim
	case !c.OK:
		return fmt.Sprintf("%s %d/%d", failureText(c.Detail), min(c.Consecutive, c.Threshold), c.Threshold), themes.Error
	}
	detail, _, _ := strings.Cut(c.Detail, " in ") // the duration is in LAT
	return screen.Safe(detail), themes.Text
}

// failureText shortens why a check failed for a narrow cell: "refused" for "connection refused".
func failureText(detail string) string {
	return screen.Safe(strings.TrimPrefix(detail, "connection "))
}
