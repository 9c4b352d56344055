package cluster

import "time"

// faultTime returns how long a seed has faults: mostly a short time, sometimes a long one.
func faultTime(seed uint64) time.Duration {
	if seed%50 == 0 {
		return 40 * time.Second
	}
	return 4 * time.Second
}

// operate makes an operator of a node do something, and repeat it until the node can.
func (s *sim) operate(p *proc, op Op) {
	if !p.up || p.stopped || !p.agent.Act(p.clock(), op) {
		s.after(300*time.Millisecond, func() { s.operate(s.procs[s.rng.IntN(len(s.procs))], op) })
		return
	}
	p.agentDone()
}

// simServices are the services of the clients.
var simServices = [2]string{"db", "office"}

// load makes clients of two services arrive in bursts.
func (s *sim) load(until time.Duration) {
	s.operate(s.procs[0], Op{Kind: OpSlots, Service: "db", From: 1 + s.rng.Uint64N(3)})
	s.operate(s.procs[1], Op{Kind: OpSlots, Service: "office", From: 1})
	if s.chance(40) {
		s.operate(s.procs[2], Op{Kind: OpHooks, Service: "office", From: 1 + s.rng.Uint64N(3), Flag: s.chance(50)})
	}
	if s.chance(30) {
		s.operate(s.procs[2], Op{Kind: OpHooks, Service: "db", From: 2, Flag: s.chance(70)})
	}
	for range 20 + int(until/second) {
		at := time.Duration(s.rng.Int64N(int64(until)))
		for range 1 + s.rng.IntN(3) {
			p := s.procs[s.rng.IntN(len(s.procs))]
			name := "db"
			if s.chance(30) {
				name = "office"
			}
			s.after(at, func() {
				if !p.up || p.stopped {
					return
				}
				patience, fails := time.Duration(0), 0
				if s.chance(25) {
					patience = s.ms(1, 2000)
				}
				if s.chance(15) {
					fails = 1 + s.rng.IntN(2)
				}
				hold := s.ms(2, 200)
				if s.chance(10) {
					hold = s.ms(500, 4000)
				}
				p.queue(name).arrive(hold, patience, fails)
			})
		}
	}
}

// harm causes a fault, and then the next.
func (s *sim) harm(until time.Duration) {
	if s.now >= until {
		return
	}
	s.after(s.ms(100, 1500), func() {
		if s.now < until {
			s.fault()
		}
		s.harm(until)
	})
}

// victim returns the leader half of the time.
func (s *sim) victim() *proc {
	if p := s.leader(); p != nil && s.chance(50) {
		return p
	}
	return s.procs[s.rng.IntN(len(s.procs))]
}

func (s *sim) fault() {
	p := s.victim()
	switch s.rng.IntN(12) {
	case 0, 1:
		p.crash()
		s.after(s.ms(10, 4000), func() { s.start(p) })
	case 2, 3:
		p.stop()
		s.after(s.ms(10, 6000), p.resume)
	case 4, 5:
		s.cutOff(p, true, true)
		s.after(s.ms(100, 6000), func() { s.join(p) })
	case 6:
		to := s.chance(50)
		s.cutOff(p, to, !to)
		s.after(s.ms(100, 5000), func() { s.join(p) })
	case 7: // cut off from the other voters, but not from nodes
		for _, other := range s.procs[:simVoters] {
			if other != p {
				s.setCut(p.id, other.id, true)
				s.setCut(other.id, p.id, true)
			}
		}
		s.after(s.ms(1000, 6000), func() { s.join(p) })
	case 8:
		for i := range s.procs {
			for j := range s.procs {
				if s.chance(20) {
					s.setCut(NodeID(i+1), NodeID(j+1), true)
				}
			}
		}
		s.after(s.ms(100, 3000), func() { s.cut = [8][8]bool{} })
	case 9:
		s.able(p)
	case 10:
		s.window(p)
	case 11:
		name := simServices[s.rng.IntN(2)]
		s.operate(p, Op{Kind: OpSlots, Service: name, From: 1 + s.rng.Uint64N(3)})
	}
}

func (s *sim) start(p *proc) {
	if !p.up {
		s.tracef("node %d is started", p.id)
		p.start()
	}
}

func (s *sim) setCut(from, to NodeID, cut bool) { s.cut[from][to] = cut && from != to }

// cutOff cuts what p sends, or what it is sent, or both.
func (s *sim) cutOff(p *proc, sent, received bool) {
	s.tracef("node %d is cut off: sends %t, receives %t", p.id, !sent, !received)
	for _, other := range s.procs {
		if sent {
			s.setCut(p.id, other.id, true)
		}
		if received {
			s.setCut(other.id, p.id, true)
		}
	}
}

func (s *sim) join(p *proc) {
	s.tracef("node %d is reachable again", p.id)
	for i := range s.procs {
		s.cut[p.id][i+1], s.cut[i+1][p.id] = false, false
	}
}

// able makes a node lose its backends for a while.
func (s *sim) able(p *proc) {
	if !p.up || p.stopped {
		return
	}
	set := func(able bool) {
		s.tracef("node %d is able to serve db: %t", p.id, able)
		p.agent.Able("db", able)
		p.agentDone()
	}
	set(false)
	p.after(s.ms(100, 3000), func() { set(true) })
}

// window pauses a service, or one of its backends, runs a command once no session is live,
// and resumes. Sometimes it is a pause without a command, or its owner forgets it.
func (s *sim) window(p *proc) {
	if !p.up || p.stopped {
		return
	}
	name := simServices[s.rng.IntN(2)]
	act := func(op Op) bool {
		ok := p.agent.Act(p.clock(), op)
		p.agentDone()
		return ok
	}
	op := Op{Kind: OpPause, Service: name, Max: s.ms(500, 5000), Flag: s.chance(50)}
	if s.serves && s.chance(50) {
		op.Text, op.State = simBackends[s.rng.IntN(2)], "drain"
	}
	if !act(op) {
		return
	}
	if s.chance(30) {
		return
	}
	p.after(s.ms(50, 1500), func() {
		plan := p.agent.Facts(name).Plan
		quiet, _ := s.check.truth.Quiet(name)
		if plan.ID == 0 || plan.Owner != p.id {
			return
		}
		if quiet && plan.Window {
			act(Op{Kind: OpStep, Service: name, Token: plan.ID, From: uint64(Command)})
		}
		var end func()
		end = func() {
			// The command line of a window repeats until it succeeds: an act may be
			// lost with the lease under which it was sent.
			if now := p.agent.Facts(name).Plan; now.ID != plan.ID || now.Step == Resumed {
				return
			}
			act(Op{Kind: OpStep, Service: name, Token: plan.ID, From: uint64(Checking)})
			act(Op{Kind: OpResume, Service: name, Token: plan.ID, Flag: plan.Backend != "" && s.chance(50)})
			p.after(s.ms(400, 600), end)
		}
		p.after(s.ms(50, 1500), end)
	})
}

// heal ends all faults.
func (s *sim) heal() {
	s.tracef("all faults have ended")
	s.cut, s.rough = [8][8]bool{}, false
	for _, p := range s.procs {
		s.start(p)
		p.resume()
		p.agent.Able("db", true)
		p.agentDone()
	}
}

// reopen sets again how many slots a service has, if that was lost with the lease of
// the node that sent it.
func (s *sim) reopen() {
	for _, name := range simServices {
		if sv := s.check.truth.service(name); sv == nil || sv.slots == 0 {
			s.operate(s.procs[s.rng.IntN(len(s.procs))], Op{Kind: OpSlots, Service: name, From: 1})
		}
	}
}
