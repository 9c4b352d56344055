package cluster

import (
	"slices"
	"sort"
	"time"
)

// A sharer is a node that hands out slots of a service by itself, as the leader knows it.
type sharer struct {
	*leaderMember
	report *nodeShares
	slots  uint64
	able   bool
	fresh  bool   // the report includes the last addition
	add    uint64 // slots to add
}

// nodeShares is the last report of a node on its share of a service.
type nodeShares struct {
	ShareReport
	at    time.Duration
	came  time.Duration // when its first waiter came
	last  time.Duration // when its last waiter came
	yield Share         // what the leader asks of it: Yield, Keep and Age
	said  time.Duration // when the leader last asked
}

// waits reports whether clients of the node wait for a slot, as far as is known: after
// orderWithin without a report they do not count.
func (s *sharer) waits(now time.Duration) bool {
	return s.able && s.report.Waiting > 0 && now-s.report.at < orderWithin
}

// older estimates how many of its waiters came before a time, assuming that they came
// evenly.
func (s *sharer) older(now, before time.Duration) uint64 {
	r := s.report
	switch {
	case !s.waits(now) || before < r.came:
		return 0
	case before >= r.last:
		return r.Waiting
	}
	return max(1, uint64(float64(r.Waiting)*float64(before-r.came)/float64(r.last-r.came)))
}

// stepShares takes a node's reports on its shares.
func (l *Leader) stepShares(now time.Duration, lm *leaderMember, reports []ShareReport) {
	for _, r := range reports {
		n := lm.sharesOf(r.Service)
		if n == nil {
			n = &nodeShares{}
			lm.shares = append(lm.shares, n)
		}
		n.ShareReport, n.at, n.came, n.last = r, now, now-r.Age, now-r.Newest
	}
	lm.shares = slices.DeleteFunc(lm.shares, func(s *nodeShares) bool {
		return !slices.ContainsFunc(reports, func(r ShareReport) bool { return r.Service == s.Service })
	})
	if len(reports) > 0 {
		l.shared, l.adds = true, true
	}
}

// sharers returns the nodes that have a share of the service, or are to get one.
func (l *Leader) sharers(sv *service) (all []*sharer) {
	for _, lm := range l.members {
		s := &sharer{leaderMember: lm, report: lm.sharesOf(sv.name)}
		if s.report == nil || lm.expiring {
			continue
		}
		var last uint64
		if sh := sv.share(lm.node); sh != nil {
			s.slots, last = sh.slots(), sh.to
		}
		s.fresh = s.report.Last == last
		j := slices.IndexFunc(sv.lines, func(n *line) bool { return n.node == lm.node })
		s.able = j < 0 || !sv.lines[j].unable
		all = append(all, s)
	}
	return all
}

// shareOut returns batches that add free slots to shares: first for the oldest waiters,
// and the rest is spread to give each node as many free ones.
func (l *Leader) shareOut(now time.Duration) (batches []Batch) {
	for _, sv := range l.state.services {
		if !sv.sharing {
			continue
		}
		all := slices.DeleteFunc(l.sharers(sv), func(s *sharer) bool { return !s.able })
		if pool := sv.free(); pool > 0 && len(all) > 0 {
			spread(all, pool-addOldest(all, now, pool))
		}
		for _, s := range all {
			// A node that has not reported its last addition yet does so soon.
			if s.fresh && (s.add > 0 || s.slots > 0 && s.report.Tokens < shareTokens/2) {
				op := Op{Kind: OpShare, Service: sv.name, From: s.add, To: s.lease}
				batches = append(batches, Batch{Node: s.node, Ops: []Op{op}})
			}
		}
	}
	return batches
}

// addOldest gives slots to the oldest waiters, and returns how many it has given.
func addOldest(all []*sharer, now time.Duration, pool uint64) (given uint64) {
	count := func(before time.Duration) (n uint64) {
		for _, s := range all {
			n += s.older(now, before)
		}
		return n
	}
	// The latest time before which no more waiters came than there are slots.
	low, high := time.Duration(0), now
	for _, s := range all {
		low = min(low, s.report.came)
	}
	if count(now) <= pool {
		low = now
	}
	for high-low > time.Millisecond && low < now {
		if at := low + (high-low)/2; count(at) <= pool {
			low = at
		} else {
			high = at
		}
	}
	for _, s := range all {
		s.add = s.older(now, low)
		given += s.add
	}
	// Fewer slots remain than waiters that came at that time.
	sort.SliceStable(all, func(i, j int) bool { return all[i].report.came < all[j].report.came })
	for _, s := range all {
		if given < pool && s.waits(now) && s.add < s.report.Waiting {
			s.add++
			given++
		}
	}
	return given
}

// spread gives slots to the nodes with the fewest free ones.
func spread(all []*sharer, pool uint64) {
	// Slots that were added for its waiters are not free.
	free := func(s *sharer) uint64 { return s.report.Free + s.add - min(s.add, s.report.Waiting) }
	sort.SliceStable(all, func(i, j int) bool { return free(all[i]) < free(all[j]) })
	sum := pool
	for _, s := range all {
		sum += free(s)
	}
	for i, s := range slices.Backward(all) {
		level := (sum + uint64(i)) / uint64(i+1) // for the nodes up to this one
		n := min(pool, level-min(level, free(s)))
		sum -= free(s) + n
		pool -= n
		s.add += n
	}
}

// watchShares asks nodes for slots that others need more, after a change and then again
// every reportEvery.
func (l *Leader) watchShares(now time.Duration) {
	if !l.ready || !l.shared && now < l.yields {
		return
	}
	l.shared, l.yields = false, now+reportEvery
	for _, sv := range l.state.services {
		if !sv.sharing {
			continue
		}
		all := l.sharers(sv)
		for _, s := range all {
			y := yieldOf(sv, s, all, now)
			y.Nodes = uint64(len(all))
			before := s.report.yield
			again := now-s.report.said >= reportEvery || y.Yield != before.Yield
			if s.report.yield = y; again && (y.Yield || before.Yield) {
				s.report.said = now
				l.answer(s.node, 0)
			}
		}
	}
}

// yieldOf returns what is asked of a node.
func yieldOf(sv *service, s *sharer, all []*sharer, now time.Duration) Share {
	keep := func(give uint64, age time.Duration) Share {
		return Share{Yield: true, Keep: s.slots - min(give, s.slots), Age: age}
	}
	if taken := sv.taken(); taken > sv.slots { // the number was reduced
		return keep((taken-sv.slots)*s.slots/taken+1, anyAge)
	}
	// Even if its first waiter is as old as theirs: the next may be much younger.
	var need uint64
	oldest := now
	for _, o := range all {
		if o.node != s.node && o.waits(now) {
			need += o.report.Waiting
			oldest = min(oldest, o.report.came)
		}
	}
	switch level := levelOf(all); {
	case need > 0:
		return keep(need-min(need, sv.free()), max(now-oldest, 1))
	case !s.able:
		return keep(s.report.Free, 0)
	case level < s.report.Free:
		return keep(s.report.Free-level, 0)
	}
	return Share{}
}

// levelOf returns how many free slots a node may keep if another has few, and no limit
// if none has.
func levelOf(all []*sharer) uint64 {
	var free, n uint64
	least := ^uint64(0)
	for _, s := range all {
		if free += s.report.Free; s.able {
			n++
			least = min(least, s.report.Free)
		}
	}
	if n == 0 || least >= max(free/n/4, 1) {
		return ^uint64(0)
	}
	return max(free/n, 1)
}

// shares returns what a node has to know about its shares, including those that it no
// longer reports: it gives back the last addition.
func (l *Leader) shares(lm *leaderMember) (all []Share) {
	for _, sv := range l.state.services {
		sh, n := sv.share(lm.node), lm.sharesOf(sv.name)
		if sh == nil && n == nil {
			continue
		}
		var s Share
		if n != nil {
			s = n.yield
		}
		if s.Service = sv.name; sh != nil {
			s.Added, s.Owed, s.From, s.To = sh.added, sh.owed, sh.from, sh.to
		}
		all = append(all, s)
	}
	return all
}

// sharesOf returns the node's last report on a service, or nil.
func (lm *leaderMember) sharesOf(service string) *nodeShares {
	for _, n := range lm.shares {
		if n.Service == service {
			return n
		}
	}
	return nil
}
