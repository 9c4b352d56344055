package cluster

import (
	"fmt"
	"time"
)

// MaxMessage bounds an encoded Request or Answer, in bytes. A transport should refuse a
// longer one before it allocates memory for it.
const MaxMessage = 4 << 20

// Minimum encoded sizes, in bytes, so that no length in a message makes the decoder
// allocate much more memory than the message itself.
const (
	leastOp      = 11
	leastBatch   = 4
	leastSeen    = 2
	leastGrant   = 6
	leastFact    = 9
	leastBackend = 7
	leastReport  = 13
	leastServer  = 3
	leastShare   = 6
	leastReports = 7
	leastShares  = 9
)

// EncodeRequest encodes a message from an agent to a voter.
func EncodeRequest(r Request) []byte {
	var e encoder
	e.uint(version)
	for _, v := range [...]uint64{uint64(r.Node), r.Incarnation, r.Lease, r.Last, r.Renewal, r.First, r.Known} {
		e.uint(v)
	}
	e.uint(uint64(len(r.Ops)))
	for _, op := range r.Ops {
		e.op(op)
	}
	e.uint(uint64(len(r.Seen)))
	for _, s := range r.Seen {
		e.text(s.Service)
		e.uint(s.Token)
	}
	e.uint(uint64(len(r.Shares)))
	for i := range r.Shares {
		s := &r.Shares[i]
		e.text(s.Service)
		for _, v := range [...]uint64{s.Last, s.Tokens, s.Free, s.Waiting, uint64(s.Age), uint64(s.Newest)} {
			e.uint(v)
		}
	}
	return e
}

// DecodeRequest decodes what EncodeRequest has returned. Its error wraps ErrNewer or
// ErrCorrupt. The caller has to check that Node is the node that sent the message.
func DecodeRequest(data []byte) (Request, error) {
	d, err := decodeMessage(data)
	if err != nil {
		return Request{}, err
	}
	var r Request
	r.Node = NodeID(d.uint())
	for _, v := range [...]*uint64{&r.Incarnation, &r.Lease, &r.Last, &r.Renewal, &r.First, &r.Known} {
		*v = d.uint()
	}
	n := d.length(leastOp)
	if n > maxRequest {
		d.fail(ErrCorrupt)
	}
	for range n {
		r.Ops = append(r.Ops, d.op())
	}
	for range d.length(leastSeen) {
		r.Seen = append(r.Seen, Seen{d.text(), d.uint()})
	}
	for range d.length(leastReports) {
		r.Shares = append(r.Shares, ShareReport{d.text(), d.uint(), d.uint(), d.uint(), d.uint(), d.duration(), d.duration()})
	}
	if err := d.end(); err != nil {
		return Request{}, err
	}
	return r, nil
}

// EncodeAnswer encodes a message from a voter to an agent.
func EncodeAnswer(r Answer) []byte {
	var e encoder
	e.uint(version)
	e.bool(r.Leads)
	e.bool(r.Ended)
	for _, v := range [...]uint64{uint64(r.From), uint64(r.Leader), r.Incarnation, r.Lease, r.Renewed, r.Applied, r.Known} {
		e.uint(v)
	}
	e.uint(uint64(len(r.Grants)))
	for _, g := range r.Grants {
		e.text(g.Service)
		for _, v := range [...]uint64{uint64(g.Node), g.Lease, g.Arrival, g.Token} {
			e.uint(v)
		}
		e.bool(g.Hook)
		e.bool(g.Expired)
	}
	e.uint(uint64(len(r.Facts)))
	for i := range r.Facts {
		e.fact(&r.Facts[i])
	}
	e.uint(uint64(len(r.Shares)))
	for i := range r.Shares {
		s := &r.Shares[i]
		e.text(s.Service)
		for _, v := range [...]uint64{s.Added, s.Owed, s.From, s.To, s.Nodes, s.Keep, uint64(s.Age)} {
			e.uint(v)
		}
		e.bool(s.Yield)
	}
	return e
}

// DecodeAnswer decodes what EncodeAnswer has returned. Its error wraps ErrNewer or
// ErrCorrupt.
func DecodeAnswer(data []byte) (Answer, error) {
	d, err := decodeMessage(data)
	if err != nil {
		return Answer{}, err
	}
	r := Answer{Leads: d.bool(), Ended: d.bool(), From: NodeID(d.uint()), Leader: NodeID(d.uint())}
	for _, v := range [...]*uint64{&r.Incarnation, &r.Lease, &r.Renewed, &r.Applied, &r.Known} {
		*v = d.uint()
	}
	for range d.length(leastGrant) {
		g := Grant{Service: d.text(), Node: NodeID(d.uint()), Lease: d.uint(), Arrival: d.uint(), Token: d.uint()}
		g.Hook, g.Expired = d.bool(), d.bool()
		r.Grants = append(r.Grants, g)
	}
	for range d.length(leastFact) {
		r.Facts = append(r.Facts, d.fact())
	}
	for range d.length(leastShares) {
		s := Share{Service: d.text()}
		for _, v := range [...]*uint64{&s.Added, &s.Owed, &s.From, &s.To, &s.Nodes, &s.Keep} {
			*v = d.uint()
		}
		s.Age, s.Yield = d.duration(), d.bool()
		r.Shares = append(r.Shares, s)
	}
	if err := d.end(); err != nil {
		return Answer{}, err
	}
	return r, nil
}

func decodeMessage(data []byte) (*decoder, error) {
	if len(data) > MaxMessage {
		return nil, fmt.Errorf("%w: a message of %d bytes, over the limit of %d", ErrCorrupt, len(data), MaxMessage)
	}
	d := &decoder{b: data}
	if v := d.uint(); v > version {
		return nil, fmt.Errorf("%w (a message of version %d)", ErrNewer, v)
	}
	return d, nil
}

func (e *encoder) fact(f *Fact) {
	e.text(f.Service)
	e.uint(f.Slots)
	e.bool(f.Sharing)
	e.uint(f.Ordered)
	e.uint(f.Every)
	e.bool(f.Exclusive)
	if f.Plan.ID == 0 {
		e.plan(nil)
	} else {
		e.plan(&f.Plan)
	}
	e.uint(uint64(len(f.Backends)))
	for _, b := range f.Backends {
		e.backend(b)
	}
	e.uint(uint64(len(f.Nodes)))
	for _, n := range f.Nodes {
		e.uint(uint64(n.Node))
		e.bool(n.Lease)
		e.bool(n.Keep)
	}
}

func (d *decoder) fact() Fact {
	f := Fact{Service: d.text(), Slots: d.uint(), Sharing: d.bool(), Ordered: d.uint(), Every: d.uint(), Exclusive: d.bool()}
	if p := d.plan(); p != nil {
		f.Plan = *p
	}
	for range d.length(leastBackend) {
		f.Backends = append(f.Backends, d.backend())
	}
	for range d.length(leastServer) {
		f.Nodes = append(f.Nodes, Server{NodeID(d.uint()), d.bool(), d.bool()})
	}
	return f
}

// end returns the error of a message, which must end here.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.err = ErrCorrupt
	}
	return d.err
}

// duration reads a duration that is not negative.
func (d *decoder) duration() time.Duration {
	v := d.uint()
	if v > 1<<62 {
		d.fail(ErrCorrupt)
		return 0
	}
	return time.Duration(v)
}
