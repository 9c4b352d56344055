package history

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// In the file a state is its index in these lists, so that the worst of a step is the maximum.
var (
	serviceStates = api.ServiceStateWords
	backendStates = api.BackendStateWords
)

// gone is the state of what a reload has removed; it is in no list.
const gone = -1

func wordOf(words []string, code int) string {
	if code < 0 || code >= len(words) {
		return "gone"
	}
	return words[code]
}

func serviceState(s *proxy.ServiceInfo) int {
	word := s.State
	serves := func(b proxy.BackendInfo) bool {
		return b.Eligible || b.State == proxy.StateUp && b.Admin == proxy.AdminReady && !b.Removing
	}
	if s.Removing { // no outage: a reload has removed it
		word = proxy.StateOpen
	} else if word == proxy.StateOpen && len(s.Backends) > 0 && !slices.ContainsFunc(s.Backends, serves) {
		word = api.StateNoBackend
	}
	return max(slices.Index(serviceStates, word), 0)
}

func backendState(b *proxy.BackendInfo) int {
	word := b.State
	switch {
	case b.Admin == proxy.AdminMaint:
		word = proxy.AdminMaint
	case b.State == proxy.StateDown:
	case b.Admin == proxy.AdminDrain:
		word = proxy.AdminDrain
	case b.Eligible:
		word = proxy.StateUp
	}
	return max(slices.Index(backendStates, word), 0)
}

// change is a row of the table changes: the state of one thing from then on.
type change struct {
	at     time.Time
	state  int
	detail string // for people
	info   string // JSON of the slow part of a ServiceInfo or BackendInfo
}

// serviceChange returns the service's state, without its numbers.
func serviceChange(s *proxy.ServiceInfo, at time.Time) change {
	i := proxy.ServiceInfo{Name: s.Name, Listen: s.Listen, State: s.State, Removing: s.Removing, Balance: s.Balance, Queue: proxy.QueueInfo{Max: s.Queue.Max}}
	c := change{at: at, state: serviceState(s)}
	if s.Lock != nil {
		i.Lock = &proxy.LockInfo{Slots: s.Lock.Slots, TTLSeconds: s.Lock.TTLSeconds}
	}
	if p := s.Pause; p != nil {
		slow := *p
		slow.Held = 0
		i.Pause, c.at = &slow, p.Since
		c.detail = p.By + " of " + p.Owner
		if p.Reason != "" {
			c.detail += ": " + p.Reason
		}
	}
	if h := s.Hook; h != nil && (h.State != proxy.HookIdle || h.Failed > 0) {
		i.Hook = &proxy.HookInfo{State: h.State, Name: h.Name, Failed: h.Failed, Last: h.Last}
	}
	c.info = encode(&i)
	return c
}

// backendChange returns the backend's state, without its numbers. Whether it is full, and how long
// its checks have passed, changes too often to be recorded.
func backendChange(b *proxy.BackendInfo) change {
	i := proxy.BackendInfo{Name: b.Name, Addr: b.Addr, State: b.State, Admin: b.Admin, Eligible: b.Eligible, Reason: b.Reason, Since: b.Since,
		Weight: b.Weight, Priority: b.Priority, MaxSessions: b.MaxSessions, Removing: b.Removing}
	if b.State == proxy.StateUp && b.Admin == proxy.AdminReady {
		i.Eligible, i.Reason = true, ""
	}
	if b.Drain != nil {
		slow := *b.Drain
		slow.Remaining = 0
		i.Drain = &slow
	}
	detail := ""
	if k := b.Check; k != nil {
		i.Check = &proxy.CheckInfo{OK: k.OK, Threshold: k.Threshold}
		if !k.OK {
			i.Check.Detail, i.Check.Consecutive = k.Detail, min(k.Consecutive, k.Threshold)
			detail = k.Detail
		}
	}
	if e := b.Ejected; e != nil {
		i.Ejected = e
		if detail = string(e.Reason); e.Detail != "" {
			detail += ": " + e.Detail
		}
	}
	if b.Admin != proxy.AdminReady && b.Drain != nil {
		detail = "by " + b.Drain.By
		if b.Drain.Reason != "" {
			detail += ": " + b.Drain.Reason
		}
	}
	return change{at: b.Since, state: backendState(b), detail: detail, info: encode(&i)}
}

// exact returns when it changed: the time in the state itself if that is between the two snapshots,
// otherwise the end of the later one's second, so that numbers and states belong to the same
// second.
func (c *change) exact(before, now time.Time, second int64) time.Time {
	if !c.at.Before(before) && !c.at.After(now) {
		return c.at
	}
	return time.Unix(second+1, -1e6)
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "{}" // cannot happen: plain values
	}
	return string(text)
}
