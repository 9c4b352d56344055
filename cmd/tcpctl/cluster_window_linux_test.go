package main

import (
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestAWindowOfAClusterAfterAnUpgrade: it waits for the sessions of the replaced process, which
// belongs to the same node as its successor.
func TestAWindowOfAClusterAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	all := scopeNodes(t)
	live := mustDial(t, all[1].addr())
	defer live.Close()
	talks := func() {
		live.says("hello")
		if err := live.hears("x: hello"); err != nil {
			t.Fatal(err)
		}
	}
	talks()
	all[1].tcpctl("upgrade")
	talks()
	clients := newCrowd(t, all)
	c, began, end := all[0].typesWindow()
	all[0].until("the old process is waited for", func(*proxy.ServiceInfo) bool {
		p := all[0].status().Cluster.Plan("db")
		return p != nil && len(p.Nodes) == 3 && strings.Join(p.Waits(), " ") == "edge-2" && p.Nodes[1].Live == 1
	})
	live.Close()
	untilFile(t, began, "run")
	end()
	if status := c.status(); status != 0 || !strings.Contains(c.said(), "failed 0 on 3 of 3 nodes") {
		t.Errorf("status %d:\n%s", status, c.said())
	}
	clients.stop(all)
}
