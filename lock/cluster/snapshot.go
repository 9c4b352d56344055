package cluster

import "fmt"

// Snapshot encodes the state. Two voters that have applied the same entries return the
// same bytes.
func (s *State) Snapshot() []byte {
	var e encoder
	e.uint(version)
	e.text(s.id)
	e.uint(s.index)
	e.uint(s.facts)
	e.uint(s.reports)
	e.uint(uint64(len(s.members)))
	for _, m := range s.members {
		e.uint(uint64(m.Node))
		e.uint(m.Incarnation)
		e.uint(m.Lease)
		e.bool(m.Ended)
		e.uint(m.Applied)
		e.bool(m.Keep)
	}
	e.uint(uint64(len(s.services)))
	for _, sv := range s.services {
		e.service(sv)
	}
	return e
}

// RestoreState returns the state that Snapshot has encoded. Its error wraps ErrNewer or
// ErrCorrupt.
func RestoreState(data []byte) (*State, error) {
	d := &decoder{b: data}
	if v := d.uint(); v > version {
		return nil, fmt.Errorf("%w (a snapshot of version %d)", ErrNewer, v)
	}
	s := NewState(d.text())
	s.index, s.facts, s.reports = d.uint(), d.uint(), d.uint()
	for range d.length(1) {
		s.members = append(s.members, Member{NodeID(d.uint()), d.uint(), d.uint(), d.bool(), d.uint(), d.bool()})
	}
	for range d.length(1) {
		s.services = append(s.services, d.service())
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return s, nil
}

func (e *encoder) service(sv *service) {
	e.text(sv.name)
	for _, v := range [...]uint64{sv.slots, sv.token, sv.next, sv.returned, sv.every, sv.running} {
		e.uint(v)
	}
	e.bool(sv.exclusive)
	e.bool(sv.owed)
	e.bool(sv.sharing)
	e.uint(sv.ordered)
	e.uint(uint64(len(sv.shares)))
	for i := range sv.shares {
		sh := &sv.shares[i]
		for _, v := range [...]uint64{uint64(sh.node), sh.added, sh.given, sh.owed, sh.from, sh.to} {
			e.uint(v)
		}
	}
	e.uint(uint64(len(sv.lines)))
	for _, l := range sv.lines {
		e.uint(uint64(l.node))
		e.uint(l.joined)
		e.bool(l.unable)
		e.uint(uint64(len(l.runs)))
		for _, r := range l.runs {
			e.uint(r.from)
			e.uint(r.to)
			e.uint(r.at)
		}
	}
	e.uint(uint64(len(sv.held)))
	for _, g := range sv.held {
		for _, v := range [...]uint64{uint64(g.Node), g.Lease, g.Arrival, g.Token, g.at} {
			e.uint(v)
		}
		e.bool(g.Hook)
		e.bool(g.Expired)
	}
	e.uint(uint64(len(sv.backends)))
	for _, b := range sv.backends {
		e.backend(b)
	}
	e.plan(sv.plan)
	e.uint(uint64(len(sv.nodes)))
	for _, n := range sv.nodes {
		e.uint(uint64(n))
	}
}

func (d *decoder) service() *service {
	sv := &service{name: d.text()}
	for _, v := range [...]*uint64{&sv.slots, &sv.token, &sv.next, &sv.returned, &sv.every, &sv.running} {
		*v = d.uint()
	}
	sv.exclusive, sv.owed = d.bool(), d.bool()
	sv.sharing, sv.ordered = d.bool(), d.uint()
	for range d.length(leastShare) {
		sv.shares = append(sv.shares, share{NodeID(d.uint()), d.uint(), d.uint(), d.uint(), d.uint(), d.uint()})
	}
	for range d.length(1) {
		l := &line{node: NodeID(d.uint()), joined: d.uint(), unable: d.bool()}
		for range d.length(1) {
			l.runs = append(l.runs, run{d.uint(), d.uint(), d.uint()})
		}
		sv.lines = append(sv.lines, l)
	}
	for range d.length(1) {
		g := Grant{Service: sv.name, Node: NodeID(d.uint()), Lease: d.uint(), Arrival: d.uint(), Token: d.uint(), at: d.uint()}
		g.Hook, g.Expired = d.bool(), d.bool()
		sv.held = append(sv.held, g)
	}
	for range d.length(leastBackend) {
		sv.backends = append(sv.backends, d.backend())
	}
	sv.plan = d.plan()
	for range d.length(1) {
		sv.nodes = append(sv.nodes, NodeID(d.uint()))
	}
	return sv
}

func (e *encoder) backend(b Backend) {
	e.text(b.Name)
	e.text(b.State)
	e.text(b.Note)
	e.bool(b.Weighs)
	e.uint(b.Weight)
	e.uint(b.ID)
	e.reports(b.Nodes)
}

func (d *decoder) backend() Backend {
	return Backend{d.text(), d.text(), d.text(), d.bool(), d.uint(), d.uint(), d.reports()}
}

func (e *encoder) plan(p *Plan) {
	e.bool(p != nil)
	if p == nil {
		return
	}
	e.bool(p.Window)
	e.bool(p.Reserved)
	e.text(p.Backend)
	e.text(p.Admin)
	e.text(p.Note)
	e.text(p.End)
	for _, v := range [...]uint64{p.ID, uint64(p.Owner), p.Lease, uint64(p.Step), uint64(p.Max)} {
		e.uint(v)
	}
	e.reports(p.Nodes)
}

func (e *encoder) reports(all []NodeReport) {
	e.uint(uint64(len(all)))
	for _, r := range all {
		e.uint(uint64(r.Node))
		e.uint(r.Lease)
		e.uint(r.Done)
		e.bool(r.Restarted)
		e.counts(r.Counts)
	}
}

func (d *decoder) plan() *Plan {
	if !d.bool() {
		return nil
	}
	p := &Plan{Window: d.bool(), Reserved: d.bool(), Backend: d.text(), Admin: d.text(), Note: d.text(), End: d.text(), ID: d.uint(), Owner: NodeID(d.uint()), Lease: d.uint(), Step: d.step(), Max: d.duration()}
	p.Nodes = d.reports()
	return p
}

func (d *decoder) step() Step {
	v := d.uint()
	if v > uint64(Resumed) {
		d.fail(fmt.Errorf("%w (a plan at step %d)", ErrNewer, v))
		return 0
	}
	return Step(v)
}

func (d *decoder) reports() (all []NodeReport) {
	for range d.length(leastReport) {
		all = append(all, NodeReport{NodeID(d.uint()), d.uint(), d.uint(), d.bool(), d.counts()})
	}
	return all
}
