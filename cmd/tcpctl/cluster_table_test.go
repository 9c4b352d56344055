package main

import (
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// TestAFutureVoterIsOneLine: its lease is matched by name, since the id with which it will vote is not known yet.
func TestAFutureVoterIsOneLine(t *testing.T) {
	c := &api.Cluster{Term: 2, Voters: []api.Voter{{Name: "edge-1", ID: "1", Leads: true, Reached: true, Entry: 9}, {Name: "edge-2", Missing: true}},
		Leases: []api.NodeLease{{Name: "edge-1", ID: "1", LeaseSeconds: 2}, {Name: "edge-2", ID: "2", LeaseSeconds: 2.5}, {Name: "edge-3", ID: "3", LeaseSeconds: 1}}}
	var out strings.Builder
	clusterTable(c, c).print(&out)
	want := `NODE    STATE              REACHED  LEASE  ENTRY  LAG
edge-1  leads              yes      2.0s   9      0
edge-2  does not vote yet  no       2.5s   -      -
edge-3  client             -        1.0s   -      -
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
