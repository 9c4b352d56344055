package member

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
)

// A follower makes a service of scope cluster follow the cluster's state, and reports its progress.
// Its goroutine ends with the service.
type follower struct {
	member *Member
	user   proxy.ClusterUser
	name   string
	cancel context.CancelFunc
	wg     sync.WaitGroup

	followed uint64 // index of the facts that the engine has followed; guarded by the member's lock

	// Used by the goroutine only.
	part   part
	joined bool // the service has followed facts
	warned map[string]bool
	drains drainsSaid
	poked  chan struct{} // the checks have passed, or a plan of this process must end
}

// Scope is for proxy.ServiceConfig.Cluster: on services of that name pauses, windows, admin
// states and weights hold on all members that have one.
func (m *Member) Scope(u proxy.ClusterUser) io.Closer {
	f := &follower{member: m, user: u, name: u.Service(), warned: map[string]bool{}, drains: drainsSaid{}, poked: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	m.mu.Lock()
	m.followers = append(m.followers, f)
	m.agent.Serve(f.name, true)
	m.mu.Unlock()
	m.wake()
	f.wg.Go(func() { f.run(ctx) })
	return f
}

// Close ends what Scope began, with the service. Its numbers are those of the node that has
// it no more.
func (f *follower) Close() error {
	f.cancel()
	f.wg.Wait()
	r := f.user.Finish()
	r.Live, r.Settled, r.Released = 0, true, true // it has no more clients
	if last := f.whole(r); f.alone() && last.Pause != 0 {
		f.say(last.Pause, uint64(cluster.Resumed)+1, last)
	}
	m := f.member
	m.mu.Lock()
	defer m.mu.Unlock()
	m.followers = slices.DeleteFunc(m.followers, func(o *follower) bool { return o == f })
	if m.followerLocked(f.name) == nil {
		delete(m.gone, f.name)
		m.agent.Serve(f.name, false)
	} else if r.Pause != 0 { // the next service with its name reports for both
		if was := m.gone[f.name]; was.Pause == r.Pause {
			r.Add(&was)
		}
		m.gone[f.name] = r
	}
	m.wake()
	return nil
}

// pokeNewer wakes the newest follower with the same name, which reports for this one, too.
func (m *Member) pokeNewer(f *follower) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if newest := m.followerLocked(f.name); newest != nil && newest != f {
		newest.poke()
	}
}

// alone reports whether no other service of this process has the name.
func (f *follower) alone() bool {
	m := f.member
	m.mu.Lock()
	defer m.mu.Unlock()
	return !slices.ContainsFunc(m.followers, func(o *follower) bool { return o != f && o.name == f.name })
}

// whole returns a service's report, including earlier services with its name that a reload has
// removed: their sessions are waited for, and their clients are counted.
func (f *follower) whole(r proxy.ClusterReport) proxy.ClusterReport {
	m := f.member
	m.mu.Lock()
	others := slices.DeleteFunc(slices.Clone(m.followers), func(o *follower) bool { return o == f || o.name != f.name })
	gone := m.gone[f.name]
	m.mu.Unlock()
	for _, o := range others {
		one, _ := o.user.Report()
		if one.Pause < r.Pause { // the other has yet to follow
			r.Settled, r.Released = false, false
		}
		r = sum(r, one)
	}
	return sum(r, gone)
}

// sum combines the reports of two services with one name, about the later plan.
func sum(a, b proxy.ClusterReport) proxy.ClusterReport {
	switch {
	case a.Pause < b.Pause: // a started after the end of that plan
		return b
	case a.Pause == b.Pause && a.Pause != 0:
		a.Add(&b)
	}
	return a
}

// followerLocked returns the newest follower with a name: one that a reload has removed may be ending.
func (m *Member) followerLocked(name string) *follower {
	for _, f := range slices.Backward(m.followers) {
		if f.name == name {
			return f
		}
	}
	return nil
}

// known is what a node knows about a service.
type known struct {
	fact    cluster.Fact
	index   uint64 // index of the facts
	joined  bool   // the facts are complete
	since   time.Duration
	changed <-chan struct{} // closed when there are newer facts
}

func (m *Member) knownLocked(name string) known {
	return known{m.agent.Facts(name), m.agent.Known(), m.agent.Joined(name), m.agent.Since(name), m.changed}
}

func (m *Member) known(name string) known {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.knownLocked(name)
}

// noteFactsLocked is called after the agent has handled an answer: it wakes those that wait for
// facts, and records when the end of a lease was seen.
func (m *Member) noteFactsLocked() {
	if m.agent.Known() == m.facts {
		return
	}
	m.facts = m.agent.Known()
	close(m.changed)
	m.changed = make(chan struct{})
	for _, f := range m.followers {
		for _, n := range m.agent.Facts(f.name).Nodes {
			switch at, lost := m.lost[n.Node]; {
			case n.Lease:
				m.lost[n.Node] = time.Time{}
			case lost && at.IsZero():
				m.lost[n.Node] = time.Now()
			}
		}
	}
}

// poke wakes the follower.
func (f *follower) poke() {
	select {
	case f.poked <- struct{}{}:
	default:
	}
}

// nodesShown is how often changes without an event are reported to all nodes.
const nodesShown = time.Second

func (f *follower) run(ctx context.Context) {
	timer := time.NewTimer(nodesShown)
	defer timer.Stop()
	defer func() { f.part.end() }()
	for {
		k := f.member.known(f.name)
		if k.joined {
			f.follow(k)
		}
		r, more := f.user.Report()
		again := f.report(ctx, k, r)
		again = max(again, f.endOwn(&k.fact.Plan))
		f.member.pokeNewer(f)
		if f.sayDrains(k) && again == 0 {
			again = nodesShown
		}
		if again > 0 {
			timer.Reset(again)
		} else {
			timer.Stop()
		}
		f.joined = f.joined || k.joined
		select {
		case <-ctx.Done():
			return
		case <-k.changed:
		case <-more:
		case <-timer.C:
		case <-f.poked:
		}
	}
}

// follow passes the known facts to the engine.
func (f *follower) follow(k known) {
	for _, text := range f.user.Follow(k.facts(f.member.cfg.Now())) {
		if warn := f.member.cfg.Warn; !f.warned[text] && warn != nil {
			warn(f.name, text)
		}
		f.warned[text] = true
	}
	m := f.member
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.followed != k.index {
		f.followed = k.index
		close(m.stepped)
		m.stepped = make(chan struct{})
	}
}

// facts converts the known facts to the engine's type.
func (k *known) facts(now time.Duration) (all proxy.ClusterFacts) {
	p := &k.fact.Plan
	note := readNote[pauseNote](p.Note)
	leased := 0
	for _, n := range k.fact.Nodes {
		if n.Lease {
			leased++
		}
	}
	rate := note.Rate
	if end := readNote[endNote](p.End); end.Rate > 0 {
		rate = end.Rate
	}
	all.Rate = rate / float64(max(leased, 1))
	if p.Runs() {
		all.Pause = proxy.ClusterPause{ID: p.ID, Backend: p.Backend, Roll: note.Roll, By: note.By, Reason: note.Reason, Window: p.Window, Command: p.Step == cluster.Command,
			Limit: note.Limit, Then: note.Then, Quiet: note.Quiet, Max: p.Max - (now - k.since)}
	}
	for _, b := range k.fact.Backends {
		drain := readNote[drainNote](b.Note)
		one := proxy.ClusterBackend{Name: b.Name, Admin: b.State, Weight: -1,
			DrainOptions: proxy.DrainOptions{Limit: drain.Limit, Then: drain.Then, Quiet: drain.Quiet, By: drain.By, Reason: drain.Reason}}
		if b.Weighs {
			one.Weight = int(b.Weight)
		}
		all.Backends = append(all.Backends, one)
	}
	return all
}
