package cluster

import (
	"fmt"
	"runtime"
	"testing"
)

// busy is a state whose one lock has 500 slots and 100 waiters at each node, whose
// places alternate with those of other nodes.
type busy struct {
	state   *State
	index   uint64
	said    map[NodeID]uint64 // ops of the node so far
	arrived map[NodeID]uint64
	granted []Grant
}

func newBusy(b *testing.B, nodes int) *busy {
	s := &busy{state: NewState("bench"), said: map[NodeID]uint64{}, arrived: map[NodeID]uint64{}}
	all := make([]Batch, nodes)
	for i := range all {
		all[i] = Batch{Node: NodeID(i + 1), Ops: []Op{{Kind: OpHello, From: 1}}}
	}
	s.apply(b, all...)
	s.apply(b, s.batch(1, Op{Kind: OpSlots, Service: "db", From: 500}))
	for range 100 + (500+nodes-1)/nodes {
		for i := range all {
			all[i] = s.batch(NodeID(i+1), s.join(NodeID(i+1)))
		}
		s.apply(b, all...)
	}
	return s
}

func (s *busy) join(node NodeID) Op {
	s.arrived[node]++
	return Op{Kind: OpJoin, Service: "db", From: s.arrived[node], To: s.arrived[node]}
}

func (s *busy) batch(node NodeID, ops ...Op) Batch {
	first := s.said[node] + 1
	s.said[node] += uint64(len(ops))
	return Batch{Node: node, Lease: 1, First: first, Ops: ops}
}

func (s *busy) apply(b *testing.B, batches ...Batch) {
	s.index++
	out, err := s.state.Apply(s.index, EncodeEntry(batches))
	if err != nil {
		b.Fatal(err)
	}
	s.granted = append(s.granted, out.Grants...)
}

// BenchmarkManyNodes is an entry in which a session ends and another client of its node
// arrives: the slot goes to the first of all waiters.
func BenchmarkManyNodes(b *testing.B) {
	for _, nodes := range []int{3, 50, 200, 1000} {
		b.Run(fmt.Sprintf("nodes=%d/waiting=%d", nodes, 100*nodes), func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			s := newBusy(b, nodes)
			runtime.GC()
			runtime.ReadMemStats(&after)
			for b.Loop() {
				g := s.granted[0]
				s.granted = s.granted[1:]
				s.apply(b, s.batch(g.Node, Op{Kind: OpDone, Service: "db", From: g.Arrival, Token: g.Token}, s.join(g.Node)))
			}
			if n := len(s.granted); n != 500 {
				b.Errorf("%d slots of 500 are held", n)
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
			b.ReportMetric(float64(len(s.state.Snapshot()))/1e3, "snapshot-kB")
		})
	}
}
