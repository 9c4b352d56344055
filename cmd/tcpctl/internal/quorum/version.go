package quorum

import (
	"fmt"
	"slices"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// version is the version of streams and of everything sent over them. It changes when nodes of the
// old and the new one could not understand each other; such nodes refuse each other.
const version = 1

// A versionError reports a node that speaks another version.
type versionError struct{ ours, theirs int }

func (e *versionError) Error() string {
	return fmt.Sprintf("it has version %d of the cluster's streams, and this node %d: upgrade the older of the two", e.theirs, e.ours)
}

// noteVersion records whether a node speaks another version.
func (p *Part) noteVersion(node cluster.NodeID, other bool) {
	p.mu.Lock()
	if other {
		p.foreign[node] = true
	} else {
		delete(p.foreign, node)
	}
	p.mu.Unlock()
}

// OtherVersion reports whether no voter is reached, and one would be that has another
// version: this node gets no slots.
func (p *Part) OtherVersion() bool {
	voters := p.Voters()
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.ContainsFunc(voters, p.linkedLocked) {
		return false
	}
	return slices.ContainsFunc(voters, func(v cluster.NodeID) bool { return p.foreign[v] })
}
