package fleet

import (
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// For services with a lock of the cluster, one node checks a backend for all nodes that have it with
// the same name and address. Each node with a lease lists its backends in its record; the first of
// these nodes, by id, checks, and publishes the verdict in its record, too.

// maxChecks bounds a record. Backends beyond that are checked by each node itself.
const maxChecks = 1000

// maxDetail bounds the text of a verdict.
const maxDetail = 300

// checks has what peers publish in their records.
type checks struct {
	mu    sync.Mutex
	peers map[string]peerChecks // by id
	took  map[checkOf]time.Time // Verdict.At of the last accepted verdict of each
}

type peerChecks struct {
	name string
	of   map[checked]proxy.SharedCheck
}

// checked identifies a backend, and checkOf one peer's check of it.
type checked struct{ service, backend, addr string }

type checkOf struct {
	checked
	peer string
}

func keyOf(c *proxy.SharedCheck) checked { return checked{c.Service, c.Backend, c.Addr} }

// note stores a peer's record, and returns the backends for which it differs from the one before. A peer that is
// down has no record.
func (c *checks) note(p meshinfo.Peer, r record) (changed map[checked]bool) {
	now := map[checked]proxy.SharedCheck{}
	if p.Trusted && p.State != meshinfo.Down {
		for i := range r.Checks {
			if v := r.Checks[i].Verdict; v != nil {
				v.Detail = text.Safe(v.Detail[:min(len(v.Detail), maxDetail)])
			}
			now[keyOf(&r.Checks[i])] = r.Checks[i]
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.peers[p.ID].of
	changed = map[checked]bool{}
	for key, one := range now {
		if before, had := was[key]; !had || before.Wanted != one.Wanted || !sameVerdict(before.Verdict, one.Verdict) {
			changed[key] = true
		}
	}
	for key := range was {
		if _, has := now[key]; !has {
			changed[key] = true
		}
	}
	if c.peers == nil {
		c.peers, c.took = map[string]peerChecks{}, map[checkOf]time.Time{}
	}
	if c.peers[p.ID] = (peerChecks{p.Name, now}); len(now) == 0 {
		delete(c.peers, p.ID)
	}
	return changed
}

func sameVerdict(a, b *proxy.Verdict) bool {
	return a == b || a != nil && b != nil && a.At.Equal(b.At)
}

// follow returns what is new for a backend of this node. A node without a lease takes no part in shared
// checks: it checks by itself.
func (c *checks) follow(self string, leased bool, mine *proxy.SharedCheck) (all []proxy.FollowedCheck) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := proxy.FollowedCheck{Service: mine.Service, Backend: mine.Backend, Addr: mine.Addr}
	for id, peer := range c.peers {
		theirs, has := peer.of[keyOf(mine)]
		if !has {
			continue
		}
		if leased && id < self {
			f.Place++
		}
		f.Awaited = f.Awaited || theirs.Wanted
		of := checkOf{keyOf(mine), id}
		if v := theirs.Verdict; v != nil && !v.At.Equal(c.took[of]) {
			c.took[of] = v.At
			all = append(all, proxy.FollowedCheck{By: peer.name, Verdict: v})
		}
	}
	if len(all) == 0 && (f.Place != mine.Place || f.Awaited != mine.Awaited) {
		return []proxy.FollowedCheck{f}
	}
	for i := range all {
		f.By, f.Verdict = all[i].By, all[i].Verdict
		all[i] = f
	}
	return all
}

// forget drops the verdicts for backends that this node no longer has.
func (c *checks) forget(mine []proxy.SharedCheck) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.took) <= 2*len(c.peers)*len(mine) {
		return
	}
	has := map[checked]bool{}
	for i := range mine {
		has[keyOf(&mine[i])] = true
	}
	for of := range c.took {
		if _, there := c.peers[of.peer]; !there || !has[of.checked] {
			delete(c.took, of)
		}
	}
}

// leased reports whether this process has a lease of the cluster.
func (f *Fleet) leased() bool {
	return f.joins != nil && f.joins.Member != nil && f.joins.Member.Lease() > 0
}

// sharedChecks returns the checks of this node's backends that its record may list.
func (f *Fleet) sharedChecks() []proxy.SharedCheck {
	mine := f.source.Engine.Operator().SharedChecks()
	return mine[:min(len(mine), maxChecks)]
}

// followChecks passes the peers' verdicts to the engine, and returns the checks for this node's own
// record.
func (f *Fleet) followChecks() []proxy.SharedCheck {
	if f.joins == nil {
		return nil
	}
	mine, leased := f.sharedChecks(), f.leased()
	for i := range mine {
		f.followCheck(leased, &mine[i])
	}
	f.checks.forget(mine)
	if !leased {
		return nil
	}
	return mine
}

// followRecord is followChecks for a peer's new record: it considers only what the record changes.
func (f *Fleet) followRecord(p meshinfo.Peer, r record) {
	if f.joins == nil {
		return
	}
	changed := f.checks.note(p, r)
	if len(changed) == 0 {
		return
	}
	mine, leased := f.sharedChecks(), f.leased()
	for i := range mine {
		if changed[keyOf(&mine[i])] {
			f.followCheck(leased, &mine[i])
		}
	}
}

func (f *Fleet) followCheck(leased bool, mine *proxy.SharedCheck) {
	for _, one := range f.checks.follow(f.node.ID(), leased, mine) {
		f.source.Engine.Operator().FollowCheck(one)
	}
}
