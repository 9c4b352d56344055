package proxy

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// States of a service's hooks, as in HookInfo.State.
const (
	HookIdle     = "idle"
	HookDue      = "due"      // once the pause is over
	HookWaiting  = "waiting"  // for the sessions of other slots to end
	HookRunning  = "running"  // or the backend is checked after it
	HookRetrying = "retrying" // it has failed, and clients are held until it is tried again
)

// HookInfo is the state of a service's hooks.
type HookInfo struct {
	State    string     `json:"state"`
	Name     string     `json:"name,omitempty"`      // hook: before_next, on_ttl or on_expire; also set if idle after a failure
	Since    *time.Time `json:"since,omitempty"`     // when the hook began to run or wait
	WaitsFor int        `json:"waits_for,omitempty"` // sessions in other slots that the hook waits for
	Failed   int        `json:"failed"`              // consecutive failures
	NextTry  *time.Time `json:"next_try,omitempty"`
	Runs     int64      `json:"runs"`
	Fails    int64      `json:"fails"`
	Seconds  float64    `json:"seconds"`        // total time of all runs, including the wait for their ready condition
	Last     string     `json:"last,omitempty"` // outcome of the last run
}

// Text returns the state as a line for people, "" if there is nothing to say. It
// begins with a "!" if a hook fails.
func (i *HookInfo) Text(now time.Time) string {
	if i == nil {
		return ""
	}
	line := i.Name
	if i.Failed > 0 {
		line = "! " + line + " failed " + text.Plural(i.Failed, "time")
	}
	for_ := ""
	if i.Since != nil {
		for_ = roughly(now.Sub(*i.Since))
	}
	switch {
	case i.State == HookIdle && i.Failed == 0:
		return ""
	case i.State == HookIdle:
		return line + "; clients continue"
	case i.State == HookRetrying && i.NextTry != nil:
		return line + ", next try in " + roughly(i.NextTry.Sub(now))
	case i.State == HookRetrying:
		return line + ", next try when a client comes"
	case i.Failed > 0:
		line += ", and"
	}
	switch i.State {
	case HookRunning:
		return fmt.Sprintf("%s runs for %s", line, for_)
	case HookWaiting:
		return fmt.Sprintf("%s waits for %s to end, for %s", line, text.Plural(i.WaitsFor, "other session"), for_)
	}
	return line + " is due once the pause is over"
}

// roughly rounds a duration for people.
func roughly(d time.Duration) string {
	if d = max(d, 0); d >= 10*time.Second {
		return text.Duration(d.Round(time.Second))
	}
	return d.Round(100 * time.Millisecond).String()
}

// infoLocked returns the state of the hooks; nil: there are none.
func (h *hookState) infoLocked() *HookInfo {
	s := h.service
	cfg := &s.config().Hooks
	if !cfg.BeforeNext.set() && !cfg.OnTTL.set() && !cfg.OnExpire.set() {
		return nil
	}
	i := &HookInfo{State: HookIdle, Runs: h.runs, Fails: h.fails, Seconds: h.seconds, Last: h.last}
	// What before_next waits for matters only while a client waits for it.
	due := len(h.ttl) > 0 || s.queue.Waiting() > 0 && s.queue.Reason() == ReasonHook
	switch {
	case h.running != "":
		since := h.since
		i.State, i.Name, i.Since = HookRunning, h.running, &since
	case len(h.ttl) > 0:
		i.Name = onTTL
	case h.held == onExpire || h.failed[onExpire] > 0:
		i.Name = onExpire
	case due || h.failed[beforeNext] > 0:
		i.Name = beforeNext
	case h.failed[onTTL] > 0:
		i.Name = onTTL
	}
	i.Failed = h.failed[i.Name]
	switch {
	case i.State == HookRunning:
	case s.pause.current != nil && len(h.ttl) > 0:
		i.State = HookDue
	case due && time.Now().Before(h.retryAt):
		at := h.retryAt
		i.State, i.NextTry = HookRetrying, &at
	case due && !cfg.Shared && s.active > 0 && !h.waitSince.IsZero():
		since := h.waitSince
		i.State, i.Since, i.WaitsFor = HookWaiting, &since, s.active
	case h.held == i.Name && h.held != "":
		i.State = HookRetrying
	}
	return i
}
