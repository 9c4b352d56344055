package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

const (
	logName    = "log"
	logVersion = 1
)

var (
	metaBucket  = []byte("meta")
	entryBucket = []byte("entries")

	keyVersion  = []byte("version")
	keyIdentity = []byte("identity") // node, cluster
	keyStarts   = []byte("starts")
	keyHard     = []byte("hard")     // raftpb.HardState
	keySnapshot = []byte("snapshot") // raftpb.Snapshot
)

// A store keeps what raft must not forget in a bbolt file, and also in memory, from
// which alone raft reads. A transaction is one fsync, before which nothing that depends
// on it is sent.
type store struct {
	db      *bolt.DB
	promise *promiseFile
	mem     *raft.MemoryStorage
	node    cluster.NodeID
	cluster string
	starts  uint64
	hard    *pb.HardState // as it is in the file
	last    uint64        // index of the last entry in the file
	maxSize int           // tests: limit of the file's size
	fault   func() error  // tests: before each transaction
}

// openStore opens the log in dir. Its error is ErrNone, or wraps ErrBehind, ErrInUse,
// ErrDisk or cluster.ErrNewer.
func openStore(dir string, maxSize int) (*store, error) {
	p, err := openPromise(dir, false)
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, logName)); err == nil {
			return nil, behind("%s has a log but no promise", dir)
		}
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	s := &store{promise: p, maxSize: maxSize, mem: raft.NewMemoryStorage()}
	if err := s.open(dir); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *store) open(dir string) error {
	name := filepath.Join(dir, logName)
	if _, err := os.Stat(name); err != nil {
		if s.promise.starts == 0 && errors.Is(err, os.ErrNotExist) {
			return ErrNone // its creation was interrupted
		}
		return behind("%s has a promise but no log: %v", dir, err)
	}
	if err := s.openDB(name); err != nil {
		return err
	}
	if err := guarded(func() error { return s.db.View(s.loadFrom) }); err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	return s.begin()
}

// openDB opens the file. If bbolt panics at its pages, it stays locked until this
// process ends.
func (s *store) openDB(name string) error {
	err := guarded(func() (err error) {
		s.db, err = bolt.Open(name, 0o600, &bolt.Options{
			Timeout: time.Second, FreelistType: bolt.FreelistMapType, NoStatistics: true, MaxSize: s.maxSize,
			// Without it a goroutine of bbolt would read all pages, and a panic at a
			// damaged one could not be caught.
			NoFreelistSync: false,
		})
		return err
	})
	switch {
	case err == nil, errors.Is(err, ErrBehind):
		return err
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%w: %s", ErrInUse, name)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return behind("%s is damaged: %v", name, err)
	}
	return fmt.Errorf("%w: %w", ErrDisk, err)
}

// loadFrom reads the file into memory.
func (s *store) loadFrom(tx *bolt.Tx) error {
	meta, entries := tx.Bucket(metaBucket), tx.Bucket(entryBucket)
	if meta == nil || entries == nil {
		return behind("it is not a log")
	}
	if v := number(meta.Get(keyVersion)); v > logVersion {
		return newer("a log", v)
	}
	id := meta.Get(keyIdentity)
	if len(id) < 8 {
		return behind("its identity is damaged")
	}
	s.node, s.cluster = cluster.NodeID(number(id[:8])), string(id[8:])
	s.starts = number(meta.Get(keyStarts))
	hard, snap := new(pb.HardState), new(pb.Snapshot)
	if err := errors.Join(read(meta, keyHard, hard), read(meta, keySnapshot, snap)); err != nil {
		return err
	}
	s.hard = hard
	if !raft.IsEmptySnap(snap) {
		if err := s.mem.ApplySnapshot(snap); err != nil {
			return behind("%v", err)
		}
	}
	return s.loadEntries(entries, snap.GetMetadata().GetIndex())
}

func (s *store) loadEntries(b *bolt.Bucket, snapshot uint64) error {
	s.last = snapshot
	var all []*pb.Entry
	term := uint64(0)
	c := b.Cursor()
	for k, v := c.Seek(key(snapshot + 1)); k != nil; k, v = c.Next() {
		e := new(pb.Entry)
		if err := unseal(v, e); err != nil {
			return behind("entry %d: %v", number(k), err)
		}
		if e.GetIndex() != number(k) || e.GetIndex() != s.last+1 || e.GetTerm() < term {
			return behind("entry %d of term %d follows entry %d of term %d", e.GetIndex(), e.GetTerm(), s.last, term)
		}
		s.last, term = e.GetIndex(), e.GetTerm()
		all = append(all, e)
	}
	if err := s.mem.Append(all); err != nil {
		return behind("%v", err)
	}
	if s.hard.GetTerm() < term || s.hard.GetCommit() > s.last {
		return behind("the last entry is %d of term %d, but this voter has voted in term %d, and entry %d is committed", s.last, term, s.hard.GetTerm(), s.hard.GetCommit())
	}
	if s.hard.GetCommit() < snapshot {
		s.hard.Commit = proto.Uint64(snapshot)
	}
	if s.hard.GetTerm() > 0 {
		_ = s.mem.SetHardState(proto.CloneOf(s.hard)) // never fails
	}
	return nil
}

// check compares the log with the promise.
func (s *store) check() error {
	p := s.promise.promise
	switch {
	case s.starts < p.starts:
		return behind("it is an older copy: it was opened %d times, and this voter's log %d times", s.starts, p.starts)
	case s.hard.GetTerm() < p.term:
		return behind("it knows term %d, and this voter has voted in term %d", s.hard.GetTerm(), p.term)
	case s.last < p.last:
		return behind("it ends at entry %d, and this voter has confirmed entry %d", s.last, p.last)
	}
	return nil
}

// begin counts this start, in the log first: a crash in between does not break the promise.
func (s *store) begin() error {
	s.starts++
	if err := s.update(func(tx *bolt.Tx) error { return tx.Bucket(metaBucket).Put(keyStarts, key(s.starts)) }); err != nil {
		return err
	}
	s.promise.promise = promise{s.starts, s.hard.GetTerm(), s.last}
	return s.promise.write(true)
}

// update runs one transaction. After an error the file's content is unknown.
func (s *store) update(do func(tx *bolt.Tx) error) error {
	return guarded(func() error {
		err := s.db.Update(func(tx *bolt.Tx) error {
			if err := do(tx); err != nil {
				return err
			}
			if s.fault != nil {
				return s.fault()
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDisk, err)
		}
		return nil
	})
}

// guarded returns a panic as an error: bbolt panics at pages that make no sense, and a
// page that the disk cannot read is a memory fault.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = behind("it is damaged: %v", r)
		}
	}()
	return do()
}

func (s *store) close() {
	if s.db != nil {
		s.db.Close()
	}
	if s.promise != nil {
		s.promise.file.Close()
	}
}

func key(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// number reverses key; it is 0 for an invalid key.
func number(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// seal adds a checksum: bbolt has one only for its root.
func seal(m proto.Message) ([]byte, error) {
	b, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 4), m)
	if err == nil {
		binary.BigEndian.PutUint32(b, checksum(b[4:]))
	}
	return b, err
}

// unseal reverses seal.
func unseal(b []byte, m proto.Message) error {
	if len(b) < 4 || checksum(b[4:]) != binary.BigEndian.Uint32(b) {
		return errors.New("its checksum is wrong")
	}
	return proto.Unmarshal(b[4:], m)
}

// read reads a value that may be missing.
func read(b *bolt.Bucket, k []byte, m proto.Message) error {
	v := b.Get(k)
	if v == nil {
		return nil
	}
	if err := unseal(v, m); err != nil {
		return behind("%s: %v", k, err)
	}
	return nil
}
