package raftlog

import (
	"context"
	"fmt"
	"log/slog"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// A storage is what raft reads: only memory.
type storage struct {
	*raft.MemoryStorage
	log *Log
}

// Snapshot returns none from before a change of voters: a new node is not named in it,
// and would ignore it.
func (s storage) Snapshot() (*pb.Snapshot, error) {
	if s.log.due {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return s.MemoryStorage.Snapshot()
}

// A raftLogger logs raft's messages at level debug, as they are about its algorithm.
type raftLogger struct{ log *slog.Logger }

func (r raftLogger) debugf(format string, v ...any) {
	if r.log.Enabled(context.Background(), slog.LevelDebug) {
		r.log.Debug("raft: " + fmt.Sprintf(format, v...))
	}
}

func (r raftLogger) Debug(...any)                     {}
func (r raftLogger) Debugf(string, ...any)            {}
func (r raftLogger) Info(v ...any)                    { r.debugf("%s", fmt.Sprint(v...)) }
func (r raftLogger) Infof(format string, v ...any)    { r.debugf(format, v...) }
func (r raftLogger) Warning(v ...any)                 { r.debugf("%s", fmt.Sprint(v...)) }
func (r raftLogger) Warningf(format string, v ...any) { r.debugf(format, v...) }
func (r raftLogger) Error(v ...any)                   { r.log.Warn("raft: " + fmt.Sprint(v...)) }
func (r raftLogger) Errorf(format string, v ...any)   { r.log.Warn("raft: " + fmt.Sprintf(format, v...)) }
func (r raftLogger) Fatal(v ...any)                   { panic(fmt.Sprint(v...)) }
func (r raftLogger) Fatalf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
func (r raftLogger) Panic(v ...any)                   { panic(fmt.Sprint(v...)) }
func (r raftLogger) Panicf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
