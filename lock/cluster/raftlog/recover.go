package raftlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// Recover turns the log in dir into that of a new cluster whose only voter is the log's
// node, after the majority of the old cluster's voters was lost for good. All entries
// of the log count as agreed on, since nobody can tell any more which ones were. The
// old log is kept beside it, as "log." and its id. No process may have it open. The
// errors are those of Open.
func Recover(dir, id string) error {
	s, err := openStore(dir, 0)
	if err != nil {
		return err
	}
	node, was := s.node, s.cluster
	state, err := s.recoverState()
	s.close()
	if err != nil {
		return err
	}
	p, err := openPromise(dir, true)
	if err != nil {
		return err
	}
	defer p.file.Close()
	p.promise = promise{term: max(p.term, 1)}
	state.Recover(id)
	snap := &pb.Snapshot{Data: state.Snapshot(), Metadata: &pb.SnapshotMetadata{
		ConfState: &pb.ConfState{Voters: []uint64{uint64(node)}}, Index: proto.Uint64(state.Index()), Term: proto.Uint64(p.term)}}
	name := filepath.Join(dir, logName)
	if err := makeLog(name+".new", p, node, id, snap); err != nil {
		return err
	}
	// A crash before the last step leaves the old log, which has more than the promise.
	err = p.write(true)
	if err == nil {
		if err = os.Link(name, name+"."+was); errors.Is(err, os.ErrExist) {
			err = nil // from an earlier attempt
		}
	}
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err = errors.Join(err, syncDir(dir)); err != nil {
		return fmt.Errorf("%w: %w", ErrDisk, err)
	}
	return nil
}

// recoverState returns the state after all entries of the log.
func (s *store) recoverState() (*cluster.State, error) {
	state := cluster.NewState(s.cluster)
	snap, _ := s.mem.Snapshot() // never fails
	if data := snap.GetData(); len(data) > 0 {
		var err error
		if state, err = cluster.RestoreState(data); err != nil {
			return nil, err
		}
	}
	from := snap.GetMetadata().GetIndex() + 1
	if from > s.last {
		return state, nil
	}
	entries, err := s.mem.Entries(from, s.last+1, 1<<62)
	if err != nil {
		return nil, behind("%v", err)
	}
	for _, e := range entries {
		data := e.GetData()
		if e.GetType() != pb.EntryNormal {
			data = nil // a change of the voters
		}
		if _, err := state.Apply(e.GetIndex(), data); err != nil {
			return nil, err
		}
	}
	return state, nil
}
