package cluster

import (
	"flag"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "TestSeed, TestShareSeed or TestSeedOverRaftlog runs this seed and prints its trace")
	seedsFlag = flag.Int("seeds", 0, "TestSeeds runs so many seeds instead of 500, TestShareSeeds and TestSeedsOverRaftlog instead of 50; TestModel applies 100 entries for each")
	fromFlag  = flag.Uint64("from", 1, "the first of the seeds")
)

// TestSeed prints the trace of one run: go test -run TestSeed$ ./lock/cluster -seed 4711
func TestSeed(t *testing.T) { RunSeed(t, runSeed) }

// TestSeeds runs a cluster under faults for each of many seeds.
func TestSeeds(t *testing.T) {
	RunSeeds(t, "TestSeed", DefaultSeeds, runSeed)
}

// RunSeed runs the seed of -seed and prints its trace.
func RunSeed(t *testing.T, run func(seed uint64, trace *strings.Builder) error) {
	t.Helper()
	if *seedFlag == 0 {
		t.Skip("needs -seed")
	}
	var trace strings.Builder
	err := run(*seedFlag, &trace)
	os.Stdout.WriteString(trace.String())
	if err != nil {
		t.Fatal(err)
	}
}

// RunSeeds runs n seeds, or as many as -seeds says. one is the test that runs a single seed.
func RunSeeds(t *testing.T, one string, n int, run func(seed uint64, trace *strings.Builder) error) {
	t.Helper()
	if *seedsFlag > 0 {
		n = *seedsFlag
	}
	defer debug.SetGCPercent(debug.SetGCPercent(2500)) // each seed is garbage as a whole
	failed := 0
	for i := range n {
		seed := *fromFlag + uint64(i)
		if err := run(seed, nil); err != nil {
			t.Errorf("seed %d: %v\n\tgo test -run '%s$' ./lock/cluster -seed %d", seed, err, one, seed)
			if failed++; failed == 5 {
				t.FailNow()
			}
		}
	}
}

// runSeed runs a cluster with clients and faults, then without faults, until all
// clients are served.
func runSeed(seed uint64, trace *strings.Builder) error {
	return newSim(seed, 3+int(seed%3), false, trace).boot().runSeed(trace)
}

func (s *sim) runSeed(trace *strings.Builder) error {
	until := faultTime(s.seed)
	s.load(until)
	s.harm(until)
	s.run(until + 300*ms)
	s.heal()
	return s.finish(trace)
}

// finish runs without faults until all clients are served.
func (s *sim) finish(trace *strings.Builder) error {
	deadline := s.now + 40*time.Second
	if s.shares {
		deadline += 100 * time.Second // more clients are left
	}
	why, ok := s.check.drained()
	for !ok && s.now < deadline && s.check.err == nil {
		s.run(s.now + 250*ms)
		s.reopen()
		why, ok = s.check.drained()
	}
	if s.check.err == nil && !ok {
		s.check.failf("%s", why)
	}
	if s.check.err == nil && (s.seed%porcupineEvery == 0 || trace != nil) {
		s.check.linearizable()
	}
	return s.check.err
}
