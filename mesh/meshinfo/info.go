// Package meshinfo has what package mesh tells of other nodes, as plain values: a program that shows them need not import
// the mesh itself.
package meshinfo

import "time"

// Peer is another node, as it is known at one moment.
type Peer struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"` // mesh.Config.Node over there; not unique
	Addr        string    `json:"addr"` // where it listens, as far as is known
	State       State     `json:"state"`
	Cause       Cause     `json:"cause,omitempty"`  // of Down
	Detail      string    `json:"detail,omitempty"` // how it was lost, then the error of the last attempt to reach it
	Since       time.Time `json:"since"`            // of the state
	Seen        time.Time `json:"seen,omitzero"`    // when something last came from it
	RTTSeconds  float64   `json:"rtt_seconds,omitempty"`
	SkewSeconds float64   `json:"skew_seconds"` // how far its clock is ahead of ours, give or take a round trip
	FoundBy     string    `json:"found_by"`     // the name of a mesh.Source
	Version     string    `json:"version,omitempty"`
	Trusted     bool      `json:"trusted"`       // it has proved a secret, to this node or to Via
	Via         string    `json:"via,omitempty"` // the hub that reaches it and says how it is; empty: it is linked to this node, or down
	Record      []byte    `json:"-"`             // as it gave it to SetRecord; not to be changed
}

// State of a peer.
type State string

// The states.
const (
	Alive   State = "alive"   // connected, and the program has its connection; or a hub says so (Peer.Via)
	Suspect State = "suspect" // connected, and silent for mesh.Config.Suspect
	Down    State = "down"    // lost: Cause says how

	// Refused is a peer that was never connected: one side has refused the other, or nothing answers at its address (Detail
	// says which), or it has only just been heard of (no Detail). Anything on the network can announce such names, so there
	// are never more than 64 of them.
	Refused State = "refused"
)

// Cause says how a peer was lost.
type Cause string

// The causes.
const (
	Departed     Cause = "departed"     // it said goodbye
	Crashed      Cause = "crashed"      // its connection ended without a goodbye: the process died
	Unresponsive Cause = "unresponsive" // its kernel answers and its process does not
	Unreachable  Cause = "unreachable"  // nothing comes back: the network is down, or the whole machine
	GaveUp       Cause = "gave_up"      // it ended the connection, having heard nothing from us or what it could not read: Detail has its words
)

// Reason says why two nodes that reached each other did not connect.
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

// Refusal is a *mesh.RefusedError and how often it has come.
type Refusal struct {
	Peer   string    `json:"name,omitempty"`
	ID     string    `json:"id,omitempty"`
	Addr   string    `json:"addr"`
	Reason Reason    `json:"reason"`
	Detail string    `json:"detail,omitempty"`
	ByPeer bool      `json:"by_peer"` // the peer refused this node
	Count  uint64    `json:"count"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
}

// Source is the state of one mesh.Source.
type Source struct {
	Name    string `json:"name"`
	Addr    string `json:"addr,omitempty"`    // the address to join, or the cache file
	Warning string `json:"warning,omitempty"` // why it cannot find peers now
	Found   int    `json:"found"`             // known peers that it was the first to find
}
