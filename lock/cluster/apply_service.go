package cluster

import "slices"

// applyOp applies one op of a node whose lease runs.
func (s *State) applyOp(m *Member, op Op, out *Changes) {
	sv := s.addService(op.Service)
	switch op.Kind {
	case OpJoin:
		sv.join(m.Node, op)
	case OpDone:
		sv.done(m.Node, op)
	case OpRequeue:
		if i := sv.holder(m.Node, op.From); i >= 0 && sv.held[i].Token == op.Token {
			g := sv.giveBack(i)
			sv.line(m.Node).insert(g.Arrival, g.at)
		}
	case OpAble:
		sv.line(m.Node).unable = !op.Flag
	case OpReady:
		if i := sv.holderOf(m.Node, op.Token); i >= 0 {
			sv.held[i].Hook, sv.held[i].Expired = false, false
			if sv.running == op.Token {
				sv.running = 0
			}
		}
	case OpReport:
		if op.Text != "" {
			s.reportBackend(m, sv, op)
		} else {
			s.applyPlan(m, sv, op, out)
		}
	case OpPause, OpStep, OpResume:
		s.applyPlan(m, sv, op, out)
	case OpSlots:
		sv.slots, s.facts = op.From, s.index // if fewer: holders keep theirs
	case OpHooks:
		sv.every, sv.exclusive, s.facts = op.From, op.Flag, s.index
	case OpBackend:
		if op.Token == 0 || op.Token == sv.backend(op.Text).ID { // otherwise another State has followed
			sv.setBackend(s.index, op)
			s.facts = s.index
		}
	case OpServe:
		m.Keep = op.From == 1
		s.serve(sv, m.Node, op.Flag)
	case OpOrder:
		s.setOrder(sv, op.Flag)
	case OpLeave:
		l := sv.line(m.Node)
		l.joined, l.runs = 0, nil
	case OpGive:
		sv.giveShare(m.Node, op)
	}
}

// join puts arrivals at the end. Under one lease their numbers only grow.
func (sv *service) join(node NodeID, op Op) {
	if l := sv.line(node); op.From > l.joined && op.To >= op.From && op.To-op.From < 1<<32 {
		l.append(op.From, op.To, sv.next)
		sv.next += op.To - op.From + 1
	}
}

// done ends the session with a token; without one, everything of the arrival.
func (sv *service) done(node NodeID, op Op) {
	i := sv.holderOf(node, op.Token)
	if op.Token == 0 {
		i = sv.holder(node, op.From)
		sv.line(node).remove(op.From)
	}
	if i >= 0 {
		sv.giveBack(i)
	}
}

// grant gives free slots to the first waiters of nodes that can serve.
func (s *State) grant(sv *service, out *Changes) {
	for !sv.sharing && !sv.closed() && sv.free() > 0 {
		l := sv.head()
		if l == nil {
			return
		}
		hook := sv.owed || sv.every > 0 && (sv.token+1)%sv.every == 0
		if hook && sv.exclusive && sv.taken() > 0 {
			return // until all sessions have ended
		}
		arrival := l.runs[0].from
		at, _ := l.remove(arrival)
		sv.token++
		g := Grant{Service: sv.name, Node: l.node, Lease: s.member(l.node).Lease, Arrival: arrival, Token: sv.token, Hook: hook, at: at}
		if sv.returned > 0 {
			g.Expired = true
			sv.returned--
		}
		if sv.owed = false; hook && sv.exclusive {
			sv.running = g.Token
		}
		sv.held = append(sv.held, g)
		out.Grants = append(out.Grants, g)
	}
}

// head returns the line whose first waiter came before those of all other lines that
// can be served, or nil if there is none.
func (sv *service) head() (first *line) {
	for _, l := range sv.lines {
		if len(l.runs) > 0 && !l.unable && (first == nil || l.runs[0].at < first.runs[0].at) {
			first = l
		}
	}
	return first
}

// giveBack frees the slot of holder i. If it asked for hooks that did not run, they are
// owed to the next.
func (sv *service) giveBack(i int) Grant {
	g := sv.held[i]
	sv.held = slices.Delete(sv.held, i, i+1)
	if g.Hook {
		sv.owed = true
	}
	if g.Expired {
		sv.returned++
	}
	if sv.running == g.Token {
		sv.running = 0
	}
	return g
}

// holder returns the index of the grant for a node's arrival, or -1.
func (sv *service) holder(node NodeID, arrival uint64) int {
	return slices.IndexFunc(sv.held, func(g Grant) bool { return g.Node == node && g.Arrival == arrival })
}

// holderOf returns the index of the node's grant with this token, or -1.
func (sv *service) holderOf(node NodeID, token uint64) int {
	return slices.IndexFunc(sv.held, func(g Grant) bool { return g.Node == node && g.Token == token })
}
