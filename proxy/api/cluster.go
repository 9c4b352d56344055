package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Cluster is the cluster of this node, as this node sees it.
type Cluster struct {
	Name    string `json:"name"`    // name of the mesh
	ID      string `json:"id"`      // id of the cluster; "": tcpctl cluster init was not run yet
	Role    string `json:"role"`    // role of this node: leader, voter, learner, client, removed or stopped
	Leader  string `json:"leader"`  // name of the leader; "": not known
	Term    uint64 `json:"term"`    // term of the election; 0: this node does not vote
	Applied uint64 `json:"applied"` // last log entry applied
	// LeaseSeconds is the remaining time of this node's lease, which a majority of the
	// voters renews; absent: the node has no lease, and grants no slots.
	LeaseSeconds float64 `json:"lease_seconds,omitempty"`
	Error        string  `json:"error,omitempty"` // why this voter has stopped
	Voters       []Voter `json:"voters"`          // by name
	// ClockSeconds is the clock of this node's leases; only its rate matters.
	ClockSeconds float64      `json:"clock_seconds,omitempty"`
	File         ClusterFile  `json:"file"`
	Disk         *ClusterDisk `json:"disk,omitempty"`   // absent: not known
	Leases       []NodeLease  `json:"leases,omitempty"` // leases of all nodes, by name; only the leader knows them. During an upgrade a node has several
	// Plans are the last pauses and windows of services of scope cluster, as far as this
	// node knows: its lease may have ended.
	Plans []ClusterPlan `json:"plans,omitempty"`
	// Drains are the backends of services of scope cluster that operators took out of
	// service on all nodes, with each node's part.
	Drains []ClusterDrain `json:"drains,omitempty"`
}

// ClusterFile is the part of a node's configuration that must be the same on all nodes.
type ClusterFile struct {
	Voters          []string `json:"voters"`
	LeaseSeconds    float64  `json:"lease_seconds"`    // value of cluster.lease
	ElectionSeconds float64  `json:"election_seconds"` // value of cluster.election
}

// ClusterDisk is the folder where a node keeps its cluster state.
type ClusterDisk struct {
	Dir       string `json:"dir"`        // path of the folder
	FreeBytes uint64 `json:"free_bytes"` // free space for this user
	Bytes     uint64 `json:"bytes"`      // size of the disk
}

// NodeLease is the remaining time of a node's lease by the leader's clock, which is a
// little longer than by the node's own.
type NodeLease struct {
	Name         string  `json:"name"`
	ID           string  `json:"id"` // first characters of the node's id in the mesh
	LeaseSeconds float64 `json:"lease_seconds"`
}

// Voter is a node that votes, or is configured to.
type Voter struct {
	Name    string `json:"name"`
	ID      string `json:"id,omitempty"` // as in NodeLease; absent: never seen
	Leads   bool   `json:"leads"`        // whether it is the leader
	Learner bool   `json:"learner"`      // it still catches up with the log, and then votes
	Missing bool   `json:"missing"`      // the configuration names it, but it does not vote yet
	Reached bool   `json:"reached"`      // this node reaches it
	Entry   uint64 `json:"entry"`        // last log entry that it has; only the leader knows
}

// Votes reports whether this node has a voter that works, or catches up: that one knows the leader, or that there is
// none.
func (c *Cluster) Votes() bool {
	return c.Role == ClusterLeader || c.Role == ClusterVoter || c.Role == ClusterLearner
}

// Reached returns how many of the voters this node reaches, including itself, and
// how many voters there are.
func (c *Cluster) Reached() (reached, all int) {
	for i := range c.Voters {
		if v := &c.Voters[i]; !v.Missing && !v.Learner {
			all++
			if v.Reached {
				reached++
			}
		}
	}
	return reached, all
}

// LeaseOf returns the remaining seconds of a node's lease; 0: none. id is the
// beginning of the node's id.
func (c *Cluster) LeaseOf(id string) (seconds float64) {
	for i := range c.Leases {
		if l := &c.Leases[i]; id != "" && l.ID == id {
			seconds = max(seconds, l.LeaseSeconds)
		}
	}
	return seconds
}

// Lag returns how many entries a voter is behind the leader; known only to the
// leader.
func (c *Cluster) Lag(v *Voter) (entries uint64, known bool) {
	for i := range c.Voters {
		if l := &c.Voters[i]; l.Leads && l.Entry > 0 && v.Entry > 0 {
			return l.Entry - min(l.Entry, v.Entry), true
		}
	}
	return 0, false
}

// Roles of a node in its cluster.
const (
	ClusterLeader  = "leader"
	ClusterVoter   = "voter"
	ClusterLearner = "learner" // it votes once it has all entries
	ClusterClient  = "client"  // it does not vote
	ClusterRemoved = "removed" // it used to vote
	ClusterStopped = "stopped" // it should vote and cannot: see Error
)

// StatusNoQuorum is the HTTP status of an act that needs a majority of the voters and
// reached none.
const StatusNoQuorum = http.StatusServiceUnavailable

// NoQuorum returns the error of an act that reached no majority; nothing was
// done.
func NoQuorum(text, hint string) *Error { return &Error{StatusNoQuorum, text, hint} }

const clusterArgs = "init|add|remove|lead|rejoin|recover|slots [NODE] [SERVICE N]"

// clusterVerbs are the verbs of the act "cluster", and what follows them.
var clusterVerbs = map[string]string{"init": "", "rejoin": "", "recover": "", "add": " NODE", "remove": " NODE", "lead": " NODE", "slots": " SERVICE N"}

func validateClusterArgs(args []string) error {
	follows, ok := "", len(args) > 0
	if ok {
		follows, ok = clusterVerbs[args[0]]
	}
	switch {
	case !ok:
		return Wrong("cluster takes init, add, remove, lead, rejoin, recover or slots", "usage: tcpctl cluster "+clusterArgs+"; tcpctl cluster status shows it")
	case len(args)-1 != strings.Count(follows, " "):
		return Wrong(fmt.Sprintf("cluster %s takes%s", args[0], cmp.Or(follows, " nothing more")), "usage: tcpctl cluster "+args[0]+follows)
	case args[0] == "slots":
		_, err := ClusterSlots(args)
		return err
	}
	return nil
}

// ClusterSlots returns the number of "cluster slots SERVICE N".
func ClusterSlots(args []string) (uint64, error) {
	n, err := strconv.ParseUint(args[2], 10, 20)
	if err != nil || n == 0 {
		return 0, Wrong(fmt.Sprintf("slots %q is not a number from 1 to %d", args[2], 1<<20-1), "usage: tcpctl cluster slots SERVICE N")
	}
	return n, nil
}

// changeCluster is the act "cluster".
func (l *Local) changeCluster(_ *Status, a *Act, r Request) (Result, error) {
	if l.ClusterDo == nil {
		return Result{}, Refused("this instance is in no cluster", "give its configuration a [cluster] table with voters")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	text, err := l.ClusterDo(ctx, r)
	if err != nil {
		return Result{}, err
	}
	l.noteAct(a, "", &r, text)
	return Result{Texts: []string{text}}, nil
}

// impactOfCluster says how an act changes the voters.
func impactOfCluster(s *Status, _ string, r *Request) Impact {
	var i Impact
	if s.Cluster == nil || len(r.Args) == 0 {
		return i
	}
	c := s.Cluster
	switch verb := r.Args[0]; verb {
	case "init":
		i.Lines = append(i.Lines, "this node makes a new cluster, with an id of its own")
	case "slots":
		i.Lines = append(i.Lines, "on all nodes, at once; fewer slots end no session")
	case "rejoin":
		i.Lines = append(i.Lines, "this node's log is removed, and it joins again with what the leader has")
	case "recover":
		i.Lines, i.Warning = impactOfRecover(c)
	default:
		i.Lines = append(i.Lines, fmt.Sprintf("cluster %s has %d voters, %s leads", c.ID, len(slices.DeleteFunc(slices.Clone(c.Voters), func(v Voter) bool { return v.Missing || v.Learner })), c.Leader))
	}
	return i
}

// impactOfRecover says what is lost if one voter continues alone.
func impactOfRecover(c *Cluster) (lines []string, warning string) {
	var lost []string
	entry := uint64(0)
	for _, v := range c.Voters {
		switch {
		case v.Missing || v.Learner:
		case !v.Reached:
			lost = append(lost, v.Name)
		}
		entry = max(entry, v.Entry)
	}
	lines = []string{
		fmt.Sprintf("cluster %s continues under a new id, with this node as its only voter and its log, up to entry %d", c.ID, entry),
		"what the others have agreed on since is lost: slots, pauses and places that were committed there",
		"all leases end: sessions with slots end, waiters keep their order within each node, on_expire runs for each slot",
	}
	if len(lost) == 0 {
		return lines, ""
	}
	return lines, fmt.Sprintf("only if %s can never come back as they are: a majority that lives elsewhere gives out the same slots", strings.Join(lost, ", "))
}
