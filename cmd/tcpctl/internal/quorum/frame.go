package quorum

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/lock/cluster/raftlog"
)

// Magic is the first byte of a stream of this package. A request of HTTP, which goes
// over the mesh's streams too, begins with a letter.
const Magic = 0

// Kinds of frames. A frame is four bytes of length, one of kind, and the data.
const (
	frameHello   = 1 // JSON; the first in each direction
	frameVoter   = 2 // a raftlog.Message
	frameRequest = 3 // a cluster.Request
	frameAnswer  = 4 // a cluster.Answer

	// Between processes of one node.
	frameRequestTo = 5 // the voter's number, then a cluster.Request
	frameWay       = 6 // a way, as JSON; its sender has the node's Part
)

// meshLimits and processLimits bound frames by kind.
var meshLimits = map[byte]int{frameHello: 4 << 10, frameVoter: raftlog.MaxFrame, frameRequest: cluster.MaxMessage, frameAnswer: cluster.MaxMessage}

var processLimits = map[byte]int{frameRequestTo: nodeLen + cluster.MaxMessage, frameAnswer: cluster.MaxMessage, frameWay: 4 << 10}

// A hello says which cluster a node belongs to.
type hello struct {
	Version int           `json:"version"`
	Cluster string        `json:"cluster,omitempty"` // "": none yet
	Before  []string      `json:"before,omitempty"`  // ids of the cluster before recoveries
	Lease   time.Duration `json:"lease"`
}

// maxBefore bounds the earlier ids of a cluster.
const maxBefore = 16

func encodeFrame(kind byte, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 5+len(data)), uint32(len(data)))
	return append(append(b, kind), data...)
}

// nodeLen is the length of a node's number in a frame, in bytes.
const nodeLen = 8

func binaryNode(id cluster.NodeID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func readNode(b []byte) cluster.NodeID { return cluster.NodeID(binary.BigEndian.Uint64(b)) }

// readFrame reads one frame. It allocates memory as bytes arrive, not by the announced length.
func readFrame(r io.Reader, limits map[byte]int) (kind byte, data []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:4])
	limit, ok := limits[head[4]]
	if !ok {
		return 0, nil, fmt.Errorf("cluster: a frame of kind %d: %w", head[4], cluster.ErrNewer)
	}
	if uint64(n) > uint64(limit) {
		return 0, nil, fmt.Errorf("cluster: a frame of %d bytes, over the limit of %d", n, limit)
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		return 0, nil, err
	}
	return head[4], b.Bytes(), nil
}

func encodeHello(h hello) []byte {
	text, _ := json.Marshal(h) // cannot fail: plain fields
	return encodeFrame(frameHello, text)
}

// readHello reads the first frame of a stream.
func readHello(r io.Reader) (h hello, err error) {
	kind, data, err := readFrame(r, meshLimits)
	if err != nil {
		return h, err
	}
	if kind != frameHello {
		return h, fmt.Errorf("cluster: a stream begins with a frame of kind %d", kind)
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return h, fmt.Errorf("cluster: a hello cannot be read: %w", err)
	}
	if len(h.Cluster) > 64 || len(h.Before) > maxBefore {
		return h, fmt.Errorf("cluster: an id of %d bytes, after %d others", len(h.Cluster), len(h.Before))
	}
	return h, nil
}

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
