package fleet

import (
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Behind a lock of the cluster one node checks a backend for all that have it by the same name and
// address. Each node with a lease lists its backends in its record; the first of them by id checks, and
// has its verdict there, too.

// maxChecks bounds a record. Backends beyond are checked by each node for itself.
const maxChecks = 1000

// maxDetail bounds what a verdict says to people.
const maxDetail = 300

// checks are what peers say in their records.
type checks struct {
	mu    sync.Mutex
	peers map[string]*peerChecks // by id
	took  map[checkOf]time.Time  // Verdict.At of the last that was taken of each
}

type peerChecks struct {
	name string
	of   map[checked]proxy.SharedCheck
}

// checked is what a backend is known by, and checkOf a peer's part of it.
type checked struct{ service, backend, addr string }

type checkOf struct {
	checked
	peer string
}

func keyOf(c *proxy.SharedCheck) checked { return checked{c.Service, c.Backend, c.Addr} }

// note takes a peer's record. A peer that is down has none.
func (c *checks) note(p meshinfo.Peer, r record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !p.Trusted || p.State == meshinfo.Down || len(r.Checks) == 0 {
		delete(c.peers, p.ID)
		return
	}
	one := &peerChecks{name: p.Name, of: map[checked]proxy.SharedCheck{}}
	for i := range r.Checks {
		if v := r.Checks[i].Verdict; v != nil {
			v.Detail = text.Safe(v.Detail[:min(len(v.Detail), maxDetail)])
		}
		one.of[keyOf(&r.Checks[i])] = r.Checks[i]
	}
	if c.peers == nil {
		c.peers, c.took = map[string]*peerChecks{}, map[checkOf]time.Time{}
	}
	c.peers[p.ID] = one
}

// follow is what is new for a backend of this node. A node without a lease is none of those that check for
// each other: it checks for itself.
func (c *checks) follow(self string, leased bool, mine *proxy.SharedCheck) (all []proxy.FollowedCheck) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := proxy.FollowedCheck{Service: mine.Service, Backend: mine.Backend, Addr: mine.Addr}
	var news []proxy.FollowedCheck
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
			news = append(news, proxy.FollowedCheck{By: peer.name, Verdict: v})
		}
	}
	for _, one := range news {
		one.Service, one.Backend, one.Addr, one.Place, one.Awaited = f.Service, f.Backend, f.Addr, f.Place, f.Awaited
		all = append(all, one)
	}
	if len(all) == 0 && (f.Place != mine.Place || f.Awaited != mine.Awaited) {
		all = append(all, f)
	}
	return all
}

// forget forgets what was taken for backends that this node has no more.
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
		if c.peers[of.peer] == nil || !has[of.checked] {
			delete(c.took, of)
		}
	}
}

// leased says whether this process has a lease of the cluster.
func (f *Fleet) leased() bool {
	return f.joins != nil && f.joins.Member != nil && f.joins.Member.Lease() > 0
}

// followChecks has the engine follow what the peers' records say of its backends, and returns what its own
// is to say of them.
func (f *Fleet) followChecks() []proxy.SharedCheck {
	if f.joins == nil {
		return nil
	}
	o := f.source.Engine.Operator()
	mine, leased := o.SharedChecks(), f.leased()
	mine = mine[:min(len(mine), maxChecks)]
	for i := range mine {
		for _, one := range f.checks.follow(f.node.ID(), leased, &mine[i]) {
			o.FollowCheck(one)
		}
	}
	f.checks.forget(mine)
	if !leased {
		return nil
	}
	return mine
}
