package api

import (
	"context"
	"strings"
	"testing"
	"time"
)

// healthy returns three nodes of a healthy cluster.
func healthy() *ClusterDiagnosis {
	d := &ClusterDiagnosis{}
	for _, name := range []string{"edge-1", "edge-2", "edge-3"} {
		c := &Cluster{ID: "c1", Role: ClusterVoter, Leader: "edge-1", Term: 3, ClockSeconds: 100, LeaseSeconds: 2,
			File: ClusterFile{Voters: []string{"edge-1", "edge-2", "edge-3"}, LeaseSeconds: 3, ElectionSeconds: 1},
			Disk: &ClusterDisk{Dir: "/var/lib/tcpctl", FreeBytes: 1 << 30, Bytes: 1 << 40}}
		for _, v := range []string{"edge-1", "edge-2", "edge-3"} {
			c.Voters = append(c.Voters, Voter{Name: v, Reached: true, Leads: v == "edge-1"})
		}
		d.Nodes = append(d.Nodes, ClusterNode{Node: name, Version: "1.2", Cluster: c, ClockRate: 1.04, ClockError: 0.01, SkewSeconds: 0.5})
	}
	return d
}

func TestClusterDoctor(t *testing.T) {
	all := func(d *ClusterDiagnosis, do func(c *Cluster)) {
		for i := range d.Nodes {
			do(d.Nodes[i].Cluster)
		}
	}
	for name, c := range map[string]struct {
		ill  func(d *ClusterDiagnosis)
		says []string // each finding has one of these, and each of these has one
	}{
		"well":         {func(*ClusterDiagnosis) {}, nil},
		"never formed": {func(d *ClusterDiagnosis) { all(d, func(c *Cluster) { c.ID, c.Term, c.Leader = "", 0, "" }) }, []string{"never formed"}},
		"no leader": {func(d *ClusterDiagnosis) {
			all(d, func(c *Cluster) { c.Leader, c.Voters[1].Reached, c.Voters[2].Reached = "", false, false })
		}, []string{"of 3 voters none reaches more than 1,", "edge-1: it does not reach the voter edge-2", "edge-1: it does not reach the voter edge-3", "edge-2: it does not reach the voter edge-3", "edge-3: it does not reach the voter edge-2"}},
		"one is silent": {func(d *ClusterDiagnosis) {
			d.Nodes[2] = ClusterNode{Node: "edge-3", Error: "down"}
			d.Nodes[0].Cluster.Voters[2].Reached = false
		}, []string{"edge-3: it does not answer: down"}},
		"one has stopped":   {func(d *ClusterDiagnosis) { d.Nodes[1].Cluster.Error = "rejoin me" }, []string{"edge-2: it does not vote: rejoin me"}},
		"one is not met":    {func(d *ClusterDiagnosis) { all(d, func(c *Cluster) { c.Voters[2].Missing = true }) }, []string{"edge-3: the file names it", "2 voters vote"}},
		"one of another id": {func(d *ClusterDiagnosis) { d.Nodes[1].Cluster.ID = "c2" }, []string{"different clusters (edge-1, edge-3: c1; edge-2: c2)"}},
		"one of none":       {func(d *ClusterDiagnosis) { d.Nodes[1].Cluster.ID = "" }, []string{"edge-2: it does not know yet"}},
		"one without lease": {func(d *ClusterDiagnosis) { d.Nodes[1].Cluster.LeaseSeconds = 0 }, []string{"edge-2: it has no lease"}},
		"two of one name":   {func(d *ClusterDiagnosis) { d.Nodes[1].name, d.Nodes[2].name = "edge-1", "edge-1" }, []string{"several nodes have the name edge-1"}},
		"versions":          {func(d *ClusterDiagnosis) { d.Nodes[1].Version = "1.3" }, []string{"different versions (edge-1, edge-3: 1.2; edge-2: 1.3)"}},
		"leases":            {func(d *ClusterDiagnosis) { d.Nodes[1].Cluster.File.LeaseSeconds = 5 }, []string{"different lease in [cluster] (edge-1, edge-3: 3s; edge-2: 5s)"}},
		"elections":         {func(d *ClusterDiagnosis) { d.Nodes[1].Cluster.File.ElectionSeconds = 2 }, []string{"different election"}},
		"voters in order":   {func(d *ClusterDiagnosis) { d.Nodes[1].Cluster.File.Voters = []string{"edge-2", "edge-3", "edge-1"} }, nil},
		"voters":            {func(d *ClusterDiagnosis) { d.Nodes[1].Cluster.File.Voters = []string{"edge-2"} }, []string{"different voters"}},
		"disk":              {func(d *ClusterDiagnosis) { d.Nodes[1].Cluster.Disk.FreeBytes = 1 << 20 }, []string{"edge-2: the disk of /var/lib/tcpctl is nearly full"}},
		"a small disk": {func(d *ClusterDiagnosis) {
			*d.Nodes[1].Cluster.Disk = ClusterDisk{FreeBytes: 100 << 20, Bytes: 128 << 20}
		}, nil},
		"a fast clock":        {func(d *ClusterDiagnosis) { d.Nodes[1].ClockRate = 1.2 }, []string{"edge-2: its clock runs 20 % too fast"}},
		"a slow clock":        {func(d *ClusterDiagnosis) { d.Nodes[1].ClockRate = 0.9 }, []string{"edge-2: its clock runs 10 % too slow"}},
		"a clock not known":   {func(d *ClusterDiagnosis) { d.Nodes[1].ClockRate, d.Nodes[1].ClockError = 1.2, 0.2 }, nil},
		"another time of day": {func(d *ClusterDiagnosis) { d.Nodes[1].SkewSeconds = -90 }, []string{"edge-2: its time of day is off by -90.0 s"}},
		"a node without it":   {func(d *ClusterDiagnosis) { d.Nodes = append(d.Nodes, ClusterNode{Node: "other", Version: "1.2"}) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := healthy()
			c.ill(d)
			d.diagnose()
			var said []string
			for _, f := range d.Findings {
				if f.Hint == "" {
					t.Errorf("%q has no hint", f.Text)
				}
				said = append(said, strings.TrimPrefix(f.Node+": "+f.Text, ": "))
			}
			for _, want := range c.says {
				if !strings.Contains(strings.Join(said, "\n"), want) {
					t.Errorf("no finding says %q", want)
				}
			}
			if len(said) != len(c.says) {
				t.Errorf("it says\n%s", strings.Join(said, "\n"))
			}
		})
	}
}

// clocked answers with a clock that runs at a given rate.
type clocked struct {
	Source
	began time.Time
	rate  float64
}

func (c clocked) Status(context.Context) (*Status, error) {
	return &Status{Node: Node{Now: time.Now().Add(time.Minute), PID: 1}, Mesh: &Mesh{Secret: true, ID: "1"},
		Cluster: &Cluster{ID: "c", ClockSeconds: 7 + time.Since(c.began).Seconds()*c.rate}}, nil
}

func TestClusterDoctorMeasuresClocks(t *testing.T) {
	d, err := diagnoseCluster(t.Context(), clocked{began: time.Now(), rate: 2}, nil, 100*time.Millisecond)
	if err != nil || len(d.Nodes) != 1 {
		t.Fatalf("%+v, %v", d, err)
	}
	n := d.Nodes[0]
	if n.ClockRate-n.ClockError > 2 || n.ClockRate+n.ClockError < 2 || n.SkewSeconds < 50 || n.SkewSeconds > 70 {
		t.Errorf("rate %.3f ± %.3f, skew %.3f s", n.ClockRate, n.ClockError, n.SkewSeconds)
	}
}

func TestARecoveryNamesWhoIsLost(t *testing.T) {
	c := healthy().Nodes[0].Cluster
	if _, warning := impactOfRecover(c); warning != "" {
		t.Errorf("with all voters: %q", warning)
	}
	c.Voters[1].Reached = false
	if _, warning := impactOfRecover(c); !strings.Contains(warning, "only if edge-2 can never") {
		t.Errorf("with one lost: %q", warning)
	}
}
