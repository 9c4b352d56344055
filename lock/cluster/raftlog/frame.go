package raftlog

import (
	"encoding/binary"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// A Message is sent from one voter to another, as bytes that only a Log reads. It may
// be lost, delayed or duplicated.
type Message struct {
	To   cluster.NodeID
	Data []byte
}

const (
	frameVersion = 1
	maxClusterID = 64

	// MaxFrame bounds a Message, in bytes; the longest ones have a snapshot. A transport
	// should refuse a longer one before it allocates memory for it.
	MaxFrame = 64 << 20
)

// encodeFrame puts the cluster's id before a message: clusters of one name must not mix.
func encodeFrame(id string, m *pb.Message) ([]byte, error) {
	b := binary.AppendUvarint(make([]byte, 0, 64+len(id)), frameVersion)
	b = binary.AppendUvarint(b, uint64(len(id)))
	b = append(b, id...)
	return proto.MarshalOptions{}.MarshalAppend(b, m)
}

// decodeFrame reverses encodeFrame. Its error wraps ErrMessage or cluster.ErrNewer, or
// is an *OtherClusterError.
func decodeFrame(id string, data []byte) (*pb.Message, error) {
	if len(data) > MaxFrame {
		return nil, corrupt("%d bytes, over the limit of %d", len(data), MaxFrame)
	}
	theirs, rest, err := frameCluster(data)
	if err != nil {
		return nil, err
	}
	if theirs != id {
		return nil, &OtherClusterError{Ours: id, Theirs: theirs}
	}
	m := new(pb.Message)
	if err := proto.Unmarshal(rest, m); err != nil {
		return nil, corrupt("%v", err)
	}
	return m, nil
}

// ClusterOf returns the cluster of a Message, for a node without a log.
func ClusterOf(data []byte) (string, error) {
	id, _, err := frameCluster(data)
	return id, err
}

func frameCluster(data []byte) (id string, rest []byte, err error) {
	v, n := binary.Uvarint(data)
	if n <= 0 {
		return "", nil, corrupt("no version")
	}
	if v > frameVersion {
		return "", nil, newer("a message of a voter", v)
	}
	data = data[n:]
	length, n := binary.Uvarint(data)
	if n <= 0 || length == 0 || length > maxClusterID || length > uint64(len(data)-n) {
		return "", nil, corrupt("no cluster")
	}
	data = data[n:]
	return string(data[:length]), data[length:], nil
}
