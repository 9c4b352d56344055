package raftlog

import (
	"errors"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// save writes what raft must not forget, with one fsync, and returns when it is on
// disk. A nil or empty argument changes nothing.
func (s *store) save(hard *pb.HardState, entries []*pb.Entry, snap *pb.Snapshot) error {
	last := s.last
	if !raft.IsEmptySnap(snap) {
		last = snap.GetMetadata().GetIndex()
	}
	if n := len(entries); n > 0 {
		last = entries[n-1].GetIndex()
	}
	if last < s.last { // entries that were never committed are dropped
		s.promise.last = min(s.promise.last, last)
		if err := s.promise.write(true); err != nil {
			return err
		}
	}
	err := s.update(func(tx *bolt.Tx) error { return s.put(tx, hard, entries, snap) })
	if err != nil {
		return err
	}
	if err := s.remember(hard, entries, snap); err != nil {
		return err
	}
	s.last = last
	voted := s.hard.GetTerm() != s.promise.term
	s.promise.term, s.promise.last = s.hard.GetTerm(), last
	return s.promise.write(voted)
}

func (s *store) put(tx *bolt.Tx, hard *pb.HardState, entries []*pb.Entry, snap *pb.Snapshot) error {
	meta, b := tx.Bucket(metaBucket), tx.Bucket(entryBucket)
	b.FillPercent = 0.9 // keys are appended in order
	if !raft.IsEmptyHardState(hard) {
		if err := put(meta, keyHard, hard); err != nil {
			return err
		}
	}
	from := uint64(1<<64 - 1) // entries from here on are replaced
	if !raft.IsEmptySnap(snap) {
		if err := put(meta, keySnapshot, snap); err != nil {
			return err
		}
		from = 0
	} else if len(entries) > 0 {
		from = entries[0].GetIndex()
	}
	if from <= s.last {
		if err := remove(b, from, s.last); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if err := put(b, key(e.GetIndex()), e); err != nil {
			return err
		}
	}
	return nil
}

// remember applies to memory what put wrote to the file.
func (s *store) remember(hard *pb.HardState, entries []*pb.Entry, snap *pb.Snapshot) error {
	if !raft.IsEmptyHardState(hard) {
		s.hard = proto.CloneOf(hard)
		if err := s.mem.SetHardState(proto.CloneOf(hard)); err != nil {
			return err
		}
	}
	if !raft.IsEmptySnap(snap) {
		if err := s.mem.ApplySnapshot(snap); err != nil {
			return err
		}
	}
	return s.mem.Append(entries)
}

// compact writes the state after entry index as a snapshot, and drops the entries
// before it except the last keep.
func (s *store) compact(index, keep uint64, conf *pb.ConfState, state []byte) error {
	snap, err := s.mem.CreateSnapshot(index, conf, state)
	if err != nil {
		if errors.Is(err, raft.ErrSnapOutOfDate) {
			return nil
		}
		return err
	}
	first, _ := s.mem.FirstIndex() // never fails
	upTo := max(index, keep) - keep
	err = s.update(func(tx *bolt.Tx) error {
		if err := put(tx.Bucket(metaBucket), keySnapshot, snap); err != nil {
			return err
		}
		return remove(tx.Bucket(entryBucket), 0, upTo)
	})
	if err != nil || upTo < first {
		return err
	}
	return s.mem.Compact(upTo)
}

func put(b *bolt.Bucket, k []byte, m proto.Message) error {
	v, err := seal(m)
	if err != nil {
		return err
	}
	return b.Put(k, v)
}

// remove removes the entries from..to.
func remove(b *bolt.Bucket, from, to uint64) error {
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(key(from)); k != nil && number(k) <= to; k, _ = c.Next() {
		keys = append(keys, k)
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
