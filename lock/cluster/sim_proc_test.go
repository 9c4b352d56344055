package cluster

import (
	"fmt"
	"slices"
	"time"
)

// A proc is one process: an agent with the clients of its node and, in the first three,
// a voter.
type proc struct {
	sim     *sim
	id      NodeID
	rate    int64 // speed of its clock, in thousandths
	offset  time.Duration
	disk    *disk
	run     int // counts starts and crashes
	up      bool
	stopped bool          // by SIGSTOP
	since   time.Duration // when it was stopped
	inbox   []func()

	agent *Agent
	log   procLog
	seen  *seenLog
	voter *Voter
	timer time.Duration // real time of the agent's next Tick
	local []*queue      // by service
}

// clock is CLOCK_BOOTTIME of the process: it also runs while the process is stopped.
func (p *proc) clock() time.Duration {
	return p.offset + p.sim.now*time.Duration(p.rate)/1000
}

// deliver calls do, at once or when the process continues. Messages to a process that
// is down are lost.
func (p *proc) deliver(do func()) {
	switch {
	case !p.up:
	case p.stopped:
		p.inbox = append(p.inbox, do)
	default:
		do()
	}
}

// after sets a timer that this run of the process ends.
func (p *proc) after(d time.Duration, do func()) {
	run := p.run
	p.sim.after(d, func() {
		if p.run == run {
			p.deliver(func() {
				if p.run == run {
					do()
				}
			})
		}
	})
}

func (p *proc) start() {
	p.run++
	p.up, p.stopped, p.inbox, p.timer, p.since = true, false, nil, 0, 0
	p.disk.starts++
	p.local = nil
	p.agent = NewAgent(AgentConfig{Node: p.id, Incarnation: p.disk.starts, Voters: []NodeID{1, 2, 3}, Lease: p.sim.lease})
	for _, name := range simServices {
		p.agent.Serve(name, p.sim.serves)
	}
	if p.id <= simVoters {
		state, err := p.openLog()
		if err != nil {
			p.sim.check.failf("node %d: %v", p.id, err)
			return
		}
		p.seen = &seenLog{Log: p.log}
		p.voter = NewVoter(p.id, p.sim.lease, state, p.seen)
		p.tick()
	}
	if p.sim.shares {
		p.queue("db")
	}
	p.agentDone()
}

// openLog opens the log of a voter, and returns its initial state.
func (p *proc) openLog() (*State, error) {
	if p.sim.open != nil {
		return openOtherLog(p)
	}
	state, err := RestoreState(p.disk.snapshot)
	if err == nil {
		l := newSimLog(p)
		l.returned, l.commit = state.Index(), state.Index()
		p.log = l
	}
	return state, err
}

func (p *proc) crash() {
	if !p.up {
		return
	}
	if p.log != nil {
		p.log.crash()
	}
	p.sim.tracef("node %d crashes", p.id)
	for _, q := range p.local {
		for _, c := range q.clients {
			if c.live {
				c.release(p.now())
			}
		}
	}
	p.run++
	p.up, p.stopped, p.inbox = false, false, nil
	p.log, p.voter, p.agent, p.local = nil, nil, nil, nil
}

func (p *proc) stop() {
	if p.up && !p.stopped {
		p.sim.tracef("node %d is stopped", p.id)
		p.stopped, p.since = true, p.sim.now
	}
}

// now returns when the process relayed its last byte.
func (p *proc) now() time.Duration {
	if p.since > 0 {
		return p.since
	}
	return p.sim.now
}

// resume continues a stopped process: it compares the clock first, as before each byte that
// is relayed.
func (p *proc) resume() {
	if !p.up || !p.stopped {
		return
	}
	p.sim.tracef("node %d continues", p.id)
	p.stopped = false
	p.agent.Tick(p.clock())
	p.agentDone()
	p.since = 0
	p.sim.check.dirty = true
	inbox := p.inbox
	p.inbox = nil
	for _, do := range inbox {
		if p.up {
			do()
		}
	}
}

// tick is the voter's own timer.
func (p *proc) tick() {
	p.log.tick()
	p.poll()
	p.after(p.sim.ms(60, 100), p.tick)
}

// poll runs the voter, checks what it applied, and sends its answers.
func (p *proc) poll() {
	if p.voter == nil {
		return
	}
	from := p.voter.State().Index()
	p.voter.Poll(p.clock())
	if err := p.voter.Err(); err != nil {
		p.sim.check.failf("voter %d: %v", p.id, err)
	}
	to := p.voter.State().Index()
	defer func() { p.seen.entries = nil }()
	if to > from {
		for _, e := range p.seen.entries {
			p.sim.check.applied(p, e)
		}
		p.sim.check.same(p)
		if to/16 > from/16 {
			p.log.keep(p.voter.State())
		}
	}
	for _, r := range p.voter.Answers() {
		p.sim.send(p.id, r.To, func(to *proc) {
			had := to.agent.lease.number
			to.agent.Step(to.clock(), r.Answer)
			if had != 0 && to.agent.lease.number == 0 {
				p.sim.check.gaveUp(to, had)
			}
			to.agentDone()
		})
	}
}

// agentDone handles what the agent asks for after a call.
func (p *proc) agentDone() {
	if p.sim.serves {
		for _, name := range simServices {
			p.queue(name).report()
		}
	}
	r := p.agent.Ready()
	for _, g := range r.Cut {
		p.sim.tracef("node %d ends %s token %d", p.id, g.Service, g.Token)
		p.queue(g.Service).ended(g.Arrival, "cut")
		p.agent.Done(g.Service, g.Arrival)
	}
	r.Requests = append(r.Requests, p.agent.Ready().Requests...)
	for _, r := range r.Requests {
		p.sim.send(p.id, r.To, func(to *proc) {
			if to.voter != nil {
				r.Ops = slices.Clone(r.Ops) // a real network sends bytes
				to.voter.Step(to.clock(), r.Request)
				to.poll()
			}
		})
	}
	for _, name := range r.Ask {
		p.queue(name).ask()
	}
	p.arm()
}

// arm sets the timer for the agent's deadline, to the microsecond.
func (p *proc) arm() {
	in := (p.agent.Deadline()-p.clock())*1000/time.Duration(p.rate) + time.Microsecond
	at := p.sim.now + max(in, time.Microsecond)
	if p.timer > p.sim.now && p.timer <= at {
		return
	}
	p.timer = at
	p.after(at-p.sim.now, func() {
		if p.timer == at {
			p.timer = 0
		}
		p.agent.Tick(p.clock())
		p.agentDone()
	})
}

func (p *proc) queue(name string) *queue {
	for _, q := range p.local {
		if q.name == name {
			return q
		}
	}
	q := &queue{proc: p, name: name}
	p.local = append(p.local, q)
	p.agent.Use(name, true)
	return q
}

func (p *proc) String() string { return fmt.Sprintf("node %d", p.id) }
