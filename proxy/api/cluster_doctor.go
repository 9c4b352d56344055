package api

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// ClusterDiagnosis is the result of tcpctl cluster doctor.
type ClusterDiagnosis struct {
	Nodes    []ClusterNode    `json:"nodes"`    // this node first
	Findings []ClusterFinding `json:"findings"` // empty: nothing is wrong
}

// ClusterNode is a node and its view of its cluster.
type ClusterNode struct {
	Node    string   `json:"node"`
	Version string   `json:"version,omitempty"`
	Cluster *Cluster `json:"cluster,omitempty"` // absent: the node does not answer, or is in no cluster
	// ClockRate is the rate of the clock of its leases relative to this command's clock,
	// and ClockError the error of that; absent: not known.
	ClockRate  float64 `json:"clock_rate,omitempty"`
	ClockError float64 `json:"clock_error,omitempty"` // see ClockRate
	// SkewSeconds is how far the node's time of day is ahead of this command's.
	SkewSeconds float64 `json:"skew_seconds"`
	Error       string  `json:"error,omitempty"` // why the node does not answer

	name string // its own, which others may have, too; "": not known
}

// ClusterFinding is one problem, and what to try.
type ClusterFinding struct {
	Node string `json:"node,omitempty"` // absent: all nodes
	Text string `json:"text"`
	Hint string `json:"hint"`
}

const (
	// clockWatch is the time between the two queries that measure a clock's rate.
	clockWatch = 2 * time.Second
	// maxRate is the largest error of a clock's rate: leases are safe while two clocks
	// differ by at most a ninth.
	maxRate = 0.05
	maxSkew = 2 // seconds: people compare the times of two nodes' events
	// A disk is nearly full if less than both is free.
	leastFree, leastShare = 256 << 20, 0.05
)

// DiagnoseCluster asks all nodes of the mesh about their cluster, and compares
// the answers. It asks twice, because it takes a moment to measure the rates of
// their clocks.
func DiagnoseCluster(ctx context.Context, self Source, peers func(id string) Source) (*ClusterDiagnosis, error) {
	return diagnoseCluster(ctx, self, peers, clockWatch)
}

// NearlyFull returns a sentence if the disk is nearly full; "" if it is not, or
// nothing is known.
func (f *ClusterDisk) NearlyFull() string {
	if f == nil || f.FreeBytes >= leastFree || float64(f.FreeBytes) >= leastShare*float64(f.Bytes) {
		return ""
	}
	return fmt.Sprintf("the disk of %s is nearly full: %s of %s are free", f.Dir, text.Bytes(float64(f.FreeBytes)), text.Bytes(float64(f.Bytes)))
}

// DiskHint is the hint for a disk that is nearly full.
const DiskHint = "make room: a voter whose disk is full stops voting"

// clusterLook is one answer of a node, with its time.
type clusterLook struct {
	*Status
	at   time.Time // halfway between the query and the answer
	took time.Duration
}

func diagnoseCluster(ctx context.Context, self Source, peers func(id string) Source, watch time.Duration) (*ClusterDiagnosis, error) {
	look := func(ctx context.Context, src Source) (clusterLook, error) {
		began := time.Now()
		st, err := src.Status(ctx)
		took := time.Since(began)
		return clusterLook{st, began.Add(took / 2), took}, err
	}
	first, err := AskAll(ctx, self, peers, look)
	if err != nil {
		return nil, err
	}
	select {
	case <-time.After(watch):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	second, err := AskAll(ctx, self, peers, look)
	if err != nil {
		return nil, err
	}
	d := &ClusterDiagnosis{Findings: []ClusterFinding{}}
	for i := range first {
		before := &first[i]
		if j := slices.IndexFunc(second, func(a Answer[clusterLook]) bool { return a.ID == before.ID }); j >= 0 {
			d.Nodes = append(d.Nodes, nodeOf(before, &second[j]))
		}
	}
	d.diagnose()
	return d, nil
}

// nodeOf evaluates two answers of a node.
func nodeOf(before, after *Answer[clusterLook]) ClusterNode {
	n := ClusterNode{Node: after.Node}
	if after.Error != nil {
		n.Error = after.Error.Text
		return n
	}
	st := after.Result
	n.Version, n.Cluster = st.Node.Version, st.Cluster
	if st.Mesh != nil {
		n.name = st.Mesh.Node
	}
	n.SkewSeconds = math.Round(st.Node.Now.Sub(st.at).Seconds()*1000) / 1000
	if before.Error != nil || st.Cluster == nil || before.Result.Cluster == nil || st.Node.PID != before.Result.Node.PID {
		return n
	}
	ours, theirs := st.at.Sub(before.Result.at).Seconds(), st.Cluster.ClockSeconds-before.Result.Cluster.ClockSeconds
	if ours > 0 && theirs > 0 {
		n.ClockRate = theirs / ours
		n.ClockError = n.ClockRate * (st.took + before.Result.took).Seconds() / 2 / ours // it may have answered at any time in between
	}
	return n
}

func (d *ClusterDiagnosis) find(node, hint, format string, args ...any) {
	d.Findings = append(d.Findings, ClusterFinding{node, fmt.Sprintf(format, args...), hint})
}

// diagnose finds what is wrong.
func (d *ClusterDiagnosis) diagnose() {
	formed := slices.ContainsFunc(d.Nodes, func(n ClusterNode) bool { return n.Cluster != nil && n.Cluster.ID != "" })
	for i := range d.Nodes {
		n := &d.Nodes[i]
		switch {
		case n.Error != "":
			d.find(n.Node, "see to its process and the network; tcpctl mesh doctor shows how nodes find each other", "it does not answer: %s", n.Error)
		case n.Cluster == nil: // a node without locks of the cluster
		default:
			d.judgeNode(n, formed)
		}
	}
	if !formed {
		d.find("", "tcpctl cluster init, once, on one of the voters", "the cluster was never formed: no node has an id of one")
	}
	d.judgeQuorum(formed)
	d.judgeNames()
	d.judgeSame()
}

func (d *ClusterDiagnosis) judgeNode(n *ClusterNode, formed bool) {
	c := n.Cluster
	if c.Error != "" {
		d.find(n.Node, "tcpctl cluster status, there; a log that was lost or a disk that failed: mend it, then tcpctl cluster rejoin", "it does not vote: %s", c.Error)
	}
	if formed && c.ID == "" {
		d.find(n.Node, "see that it reaches a voter that its file names", "it does not know yet which cluster it belongs to")
	}
	for _, v := range c.Voters {
		silent := slices.ContainsFunc(d.Nodes, func(o ClusterNode) bool { return o.Node == v.Name && o.Error != "" }) // reported once
		if !v.Reached && v.Name != n.Node && !silent {
			d.find(n.Node, "see to the process of "+v.Name+", and to the network between the two", "it does not reach the voter %s", v.Name)
		}
	}
	if full := c.Disk.NearlyFull(); full != "" {
		d.find(n.Node, DiskHint, "%s", full)
	}
	if off := math.Abs(n.ClockRate - 1); n.ClockRate > 0 && off-n.ClockError > maxRate {
		d.find(n.Node, "see to the clock of its virtual machine: leases are safe only while clocks run alike", "its clock runs %.0f %% %s", off*100, map[bool]string{true: "too fast", false: "too slow"}[n.ClockRate > 1])
	}
	if math.Abs(n.SkewSeconds) > maxSkew {
		d.find(n.Node, "have NTP set it: leases do not depend on it, but times of events do", "its time of day is off by %+.1f s", n.SkewSeconds)
	}
}

// judgeQuorum checks for a leader and missing voters.
func (d *ClusterDiagnosis) judgeQuorum(formed bool) {
	if !formed {
		return
	}
	leader, reached, all := "", 0, 0
	missing := map[string]bool{}
	for _, n := range d.Nodes {
		if c := n.Cluster; c != nil && c.Term > 0 {
			leader = c.Leader
			for _, v := range c.Voters {
				missing[v.Name] = missing[v.Name] || v.Missing
			}
			if r, a := c.Reached(); leader != "" || r > reached {
				reached, all = r, a
			}
			if leader != "" {
				break
			}
		}
	}
	switch {
	case all == 0:
		d.find("", "start the voters, or see why they do not answer", "no voter answers: nobody knows who leads")
	case leader == "":
		d.find("", "bring the others back; if they are lost for good: tcpctl cluster recover, on the one with the highest entry", "no voter leads: of %d voters none reaches more than %d, itself among them", all, reached)
	case all%2 == 0:
		d.find("", "add one, or remove one: tcpctl cluster add NODE", "%d voters vote: no more of them may fail than of %d", all, all-1)
	}
	if leader == "" {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		if missing[name] {
			d.find(name, "start it, and let it reach the leader", "the file names it as a voter, and it does not vote yet")
		}
	}
	for _, n := range d.Nodes {
		if c := n.Cluster; c != nil && c.ID != "" && c.LeaseSeconds == 0 {
			d.find(n.Node, "see that it reaches the leader "+leader, "it has no lease: it gives clients no slots")
		}
	}
}

// judgeNames finds nodes of one name.
func (d *ClusterDiagnosis) judgeNames() {
	with := map[string]int{}
	for _, n := range d.Nodes {
		if with[n.name]++; n.name != "" && with[n.name] == 2 {
			d.find("", "give each a name of its own, in [mesh]: a voter is known by its name", "several nodes have the name %s", n.name)
		}
	}
}

// judgeSame checks what must be equal on all nodes.
func (d *ClusterDiagnosis) judgeSame() {
	for _, one := range [...]struct {
		what, hint string
		of         func(n *ClusterNode) string
	}{
		{"belong to different clusters", "where one was recovered without the other: tcpctl cluster rejoin on the other; where init was run on a second node by mistake: stop that node, remove its cluster.dir, and start it; two clusters that are meant: give them meshes of their own", func(n *ClusterNode) string { return n.Cluster.ID }},
		{"run different versions", "tcpctl upgrade --nodes", func(n *ClusterNode) string { return n.Version }},
		{"have different lease in [cluster]", "write on all what tcpctl cluster status shows of the leader: it is fixed when a cluster is made", func(n *ClusterNode) string { return secondsText(n.Cluster.File.LeaseSeconds) }},
		{"have different election in [cluster]", "write the same on all, and restart them one after another", func(n *ClusterNode) string { return secondsText(n.Cluster.File.ElectionSeconds) }},
		{"have different voters in [cluster]", "write the same on all, and reload", func(n *ClusterNode) string {
			return strings.Join(slices.Sorted(slices.Values(n.Cluster.File.Voters)), " ")
		}},
	} {
		d.same(one.what, one.hint, one.of)
	}
}

// same reports that nodes differ in a value.
func (d *ClusterDiagnosis) same(what, hint string, of func(n *ClusterNode) string) {
	var values []string
	with := map[string][]string{}
	for i := range d.Nodes {
		n := &d.Nodes[i]
		if n.Cluster == nil {
			continue
		}
		v := of(n)
		if v == "" {
			continue
		}
		if with[v] == nil {
			values = append(values, v)
		}
		with[v] = append(with[v], n.Node)
	}
	if len(values) < 2 {
		return
	}
	var parts []string
	for _, v := range values {
		parts = append(parts, strings.Join(with[v], ", ")+": "+v)
	}
	d.find("", hint, "the nodes %s (%s)", what, strings.Join(parts, "; "))
}

func secondsText(s float64) string {
	if s == 0 {
		return ""
	}
	return text.Duration(seconds(s))
}
