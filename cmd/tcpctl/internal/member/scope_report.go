package member

import (
	"context"
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// A part is a follower's progress in a plan.
type part struct {
	plan     uint64
	done     uint64        // cluster.NodeReport.Done
	said     time.Duration // when counts were last reported
	asked    time.Duration // when the follower last proposed the plan's end; 0: never
	ended    time.Duration // when its owner last proposed its end
	final    bool
	checking context.CancelFunc // ends the checks; nil: not begun
	checked  chan struct{}      // closed when they have passed
}

func (p *part) end() {
	if p.checking != nil {
		p.checking()
		p.checking = nil
	}
}

// report reports this node's progress with the last plan. It returns when to check again; 0: at the
// next event.
func (f *follower) report(ctx context.Context, k known, r proxy.ClusterReport) time.Duration {
	p := &k.fact.Plan
	if f.part.plan != p.ID {
		f.part.end()
		f.part = part{plan: p.ID}
	}
	r = f.whole(r)
	if p.ID != 0 && r.Pause == p.ID {
		f.joined = true // even if another service with its name did
	}
	if p.Step == cluster.Resumed && !f.joined && !f.part.final { // the service came after the plan, and had no clients in it
		f.part.final = true
		f.say(p.ID, uint64(cluster.Resumed)+1, proxy.ClusterReport{})
	}
	if p.ID == 0 || r.Pause != p.ID || f.part.final {
		return 0
	}
	f.askForEnd(p, r)
	now := f.member.cfg.Now()
	done := f.doneWith(ctx, p, r)
	if done == uint64(cluster.Resumed)+1 {
		r = f.whole(f.user.Finish())
		f.part.final = true
	}
	if done > f.part.done || f.part.said == 0 || now-f.part.said >= nodesShown {
		f.part.done, f.part.said = max(done, f.part.done), now
		f.say(p.ID, f.part.done, r)
	}
	return nodesShown
}

// doneWith returns how many steps of the plan the node has completed.
func (f *follower) doneWith(ctx context.Context, p *cluster.Plan, r proxy.ClusterReport) uint64 {
	switch p.Step {
	case cluster.Resumed:
		f.part.end()
	case cluster.Checking:
		f.check(ctx)
	}
	switch {
	case p.Step == cluster.Resumed && r.Released:
		return uint64(cluster.Resumed) + 1
	case f.part.passed():
		return uint64(cluster.Checking) + 1
	case r.Settled:
		return uint64(cluster.Paused) + 1
	}
	return 0
}

// check makes the engine check its backends until they pass, or the plan is over.
func (f *follower) check(ctx context.Context) {
	if f.part.checking != nil || f.part.passed() {
		return
	}
	ctx, f.part.checking = context.WithCancel(ctx)
	checked := make(chan struct{})
	f.part.checked = checked
	f.wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := f.user.Check(ctx); err == nil {
				close(checked)
				f.poke()
				return
			}
		}
	})
}

func (p *part) passed() bool {
	select {
	case <-p.checked: // nil: blocks for ever
		return true
	default:
		return false
	}
}

// askForEnd ends the pause on all nodes if it has reached its max here, or if live sessions here
// have outlived its limit.
func (f *follower) askForEnd(p *cluster.Plan, r proxy.ClusterReport) {
	end, now := endNote{By: readNote[pauseNote](p.Note).By}, f.member.cfg.Now()
	switch {
	case f.part.asked > 0 && now-f.part.asked < f.member.cfg.Lease: // else that may be lost with a lease
		return
	case p.Step == cluster.Resumed:
		return
	case r.GivenUp && p.Step == cluster.Paused:
		end.GivenUp = true
		end.Why = fmt.Sprintf("%s still live on %s", text.Plural(r.Live, "session"), f.member.nameOf(f.member.ID()))
	case r.Expired:
		end.Why = "it reached its deadline"
	default:
		return
	}
	if f.member.act(cluster.Op{Kind: cluster.OpResume, Service: f.name, Token: p.ID, Note: noteText(end)}) {
		f.part.asked = now
	}
}

// endLater ends a plan of this process on all nodes as soon as that can be proposed, if it has begun.
func (m *Member) endLater(which string, why endNote) {
	m.mu.Lock()
	m.ends[which] = why
	m.mu.Unlock()
	m.pokeFollowers()
}

// EndRoll has the place of a roll given up.
func (m *Member) EndRoll(roll string) {
	m.mu.Lock()
	delete(m.rolls, roll)
	m.mu.Unlock()
	m.pokeFollowers()
}

func (m *Member) pokeFollowers() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.followers {
		f.poke()
	}
}

// endOwn ends a plan of this process that must end, and returns when to check again.
func (f *follower) endOwn(p *cluster.Plan) time.Duration {
	m := f.member
	if p.ID == 0 || p.Owner != m.ID() {
		return 0
	}
	note, op := readNote[pauseNote](p.Note), cluster.Op{Kind: cluster.OpResume, Service: f.name, Token: p.ID}
	m.mu.Lock()
	why, over := m.ends[note.Which]
	_, rolls := m.rolls[note.Roll]
	m.mu.Unlock()
	switch {
	case p.Runs() && over:
		op.Note = noteText(why)
	case p.Reserved && !rolls:
		op.From = cluster.FreePlace
	default:
		return 0
	}
	if now := m.cfg.Now(); f.part.ended == 0 || now-f.part.ended >= m.cfg.Lease { // else that may be lost with a lease
		if m.act(op) {
			f.part.ended = now
		}
	}
	return nodesShown
}

// say sends the report to the voters.
func (f *follower) say(plan, done uint64, r proxy.ClusterReport) {
	n := &r.Numbers
	counts := cluster.Counts{Live: uint64(r.Live), Held: uint64(n.Held), Served: uint64(r.Served), Failed: uint64(n.Failed), Cut: uint64(n.Cut), Rejected: uint64(n.Rejected),
		Abandoned: uint64(n.Abandoned), TimedOut: uint64(n.TimedOut), Longest: time.Duration(n.LongestSeconds * float64(time.Second))}
	m := f.member
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.followerLocked(f.name) == f {
		m.agent.Report(f.name, plan, done, counts)
		m.wake()
	}
}
