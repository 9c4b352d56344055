package quorum

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// kept is what a node remembers of its cluster over a restart, in a file in Dir.
type kept struct {
	Node    string            `json:"node,omitempty"`    // id in the mesh of the node that last used the folder
	Cluster string            `json:"cluster,omitempty"` // id; "": none yet
	Before  []string          `json:"before,omitempty"`  // ids of the cluster before recoveries
	Next    string            `json:"next,omitempty"`    // id that it gets in the recovery under way
	Lease   time.Duration     `json:"lease,omitempty"`   // of the cluster, in nanoseconds: fixed when it was made
	Starts  uint64            `json:"starts"`            // this node's incarnation: higher at each start
	Process int               `json:"process,omitempty"` // number of the process that last had the Part
	Nodes   map[string]string `json:"nodes,omitempty"`   // ids in the mesh, by name
}

const keptName = "cluster.json"

// readKept reads the file in dir. A missing file is an empty one.
func readKept(dir string) (k kept, err error) {
	b, err := os.ReadFile(filepath.Join(dir, keptName))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return k, nil
	case err != nil:
		return k, fmt.Errorf("cluster: %w", err)
	}
	if err := json.Unmarshal(b, &k); err != nil {
		return kept{}, fmt.Errorf("%w: %s cannot be read: %w", errDamaged, filepath.Join(dir, keptName), err)
	}
	return k, nil
}

var errDamaged = errors.New("cluster")

// CheckLease says that the node whose folder this is belongs to a cluster with another
// lease.
func CheckLease(dir string, lease time.Duration) error {
	k, err := readKept(dir)
	if err == nil && k.Cluster != "" && k.Lease != lease {
		return errors.New(plain(leaseError(lease, k.Lease)))
	}
	return err
}

// openKept reads the file and raises Starts. It fails if an instance of another node uses the folder:
// two nodes with one memory would have one incarnation twice. A damaged file is set aside: a voter's log
// has the cluster's id, too, and other nodes learn it again.
func (p *Part) openKept() error {
	if err := os.MkdirAll(p.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	locked, err := p.lockDir()
	if err != nil {
		return err
	}
	if p.kept, err = readKept(p.cfg.Dir); locked && errors.Is(err, errDamaged) {
		said, aside := err, filepath.Join(p.cfg.Dir, keptName+".damaged")
		if err = os.Rename(filepath.Join(p.cfg.Dir, keptName), aside); err == nil {
			p.note(true, fmt.Sprintf("%v; it is in %s now, and this node learns again which cluster it belongs to", said, aside))
		}
	}
	if err != nil {
		return err
	}
	if !locked && p.kept.Node != p.cfg.Mesh.ID() { // a predecessor is the same node
		return fmt.Errorf("cluster: another instance on this machine uses the folder %s; give each instance its own dir in [cluster]", p.cfg.Dir)
	}
	p.kept.Node = p.cfg.Mesh.ID()
	if p.kept.Nodes == nil {
		p.kept.Nodes = map[string]string{}
	}
	// No start counts from 1: after the loss of the file, voters that know a higher incarnation would take this process
	// for one that was replaced, and those that know the same one, for the process before.
	p.kept.Starts = max(p.kept.Starts+1, uint64(time.Now().Unix()))
	return p.keep()
}

// lockDir locks the folder until Close, if its file system has locks; false: another process has locked it.
func (p *Part) lockDir() (locked bool, err error) {
	if p.dirLock == nil {
		p.dirLock, err = statedir.OpenLocked(filepath.Join(p.cfg.Dir, "node.lock"))
	}
	if err != nil && !errors.Is(err, statedir.ErrNoLocks) {
		return false, fmt.Errorf("cluster: %w", err)
	}
	return p.dirLock != nil, nil
}

// keep writes the file. The caller holds p.mu, or is the only one that knows p.
func (p *Part) keep() error {
	b, err := json.MarshalIndent(&p.kept, "", "  ")
	if err == nil {
		err = statedir.Replace(filepath.Join(p.cfg.Dir, keptName), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}

// keepCluster records, for good, which cluster this node belongs to. Only a recovery of the cluster
// changes it.
func (p *Part) keepCluster(id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept.Cluster == id {
		return nil
	}
	if p.kept.Cluster != "" {
		if p.kept.Next != id {
			return otherCluster(p.kept.Cluster, id)
		}
		p.kept.Before = append(p.kept.Before, p.kept.Cluster)
		p.kept.Before = p.kept.Before[max(len(p.kept.Before)-maxBefore, 0):]
	}
	p.kept.Cluster, p.kept.Lease, p.kept.Next = id, p.cfg.Lease, ""
	p.endLinksLocked() // their hellos did not contain it: they will be reopened
	return p.keep()
}

// leaseError reports that a file's lease differs from the cluster's. A node with a longer lease
// than the voters' would keep using slots that they have given to others.
func leaseError(ours, theirs time.Duration) error {
	return fmt.Errorf("%w: lease = %q in this node's file, and %q in the cluster: it is fixed when a cluster is made", errLease, text.Duration(ours), text.Duration(theirs))
}

var errLease = errors.New("cluster")

// Carrier makes the carrier of this process, which no other process has started.
func (p *Part) Carrier() (*Carrier, error) {
	p.mu.Lock()
	starts, first := p.kept.Starts, p.kept.Process
	p.mu.Unlock()
	return NewCarrier(p.cfg.Dir, p.self, starts, first)
}

// NextIncarnation is for a process that is to take this one's place: it counts as a
// start.
func (p *Part) NextIncarnation() (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept.Starts++
	return p.kept.Starts, p.keep()
}

// Self is this node.
func (p *Part) Self() cluster.NodeID { return p.self }

// NodeOf returns the number of a node of which the mesh knows the id: both are made
// of its key. The last byte is 0, and that of its processes is their number.
func NodeOf(id string) (cluster.NodeID, error) {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) < 8 {
		return 0, fmt.Errorf("cluster: the mesh's id %q is not made of a key", id)
	}
	var n uint64
	for _, v := range b[:8] {
		n = n<<8 | uint64(v)
	}
	return nodeOf(cluster.NodeID(n)), nil
}

// learnNames records which nodes have the names of voters, as the mesh forgets nodes that are down
// for long.
func (p *Part) learnNames() {
	for _, name := range p.learn(p.cfg.Mesh.Peers()) {
		p.noteOnce("cluster: several nodes have the name of the voter " + name + ": give each a name of its own, in [mesh]")
	}
}

// learn returns the names of voters that several nodes have: which of them is meant is not known.
func (p *Part) learn(peers []meshinfo.Peer) (ambiguous []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range p.voters {
		ids := trusted(peers, name)
		switch {
		case name == p.cfg.Mesh.NodeName():
			ids = append(ids, p.cfg.Mesh.ID())
		case len(ids) == 0:
			continue
		}
		if len(ids) == 1 && p.kept.Nodes[name] != ids[0] {
			p.kept.Nodes[name] = ids[0]
			if err := p.keep(); err != nil {
				p.cfg.Log.Warn(err.Error())
			}
		}
		if len(ids) > 1 {
			ambiguous = append(ambiguous, name)
		}
	}
	return ambiguous
}

// trusted returns the ids of the connected, trusted peers with a name.
func trusted(peers []meshinfo.Peer, name string) (ids []string) {
	for _, peer := range peers {
		if peer.Name == name && reached(&peer) {
			ids = append(ids, peer.ID)
		}
	}
	return ids
}

func reached(peer *meshinfo.Peer) bool {
	return peer.Trusted && (peer.State == meshinfo.Alive || peer.State == meshinfo.Suspect)
}

// Voters are those that the file names, as far as they were ever met.
func (p *Part) Voters() (all []cluster.NodeID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range p.voters {
		if id, err := NodeOf(p.kept.Nodes[name]); err == nil {
			all = append(all, id)
		}
	}
	return all
}

// Name is how an operator calls a node.
func (p *Part) Name(node cluster.NodeID) string {
	node = nodeOf(node)
	if node == p.self {
		return p.cfg.Mesh.NodeName()
	}
	for _, peer := range p.cfg.Mesh.Peers() {
		if id, err := NodeOf(peer.ID); err == nil && id == node {
			return peer.Name
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(p.kept.Nodes)) {
		if id, err := NodeOf(p.kept.Nodes[name]); err == nil && id == node {
			return name
		}
	}
	return node.Hex()
}

// find returns the node with a name, connected or not.
func (p *Part) find(name string) (cluster.NodeID, error) {
	if name == p.cfg.Mesh.NodeName() {
		return p.self, nil
	}
	ids := trusted(p.cfg.Mesh.Peers(), name)
	if len(ids) > 1 {
		return 0, fmt.Errorf("%w: %d nodes have the name %s", errUsage, len(ids), name)
	}
	if len(ids) == 1 {
		return NodeOf(ids[0])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if id := p.kept.Nodes[name]; id != "" {
		return NodeOf(id)
	}
	if node := p.node; node != nil && len(name) == 16 { // the number of a voter whose name is no longer known
		s := node.Status()
		for _, id := range append(s.Voters, s.Learners...) {
			if id.Hex() == name {
				return id, nil
			}
		}
	}
	return 0, fmt.Errorf("%w: no node %s is known", errUsage, name)
}

func plain(err error) string {
	said := err.Error()
	for _, prefix := range []string{"cluster: ", "raftlog: ", "mesh: ", "not now: "} {
		said = strings.TrimPrefix(said, prefix)
	}
	return strings.TrimSuffix(said, ": "+context.DeadlineExceeded.Error())
}
