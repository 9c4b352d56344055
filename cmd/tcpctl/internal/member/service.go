package member

import (
	"fmt"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
)

// Values are what a lock has on all nodes.
type Values struct {
	Slots     uint64
	Shares    bool   // nodes hand them out by themselves (order "shares")
	Every     uint64 // tokens that it divides need before_next; 0: none does
	Exclusive bool   // which runs while no session is live
}

func valuesOf(f cluster.Fact) Values { return Values{f.Slots, f.Sharing, f.Every, f.Exclusive} }

func (v Values) String() string {
	text := fmt.Sprintf("slots = %d", v.Slots)
	if v.Shares {
		text += `, order = "shares"`
	}
	switch {
	case v.Every > 0 && v.Exclusive:
		text += fmt.Sprintf(", before_next at each %d alone", v.Every)
	case v.Every > 0:
		text += fmt.Sprintf(", before_next at each %d", v.Every)
	}
	return text
}

// ValuesOf are those of a service's configuration.
func ValuesOf(c *proxy.ServiceConfig) Values {
	v := Values{Slots: uint64(max(c.Lock.Slots, 0)), Shares: c.Lock.Order == proxy.OrderShares}
	if next := c.Hooks.BeforeNext; len(next.Run) > 0 || next.Func != nil {
		v.Every, v.Exclusive = uint64(max(next.Every, 1)), !c.Hooks.Shared
	}
	return v
}

// A service is the member's state of one lock. It is guarded by the member's lock.
type service struct {
	values   Values
	known    Values        // the cluster's, as last compared
	declared time.Duration // when values were last proposed
	crowd    uint64        // the number of nodes sharing too few slots that was last warned about
	arrivals uint64        // passed to the agent, by all handles
	handles  []*handle     // the engine's services with that name: one, and those that a reload has removed
}

// A handle is an engine's service: its queue's arrivals start at 1, while the agent's continue.
type handle struct {
	member  *Member
	service *service
	user    user
	top     uint64 // the highest arrival
	runs    []run
}

// A user is the owner of a handle's slots: a service of the engine, or one of its checks. Its
// methods are called without the member's lock.
type user interface {
	Service() string
	Ask()         // try again to get a slot: there may be one
	Cut([]uint64) // the slots of these arrivals are lost
}

// A run covers a handle's arrivals from one on, up to the next run: the agent's numbers are higher
// by add.
type run struct{ from, add uint64 }

// join assigns agent's numbers to new arrivals, and returns the last.
func (h *handle) join(arrival uint64) uint64 {
	if arrival > h.top {
		add := h.service.arrivals - h.top
		if n := len(h.runs); n == 0 || h.runs[n-1].add != add {
			h.forgetRuns()
			h.runs = append(h.runs, run{h.top + 1, add})
		}
		h.service.arrivals += arrival - h.top
		h.top = arrival
	}
	return h.of(arrival)
}

// forgetRuns drops the runs without an arrival that waits or has a slot.
func (h *handle) forgetRuns() {
	oldest := h.member.agent.Oldest(h.user.Service())
	for len(h.runs) > 1 && h.runs[1].from-1+h.runs[0].add < oldest {
		h.runs = slices.Delete(h.runs, 0, 1)
	}
}

// of returns the agent's number of an arrival; 0: none.
func (h *handle) of(arrival uint64) uint64 {
	for _, r := range slices.Backward(h.runs) {
		if arrival >= r.from && arrival <= h.top {
			return arrival + r.add
		}
	}
	return 0
}

// find returns the handle of an agent's arrival, and its number there.
func (sv *service) find(arrival uint64) (*handle, uint64) {
	for _, h := range sv.handles {
		for i, r := range h.runs {
			to := h.top
			if i+1 < len(h.runs) {
				to = h.runs[i+1].from - 1
			}
			if here := arrival - r.add; arrival > r.add && here >= r.from && here <= to {
				return h, here
			}
		}
	}
	return nil, 0
}

// with calls the agent. If that requests nothing, as after most calls of Admit, Run is not woken.
func (h *handle) with(do func(a *cluster.Agent, name string)) {
	m := h.member
	m.mu.Lock()
	defer m.mu.Unlock()
	do(m.agent, h.user.Service())
	if m.agent.Pending() {
		m.wake()
	}
}

// askOthers has the other handles ask for the slot, or the first place, that h may have left to them: in
// order "shares" no answer of a voter does.
func (h *handle) askOthers(a *cluster.Agent, name string) {
	if len(h.service.handles) > 1 {
		a.AskFree(name)
	}
}

func (h *handle) WaitingUpTo(arrival uint64) {
	h.with(func(a *cluster.Agent, name string) { a.WaitingUpTo(h.member.cfg.Now(), name, h.join(arrival)) })
}

func (h *handle) Admit(arrival, ran uint64) (g proxy.SharedGrant, why proxy.Reason) {
	h.with(func(a *cluster.Agent, name string) {
		now := h.member.cfg.Now()
		_, before, _ := a.Share(name)
		grant, reason := a.Admit(now, name, h.of(arrival), ran)
		if _, free, _ := a.Share(name); free < before { // not only asked for again, as while a hook runs
			h.askOthers(a, name)
		}
		g = proxy.SharedGrant{Token: grant.Token, Hook: grant.Hook, Expired: grant.Expired}
		why = proxy.Reason(reason)
		if reason == cluster.ReasonLease && h.member.other {
			why = proxy.ReasonClusterVersion
			return
		}
		if starts := now-h.member.began < h.member.cfg.Lease; reason == cluster.ReasonLease && !h.member.leased && starts {
			why = proxy.ReasonCluster // no lease was lost: the first one is on its way
		}
	})
	return g, why
}

func (h *handle) Able(able bool) {
	h.with(func(a *cluster.Agent, name string) { a.Able(name, able) })
}

func (h *handle) Done(arrival uint64) {
	h.with(func(a *cluster.Agent, name string) {
		a.Done(name, h.of(arrival))
		h.askOthers(a, name)
	})
}

func (h *handle) Requeue(arrival uint64) {
	h.with(func(a *cluster.Agent, name string) {
		a.Requeue(name, h.of(arrival))
		h.askOthers(a, name)
	})
}

func (h *handle) State() (s proxy.SharedState) {
	h.with(func(a *cluster.Agent, name string) {
		now := h.member.cfg.Now()
		f := a.Facts(name)
		s.Slots, s.Order = int(f.Slots), proxy.OrderStrict
		if share, _, _ := a.Share(name); f.Sharing {
			s.Order, s.Share = proxy.OrderShares, int(share)
		}
		if until, runs := a.Runs(now); runs {
			s.Lease = until - now
		}
	})
	return s
}

func (h *handle) Number(arrival uint64) (n uint64) {
	h.with(func(*cluster.Agent, string) { n = h.of(arrival) })
	return n
}

func (h *handle) Close() {
	h.with(func(a *cluster.Agent, name string) {
		h.service.handles = slices.DeleteFunc(h.service.handles, func(o *handle) bool { return o == h })
		a.Use(name, len(h.service.handles) > 0)
	})
}
