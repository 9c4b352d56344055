package raftlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// Create makes the log of a new cluster in the folder dir, which has to exist. node is
// its only voter, unless there are others, for each of which Create has to be called
// with the same voters. id identifies the cluster, and never changes. It is an error if
// there is a log already.
func Create(dir string, node cluster.NodeID, id string, others ...cluster.NodeID) error {
	conf := &pb.ConfState{Voters: []uint64{uint64(node)}}
	for _, v := range others {
		if v == 0 || raft.IsLocalMsgTarget(uint64(v)) || slices.Contains(conf.Voters, uint64(v)) {
			return fmt.Errorf("raftlog: voter %d of the new cluster is not a node, or is named twice", v)
		}
		conf.Voters = append(conf.Voters, uint64(v))
	}
	// The first entry is preceded by a snapshot: a voter that joins later gets it,
	// since raft has no entries to send instead.
	snap := &pb.Snapshot{
		Data:     cluster.NewState(id).Snapshot(),
		Metadata: &pb.SnapshotMetadata{ConfState: conf, Index: proto.Uint64(1), Term: proto.Uint64(1)},
	}
	return create(dir, node, id, snap)
}

// Join makes an empty log in the folder dir for a node that a voter of the cluster id
// will add.
func Join(dir string, node cluster.NodeID, id string) error {
	return create(dir, node, id, nil)
}

// Rejoin removes the log in dir, whatever its state, so that Join may be called. First
// remove the voter from its cluster. The last term in which it voted is kept, so that
// it does not vote in that again.
func Rejoin(dir string) error {
	p, err := openPromise(dir, true)
	if err != nil {
		return err
	}
	defer p.file.Close()
	// The log goes first: if this is interrupted, it must not be opened without the promise that it does not keep.
	err = os.Remove(filepath.Join(dir, logName))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDisk, err)
	}
	p.promise = promise{term: p.term}
	return p.write(true)
}

func create(dir string, node cluster.NodeID, id string, snap *pb.Snapshot) error {
	if node == 0 || raft.IsLocalMsgTarget(uint64(node)) || id == "" || len(id) > maxClusterID {
		return fmt.Errorf("raftlog: node %d, cluster %.80q: want a node, and a name of 1 to %d bytes", node, id, maxClusterID)
	}
	name := filepath.Join(dir, logName)
	if _, err := os.Stat(name); err == nil {
		return fmt.Errorf("raftlog: %s already exists: this node belongs to a cluster", name)
	}
	p, err := openPromise(dir, true)
	if err != nil {
		return err
	}
	defer p.file.Close()
	if p.starts > 0 {
		return behind("%s has a promise and no log", dir)
	}
	if err := p.write(true); err != nil {
		return err
	}
	err = makeLog(name+".new", p, node, id, snap)
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	return errors.Join(err, syncDir(dir))
}

// makeLog makes a file that begins with the promises of p.
func makeLog(name string, p *promiseFile, node cluster.NodeID, id string, snap *pb.Snapshot) error {
	s := &store{promise: p, hard: new(pb.HardState)}
	_ = os.Remove(name) // from an earlier attempt
	if err := s.openDB(name); err != nil {
		return err
	}
	return errors.Join(s.fill(node, id, snap), s.db.Close())
}

// fill writes the initial content of a log.
func (s *store) fill(node cluster.NodeID, id string, snap *pb.Snapshot) error {
	hard := &pb.HardState{}
	if t := s.promise.term; t > 0 { // it does not vote in a term in which it may have voted
		hard = &pb.HardState{Term: proto.Uint64(t), Vote: proto.Uint64(uint64(node))}
	}
	if snap != nil {
		hard = &pb.HardState{Term: proto.Uint64(max(s.promise.term, 1)), Vote: hard.Vote, Commit: snap.GetMetadata().Index}
	}
	return s.update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucket(entryBucket); err != nil {
			return err
		}
		if err := meta.Put(keyVersion, key(logVersion)); err != nil {
			return err
		}
		if err := meta.Put(keyIdentity, append(key(uint64(node)), id...)); err != nil {
			return err
		}
		if err := meta.Put(keyStarts, key(0)); err != nil {
			return err
		}
		return s.put(tx, hard, nil, snap)
	})
}
