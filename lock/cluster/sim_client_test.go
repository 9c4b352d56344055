package cluster

import (
	"slices"
	"time"
)

// A client is one session of the simulated engine.
type client struct {
	queue     *queue
	arrival   uint64
	arrived   time.Duration
	committed time.Duration // when its place was committed, under lease; 0: not yet
	lease     uint64
	hold      time.Duration
	fails     int           // dials that fail
	passed    time.Duration // when a much later client was first admitted before it; 0: never
	hook, ran uint64        // token whose hook has begun, and token whose hook has run; 0: none
	live      bool
	backend   string // where it is live
	over      bool
	grant     Grant
	acquired  []acquired
}

// acquired is a client's use of a slot, for porcupine.
type acquired struct {
	token          uint64
	call, from, to time.Duration
	released       bool
}

// A queue is that of the simulated engine: clients in the order of arrival.
type queue struct {
	proc     *proc
	name     string
	arrivals uint64
	clients  []*client // without those that ended
}

func (q *queue) agent() *Agent { return q.proc.agent }

// arrive adds a client that holds its slot for a time, and goes away if it has waited
// for longer than its patience; 0: any time.
func (q *queue) arrive(hold, patience time.Duration, fails int) *client {
	q.arrivals++
	c := &client{queue: q, arrival: q.arrivals, arrived: q.proc.sim.now, hold: hold, fails: fails}
	q.clients = append(q.clients, c)
	q.proc.sim.check.clients = append(q.proc.sim.check.clients, c)
	q.proc.sim.tracef("node %d %s client %d arrives", q.proc.id, q.name, c.arrival)
	q.agent().WaitingUpTo(q.proc.clock(), q.name, q.arrivals)
	q.ask()
	if patience > 0 {
		q.proc.after(patience, func() {
			if !c.live && !c.over {
				q.proc.sim.tracef("node %d %s client %d is abandoned", q.proc.id, q.name, c.arrival)
				q.agent().Done(q.name, c.arrival)
				q.ended(c.arrival, "abandoned")
				q.freed()
			}
		})
	}
	return c
}

// ask is the gate: clients are admitted in the order of arrival.
func (q *queue) ask() {
	for _, c := range slices.Clone(q.clients) {
		if c.live || c.over {
			continue
		}
		switch g, reason := q.agent().Admit(q.proc.clock(), q.name, c.arrival, c.ran); {
		case reason != "":
			c.hook, c.ran = 0, 0 // its hook is ended
		case !g.awaitsHook():
			q.admitted(c, g)
		case c.hook != g.Token:
			q.runHook(c, g)
		}
	}
	q.proc.agentDone()
}

func (q *queue) admitted(c *client, g Grant) {
	s := q.proc.sim
	c.live, c.grant, c.backend = true, g, q.pick(g)
	call := c.arrived
	if n := len(c.acquired); n > 0 {
		call = c.acquired[n-1].to
	}
	c.acquired = append(c.acquired, acquired{token: g.Token, call: call, from: s.now})
	s.tracef("node %d %s client %d is admitted with token %d%s", q.proc.id, q.name, c.arrival, g.Token, flags(g))
	s.check.admitted(q.proc, c, g)
	if c.fails > 0 {
		c.fails--
		q.proc.after(s.ms(1, 20), func() { q.requeue(c, g) })
		return
	}
	q.proc.after(c.hold, func() {
		if c.live && c.grant.Token == g.Token {
			s.tracef("node %d %s client %d ends", q.proc.id, q.name, c.arrival)
			q.ended(c.arrival, "served")
			q.agent().Done(q.name, c.arrival)
			q.freed()
		}
	})
}

// simBackends are the backends of each service.
var simBackends = [2]string{"a", "b"}

// pick returns a backend from which no plan keeps clients away.
func (q *queue) pick(g Grant) string {
	to := g.Token % 2
	if p := q.agent().Facts(q.name).Plan; p.Runs() && p.Backend == simBackends[to] {
		to = 1 - to
	}
	return simBackends[to]
}

// report reports the live sessions that the last plan waits for, and the running hooks.
func (q *queue) report() {
	p, live, done := q.agent().Facts(q.name).Plan, uint64(0), uint64(0)
	for _, c := range q.clients {
		if c.live && (p.Backend == "" || p.Backend == c.backend) || !c.live && c.hook != 0 {
			live++
		}
	}
	if live == 0 || p.Step == Resumed {
		done = uint64(p.Step) + 1
	}
	q.agent().Report(q.name, p.ID, done, Counts{Live: live})
}

// runHook is what must run before a session begins. A client that goes away meanwhile
// ends it.
func (q *queue) runHook(c *client, g Grant) {
	c.hook = g.Token
	q.proc.sim.tracef("node %d %s runs what token %d asks for%s", q.proc.id, q.name, g.Token, flags(g))
	q.proc.after(q.proc.sim.ms(1, 30), func() {
		if c.over || c.hook != g.Token {
			return
		}
		c.ran = g.Token
		q.ask()
	})
}

// requeue is a failed dial.
func (q *queue) requeue(c *client, g Grant) {
	if !c.live || c.grant.Token != g.Token {
		return
	}
	q.proc.sim.tracef("node %d %s client %d is requeued", q.proc.id, q.name, c.arrival)
	c.live = false
	c.release(q.proc.now())
	q.agent().Requeue(q.name, c.arrival)
	q.freed()
}

// freed asks the gate, as an engine does: a slot of the node's share may be free.
func (q *queue) freed() {
	if q.proc.sim.shares {
		q.ask()
	} else {
		q.proc.agentDone()
	}
}

// ended removes a client, for whatever reason.
func (q *queue) ended(arrival uint64, how string) {
	i := slices.IndexFunc(q.clients, func(c *client) bool { return c.arrival == arrival })
	if i < 0 {
		return
	}
	c := q.clients[i]
	if c.live {
		c.release(q.proc.now())
	}
	c.live, c.over = false, true
	q.clients = slices.Delete(q.clients, i, i+1)
	q.proc.sim.check.ends[how]++
}

func (c *client) release(now time.Duration) {
	a := &c.acquired[len(c.acquired)-1]
	a.to, a.released = now, true
}

func flags(g Grant) (s string) {
	if g.Hook {
		s += ", hook"
	}
	if g.Expired {
		s += ", expired"
	}
	return s
}
