package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestFaultsOfACluster: three nodes share one lock, with clients at each, while nodes are killed,
// stopped and cut off, links go deaf and mute, disks are full, and processes are upgraded. The
// backend counts concurrent clients and fences; what clients saw is judged at the end. The lock has
// two slots in one order, or thirty that nodes grant by themselves. TCPCTL_FAULTS=1000 runs both at
// length (30 minutes), and TCPCTL_FAULTS_SEED=N repeats the same faults, as far as possible.
func TestFaultsOfACluster(t *testing.T) {
	t.Parallel()
	// In parallel, so that they begin after the other tests of clusters: their nodes have a higher
	// priority, and others could not renew their leases beside them.
	t.Run("strict", func(t *testing.T) {
		t.Parallel()
		faultsOfACluster(t, 60, faultLabConfig{slots: 2, hold: 60 * time.Millisecond})
	})
	t.Run("shares", func(t *testing.T) {
		t.Parallel()
		faultsOfACluster(t, 90, faultLabConfig{slots: 30, hold: 900 * time.Millisecond, shares: true})
	})
}

func faultsOfACluster(t *testing.T, clients int, c faultLabConfig) {
	faults := 2
	if text := os.Getenv("TCPCTL_FAULTS"); text != "" {
		var err error
		if faults, err = strconv.Atoi(text); err != nil || faults < 1 {
			t.Fatalf("TCPCTL_FAULTS=%q: want a number from 1", text)
		}
		clients = 300
	}
	seed, err := strconv.ParseUint(os.Getenv("TCPCTL_FAULTS_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	c.memory, c.checks = true, true
	l := newFaultLab(t, c)
	l.form()
	for i := range clients {
		n, r := l.nodes[i%len(l.nodes)], rand.New(rand.NewPCG(seed, uint64(1000+i)))
		l.visitors.Go(func() { l.visits(n, r) })
	}
	for i := range 2 * len(l.nodes) {
		r := rand.New(rand.NewPCG(seed, uint64(900+i)))
		l.visitors.Go(func() { l.probes(r) })
	}
	acts := &faultActs{lab: l, seed: seed, did: map[string]int{}}
	acts.run(faults)
	l.noMoreVisits()
	l.visitors.Wait() // all are served: no more clients come
	l.allSlotsAreFree()
	verdict := l.judge()
	t.Logf("seed %d: %d faults in %v (%s): %d grants over %d nodes, %s; %s; %s", seed, acts.total(), time.Since(l.began).Round(time.Second), acts,
		len(l.history), len(l.nodes), l.server, verdict, acts.recovery())
}

// allSlotsAreFree takes all slots at once, and gives them back: none was lost.
func (l *faultLab) allSlotsAreFree() {
	l.t.Helper()
	var held []*faultVisit
	for i := range l.slots {
		v, err := l.nodes[i%len(l.nodes)].dial(faultService)
		if err == nil {
			err = v.admitted(time.Now().Add(patience))
		}
		if err != nil {
			l.t.Fatalf("slot %d of %d: %v\n%s", i+1, l.slots, err, l.describe())
		}
		held = append(held, v)
	}
	for _, v := range held {
		v.release()
		l.record(v)
	}
	for _, n := range l.nodes {
		n.until("nobody holds, and nobody waits", func() error {
			s, err := n.service(faultService)
			if err == nil && (s.Lock.InUse > 0 || s.Queue.Waiting > 0) {
				err = fmt.Errorf("%d in use, %d wait", s.Lock.InUse, s.Queue.Waiting)
			}
			return err
		})
	}
}
