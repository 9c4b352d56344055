package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/themes"
)

// backendRow is a service, which leads its group, or one of its backends.
type backendRow struct {
	target  string // service, or service/backend
	service *proxy.ServiceInfo
	backend *proxy.BackendInfo // nil: the row is the service's
	sign    sign
	flow    flow
	since   time.Duration
	asked   string
}

func (r *backendRow) noun() any {
	if r.backend != nil {
		return r.backend
	}
	return r.service
}

// backendColumns are drawn for services too: where a fact makes no sense for
// one of them, it is empty.
var backendColumns = []column[*backendRow]{
	{name: "STATE", prio: 1, width: 9, fixed: true, cell: func(r *backendRow) (string, themes.Role) {
		if r.asked != "" {
			return string(r.sign.mark) + " asked", themes.Info
		}
		return r.sign.text(), r.sign.role
	}},
	{name: "NAME", ends: true, prio: 1, width: 8, grow: 12, fixed: true, cell: func(r *backendRow) (string, themes.Role) {
		if r.backend == nil {
			return safe(r.service.Name), themes.Title
		}
		return safe(r.backend.Name), themes.Text
	}},
	{name: "ADDRESS", ends: true, prio: 3, width: 15, grow: 7, cell: func(r *backendRow) (string, themes.Role) {
		if r.backend == nil {
			return safe(strings.Join(r.service.Listen, " ")), themes.TextDim
		}
		return safe(r.backend.Addr), themes.Text
	}},
	{name: "ACT", prio: 1, width: 4, right: true, num: func(r *backendRow) float64 { return float64(r.active()) },
		cell: func(r *backendRow) (string, themes.Role) { return amount(float64(r.active())), themes.Text }},
	{name: "NEW/s", prio: 2, width: 5, right: true, num: func(r *backendRow) float64 { return r.flow.fresh },
		cell: func(r *backendRow) (string, themes.Role) { return perSecond(r.flow.fresh), themes.Text }},
	{name: "IN/s", prio: 5, width: 4, right: true, num: func(r *backendRow) float64 { return r.flow.in },
		cell: func(r *backendRow) (string, themes.Role) { return size(r.flow.in), themes.Text }},
	{name: "OUT/s", prio: 5, width: 5, right: true, num: func(r *backendRow) float64 { return r.flow.out },
		cell: func(r *backendRow) (string, themes.Role) { return size(r.flow.out), themes.Text }},
	{name: "CHECK", prio: 2, width: 11, grow: 17, cell: func(r *backendRow) (string, themes.Role) { return r.check() }},
	{name: "LAT", prio: 4, width: 5, right: true, num: func(r *backendRow) float64 { return r.rtt() },
		cell: func(r *backendRow) (string, themes.Role) {
			if r.backend == nil {
				return "", themes.Text
			}
			return latency(r.rtt()), themes.Text
		}},
	{name: "SINCE", prio: 3, width: 6, right: true, num: func(r *backendRow) float64 { return r.since.Seconds() },
		cell: func(r *backendRow) (string, themes.Role) {
			if r.backend == nil || r.backend.Since.IsZero() {
				return "", themes.Text
			}
			return clock(r.since), themes.Text
		}},
	{name: "WGHT", prio: 6, width: 4, right: true, num: func(r *backendRow) float64 { return r.number(func(b *proxy.BackendInfo) int { return b.Weight }) },
		cell: func(r *backendRow) (string, themes.Role) {
			return r.count(func(b *proxy.BackendInfo) int { return b.Weight })
		}},
	{name: "FLAPS", prio: 6, width: 5, right: true, num: func(r *backendRow) float64 { return r.number(func(b *proxy.BackendInfo) int { return int(b.Flaps) }) },
		cell: func(r *backendRow) (string, themes.Role) {
			return r.count(func(b *proxy.BackendInfo) int { return int(b.Flaps) })
		}},
	{name: "PEAK", prio: 7, width: 5, right: true, num: func(r *backendRow) float64 { return r.number(func(b *proxy.BackendInfo) int { return b.Peak }) },
		cell: func(r *backendRow) (string, themes.Role) {
			return r.count(func(b *proxy.BackendInfo) int { return b.Peak })
		}},
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

func (r *backendRow) number(of func(*proxy.BackendInfo) int) float64 {
	if r.backend == nil {
		return 0
	}
	return float64(of(r.backend))
}

func (r *backendRow) count(of func(*proxy.BackendInfo) int) (string, themes.Role) {
	if r.backend == nil {
		return "", themes.Text
	}
	return amount(float64(of(r.backend))), themes.Text
}

// check is what the last check said; of a service, what its queue does.
func (r *backendRow) check() (string, themes.Role) {
	if r.backend == nil {
		switch n := r.service.Queue.Waiting; {
		case n > 0:
			return "queue " + amount(float64(n)), themes.Warn
		case r.service.Lock != nil:
			return fmt.Sprintf("%d/%d slots", r.service.Lock.InUse, r.service.Lock.Slots), themes.TextDim
		}
		return "", themes.Text
	}
	c := r.backend.Check
	switch {
	case r.backend.Admin == proxy.AdminMaint:
		return "paused", themes.TextDim
	case c == nil:
		return "-", themes.TextDim
	case !c.OK:
		return fmt.Sprintf("%s %d/%d", safe(c.Detail), min(c.Streak, c.Need), c.Need), themes.Error
	}
	detail, _, _ := strings.Cut(c.Detail, " in ") // how long it took is in LAT
	return safe(detail), themes.Text
}
