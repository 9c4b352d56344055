// Package meshinfo has the values that describe the peers of package mesh, so that a program that shows them need not
// import the mesh itself.
package meshinfo

import "time"

// Peer is another node, as known at one moment.
type Peer struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"` // its mesh.Config.Node; not unique
	Addr        string    `json:"addr"` // where it listens, if known
	State       State     `json:"state"`
	Cause       Cause     `json:"cause,omitempty"`  // if State is Down
	Detail      string    `json:"detail,omitempty"` // how it was lost, then the error of the last attempt to reach it
	Since       time.Time `json:"since"`            // when State last changed
	Seen        time.Time `json:"seen,omitzero"`    // when it was last heard from
	RTTSeconds  float64   `json:"rtt_seconds,omitempty"`
	SkewSeconds float64   `json:"skew_seconds"` // how far its clock is ahead of ours, to within a round trip
	FoundBy     string    `json:"found_by"`     // the name of a mesh.Source
	Version     string    `json:"version,omitempty"`
	Trusted     bool      `json:"trusted"`       // whether it has proved a secret, to this node or to Via
	Via         string    `json:"via,omitempty"` // hub that reaches it and reports its state; empty: it is linked to this node, or down
	Record      []byte    `json:"-"`             // argument of its SetRecord; must not be modified
}

// State is the state of a peer.
type State string

// The states.
const (
	Alive   State = "alive"   // connected, and the program has its connection; or a hub says so (Peer.Via)
	Suspect State = "suspect" // connected, and silent for mesh.Config.Suspect
	Down    State = "down"    // lost: Cause says how

	// Refused is a peer that was never connected: one side refused the other, or nothing answers at its address (Detail says
	// which), or it was only just discovered (no Detail). Any host on the network can announce such names, so that at most 64
	// are kept.
	Refused State = "refused"
)

// Cause is how a peer was lost.
type Cause string

// The causes.
const (
	Departed     Cause = "departed"     // it said goodbye
	Crashed      Cause = "crashed"      // its connection ended without a goodbye: its process died
	Unresponsive Cause = "unresponsive" // its kernel answers, but its process does not
	Unreachable  Cause = "unreachable"  // nothing comes back: the network or the machine is down
	GaveUp       Cause = "gave_up"      // it closed the connection, because it heard nothing from us or could not read it; Detail has its reason
)

// Reason is why two nodes that reached each other did not connect.
type Reason string

// The reasons. ReasonDuplicate is no fault: the two are connected already, and it is never reported.
const (
	ReasonSecret    Reason = "secret"    // another secret, or only one side has one
	ReasonMesh      Reason = "mesh"      // another mesh
	ReasonSameID    Reason = "same id"   // two nodes with one id
	ReasonProtocol  Reason = "protocol"  // another version of the protocol
	ReasonFull      Reason = "full"      // mesh.Config.MaxPeers is reached
	ReasonLeaving   Reason = "leaving"   // it is shutting down
	ReasonDuplicate Reason = "duplicate" // another connection between the two stays
)

// Refusal is a *mesh.RefusedError with its number of occurrences.
type Refusal struct {
	Peer   string    `json:"name,omitempty"`
	ID     string    `json:"id,omitempty"`
	Addr   string    `json:"addr"`
	Reason Reason    `json:"reason"`
	Detail string    `json:"detail,omitempty"`
	ByPeer bool      `json:"by_peer"` // whether the peer refused this node
	Count  uint64    `json:"count"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
}

// Source is the state of one mesh.Source.
type Source struct {
	Name    string `json:"name"`
	Addr    string `json:"addr,omitempty"`    // address to join, or path of the cache file
	Warning string `json:"warning,omitempty"` // why it cannot find peers now
	Found   int    `json:"found"`             // known peers that this source found first
}
