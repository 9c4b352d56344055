package raftlog

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// TestRule33bRecover: one voter of a lost cluster continues alone with everything that
// it has, under another id, and beyond all numbers that the others can have issued. An
// interrupted attempt does no harm. Messages of the old cluster are refused.
func TestRule33bRecover(t *testing.T) {
	t.Parallel()
	n := newNet(t, 1, 1, 2, 3)
	n.commit(100, n.all()...)
	lost, v := n.voters[1], n.voters[3]
	if err := Recover(v.dir, "c2"); !errors.Is(err, ErrInUse) {
		t.Errorf("while the log is open: %v", err)
	}
	last := v.log.Status().Last
	for _, one := range n.all() {
		one.crash()
	}
	if err := os.WriteFile(filepath.Join(v.dir, logName+".new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Recover(v.dir, "c2"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(v.dir, logName+".c1")); err != nil {
		t.Errorf("the old log: %v", err)
	}
	if !v.start() {
		t.Fatal(v.err)
	}
	n.until("it leads alone", func() bool { return n.leader() == v })
	if s := v.log.Status(); s.Cluster != "c2" || len(s.Voters) != 1 || s.Last <= last+1<<31 || !v.has(100) {
		t.Errorf("status %+v, members %v", s, v.state.Members())
	}
	n.commit(101, v)
	lost.start()
	var other *OtherClusterError
	n.until("the old cluster sends", func() bool {
		for _, p := range n.queue {
			if p.from == 1 && p.to == 3 {
				err := v.log.Step(1, p.data)
				if !errors.As(err, &other) || other.Ours != "c2" || other.Theirs != "c1" {
					t.Fatalf("it accepts a message of the old cluster: %v", err)
				}
				return true
			}
		}
		return false
	})
	v.crash()
	if !v.start() {
		t.Fatalf("it does not start again: %v", v.err)
	}
	if s := cluster.NodeID(3); v.log.Status().Voters[0] != s {
		t.Errorf("voters %v", v.log.Status().Voters)
	}
}
