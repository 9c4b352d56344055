package raftlog

import (
	"context"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// BenchmarkCommit commits one entry at a time on three voters, each of which syncs it
// to disk; the network between them takes no time.
func BenchmarkCommit(b *testing.B) {
	g := benchGroup(b)
	leader := g.nodes[g.leader()]
	var took []time.Duration
	id := uint64(1000)
	for b.Loop() {
		id++
		begin := time.Now()
		var applied uint64
		_ = leader.View(func(s *cluster.State) { applied = s.Index() })
		if err := leader.SetMember(cluster.NodeID(1000+id%7), false); err != nil {
			b.Fatal(err)
		}
		for done := false; !done; {
			_ = leader.View(func(s *cluster.State) { done = s.Index() > applied })
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "us-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "us-p99")
}

// BenchmarkGrants is one slot with 64 waiters at three nodes: each session ends as soon
// as it is admitted.
func BenchmarkGrants(b *testing.B) {
	g := benchGroup(b)
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for id := cluster.NodeID(11); id < 14; id++ {
		g.join(ctx, &wg, id)
	}
	g.until("one slot", func() (did bool) {
		g.with(11, func(a *agent) { did = a.Act(g.now(), cluster.Op{Kind: cluster.OpSlots, Service: "db", From: 1}) })
		return did
	})
	var next [3]uint64 // the first arrival not admitted
	var joined [3]uint64
	for i := range joined {
		joined[i] = 21
		g.with(cluster.NodeID(11+i), func(a *agent) { a.WaitingUpTo(g.now(), "db", joined[i]) })
	}
	for b.Loop() {
		for granted := false; !granted; {
			for i := range next {
				g.with(cluster.NodeID(11+i), func(a *agent) {
					if _, r := a.Admit(g.now(), "db", next[i]+1, 0); r == "" {
						granted = true
						next[i]++
						joined[i]++
						a.WaitingUpTo(g.now(), "db", joined[i])
						a.Done("db", next[i])
					}
				})
			}
			if !granted {
				time.Sleep(20 * time.Microsecond)
			}
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "grants/s")
}

// benchGroup keeps its logs in BENCH_DIR, or the folder for temporary files.
func benchGroup(b *testing.B) *group {
	dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "raftlog")
	if err != nil {
		b.Fatal(err)
	}
	g := newGroupIn(b, dir, 1, 2, 3)
	b.Cleanup(func() { g.close(); os.RemoveAll(dir) })
	g.until("a leader", func() bool { return g.leader() != 0 })
	g.until("it has begun", func() bool { return g.nodes[g.leader()].SetMember(99, false) == nil })
	b.Logf("logs in %s", dir)
	return g
}
