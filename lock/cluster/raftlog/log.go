package raftlog

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// A LogConfig is the configuration of a Log. Logger and SnapshotEvery may be zero.
type LogConfig struct {
	Dir  string         // where Create or Join has made a log
	Node cluster.NodeID // the node that the log was made for
	// Send sends messages to other voters. It must not block, and may lose them.
	Send   func([]Message)
	Logger *slog.Logger // nil: slog.Default()
	// SnapshotEvery is the number of entries after which a snapshot replaces them; an
	// eighth of them is kept for voters that are a little behind. 0: 4096.
	SnapshotEvery uint64

	maxSize int          // tests: limit of the file's size
	fault   func() error // tests: before each write
}

// Raft counts in ticks. A voter that hears of no leader for ElectionTicks to twice as
// many, which differs each time, stands for election; a leader that hears of no
// majority for ElectionTicks stops leading.
const (
	ElectionTicks  = 10
	beatTicks      = 3                  // between two beats of a leader
	heartbeatTicks = 2 * beatTicks      // between two heartbeats of raft itself, which are sent with beats
	snapshotTicks  = 10 * ElectionTicks // a snapshot that was sent counts as lost after this
)

// A Log is one voter's part of the log. Its methods are called by one goroutine; only
// Advance, Compact and Close write to disk. It implements cluster.Log.
type Log struct {
	id      cluster.NodeID
	cluster string
	send    func([]Message)
	logger  *slog.Logger
	store   *store
	node    *raft.RawNode
	err     error

	ready     cluster.LogReady // what Ready returns next
	applied   uint64           // index of the last entry in ready, or returned by Ready
	conf      *pb.ConfState    // after entry applied
	returned  uint64           // index of the last entry returned by Ready
	snapshot  uint64           // index of the last snapshot
	every     uint64           // entries after which a snapshot is due
	due       bool             // a snapshot is needed: a new voter must not get an older one
	size      int              // bytes of entries since the last snapshot
	ticks     uint64
	led       int               // ticks since this voter began to lead
	asked     uint64            // last read asked of Confirm in this term
	heard     map[uint64]uint64 // tick of the last message of a voter
	snapshots map[uint64]uint64 // tick at which a snapshot was sent to a node
}

// Open opens the log of a voter. The error is ErrNone, an *OtherClusterError, or wraps
// ErrBehind, ErrInUse, ErrDisk or cluster.ErrNewer. The caller has to call Close.
func Open(c LogConfig) (*Log, error) {
	s, err := openStore(c.Dir, c.maxSize)
	if err != nil {
		return nil, err
	}
	if s.node != c.Node {
		s.close()
		return nil, fmt.Errorf("raftlog: the log in %s is of node %x, and this is node %x: its key was replaced", c.Dir, s.node, c.Node)
	}
	s.fault = c.fault
	l := &Log{id: c.Node, cluster: s.cluster, send: c.Send, logger: c.Logger, store: s, every: cmp.Or(c.SnapshotEvery, compactEntries), heard: map[uint64]uint64{}, snapshots: map[uint64]uint64{}}
	l.logger = cmp.Or(l.logger, slog.Default())
	snap, _ := s.mem.Snapshot() // never fails
	l.snapshot, l.conf = snap.GetMetadata().GetIndex(), snap.GetMetadata().GetConfState()
	l.applied, l.returned = l.snapshot, l.snapshot
	err = l.guard(func() (err error) {
		l.node, err = raft.NewRawNode(&raft.Config{
			ID:                        uint64(l.id),
			ElectionTick:              ElectionTicks,
			HeartbeatTick:             heartbeatTicks,
			Storage:                   storage{s.mem, l},
			Applied:                   l.applied,
			MaxSizePerMsg:             4 << 20,
			MaxInflightMsgs:           64,
			MaxInflightBytes:          32 << 20,
			MaxUncommittedEntriesSize: 64 << 20,
			CheckQuorum:               true,
			PreVote:                   true,
			DisableProposalForwarding: true,
			StepDownOnRemoval:         true,
			Logger:                    raftLogger{l.logger},
		})
		// Alone with nothing behind its snapshot, as a new log begins, it has nobody to hear of for an election timeout. An
		// entry could be the addition of a voter.
		if err == nil && slices.Equal(l.conf.GetVoters(), []uint64{uint64(l.id)}) && s.last == l.snapshot {
			err = l.node.Campaign()
		}
		return err
	})
	if err != nil {
		s.close()
		return nil, err
	}
	l.report()
	return l, nil
}

// State returns the state with which a cluster.Voter over this log begins. Call it
// before the first Ready.
func (l *Log) State() (*cluster.State, error) {
	snap, _ := l.store.mem.Snapshot() // never fails
	if raft.IsEmptySnap(snap) {
		return cluster.NewState(l.cluster), nil
	}
	return cluster.RestoreState(snap.GetData())
}

// Cluster returns the id of the log's cluster.
func (l *Log) Cluster() string { return l.cluster }

// Err returns nil, or why the log has stopped: the error wraps ErrDisk, ErrBehind or
// cluster.ErrNewer, is that of Stop, or is ErrClosed.
func (l *Log) Err() error { return l.err }

// Stop stops this voter for a reason of the caller: it sends and votes no more.
func (l *Log) Stop(err error) {
	if l.err != nil {
		return
	}
	l.err = err
	l.ready = cluster.LogReady{Term: l.ready.Term}
	l.logger.Error("cluster: this node has stopped voting", "error", err)
}

// Tick advances the log's time. Call it ElectionTicks times in an election timeout, at
// equal intervals.
func (l *Log) Tick() {
	l.do(func() error {
		l.ticks++
		l.node.Tick()
		l.beat()
		return l.tickVoters()
	})
}

// beat asks the other voters, every beatTicks, whether this one leads: one message is
// the heartbeat and the question for all reads since, because the main cost of a voter
// without clients is being woken.
func (l *Log) beat() {
	if !l.leads() {
		l.led = 0
		return
	}
	if l.led++; l.led%beatTicks == 0 {
		l.node.ReadIndex(binary.BigEndian.AppendUint64(key(l.ready.Term), l.asked))
	}
}

// untilBeat returns in how many ticks a leader's next beat is.
func (l *Log) untilBeat() int { return beatTicks - l.led%beatTicks }

// Step handles a message of the voter from. Invalid bytes are an error and change
// nothing. A message that shows that the log is behind what this voter promised stops
// it.
func (l *Log) Step(from cluster.NodeID, data []byte) error {
	if l.err != nil {
		return l.err
	}
	m, err := decodeFrame(l.cluster, data)
	if err != nil {
		return err
	}
	if m.GetFrom() != uint64(from) {
		return corrupt("node %x sends as node %x", from, m.GetFrom())
	}
	if err := l.check(m); err != nil {
		if stops(err) {
			l.Stop(err)
		}
		return err
	}
	l.heard[m.GetFrom()] = l.ticks
	return l.do(func() error {
		_ = l.node.Step(m) // from a former voter, or of an old term: dropped
		return nil
	})
}

// Propose implements cluster.Log.
func (l *Log) Propose(data []byte) error {
	if !l.leads() {
		return cluster.ErrNotLeader
	}
	return l.do(func() error { return l.node.Propose(data) })
}

// Confirm implements cluster.Log. The question goes out with the leader's next beat.
func (l *Log) Confirm(read uint64) error {
	if !l.leads() {
		return cluster.ErrNotLeader
	}
	l.asked = read
	return l.err
}

// Ready implements cluster.Log.
func (l *Log) Ready() cluster.LogReady {
	r := l.ready
	l.ready.Snapshot, l.ready.Entries = nil, nil
	l.returned = l.applied
	return r
}

// leads reports whether this voter leads in the term that Ready has returned.
func (l *Log) leads() bool {
	return l.err == nil && l.ready.Leader == l.id && l.term() == l.ready.Term && l.node.BasicStatus().RaftState == raft.StateLeader
}

func (l *Log) term() uint64 { return l.node.BasicStatus().GetTerm() }

// Close closes the file. A log that has not stopped first saves what it has promised.
func (l *Log) Close() error {
	defer l.store.close()
	if l.err != nil {
		return nil
	}
	l.err = ErrClosed
	return l.store.promise.write(true)
}

// do calls what, and stops the log if it panics: raft panics if its log contradicts
// what it has learned.
func (l *Log) do(what func() error) error {
	if l.err != nil {
		return l.err
	}
	err := l.guard(what)
	if stops(err) {
		l.Stop(err)
	}
	return err
}

func (l *Log) guard(what func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = behind("%v", r)
		}
	}()
	return what()
}
