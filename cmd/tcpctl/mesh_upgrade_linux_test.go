package main

import "testing"

// TestAnUpgradeKeepsTheNode: for peers, the new process is the same node; a further process of the
// configuration is another one.
func TestAnUpgradeKeepsTheNode(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	path := meshFile(t, "edge-1", "")
	in := runInstance(t, nil, "run", "--no-ui", "-c", path)
	before, pid := in.status().Mesh.ID, in.cmd.Process.Pid
	in.tcpctl("upgrade")
	in.follow(pid)
	defer in.ends()
	if after := in.status().Mesh.ID; after != before {
		t.Errorf("it was %s, and is %s", before, after)
	}
	if other := runInstance(t, nil, "run", "--no-ui", "-c", path); other.status().Mesh.ID == before {
		t.Error("another process is the same node, too")
	}
}
