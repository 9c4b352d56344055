package cluster_test

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/lock/cluster/raftlog"
)

// A raftLog is a raftlog.Log in the simulator.
type raftLog struct{ *raftlog.Log }

func (l raftLog) Advance() { l.Log.Advance() }

func (l raftLog) Step(from cluster.NodeID, data []byte) { _ = l.Log.Step(from, data) }

func (l raftLog) Leads() (uint64, bool) {
	s := l.Status()
	return s.Term, s.Leader == s.Node
}

func (l raftLog) Compact(s *cluster.State) {
	if l.CompactDue() {
		_ = l.Log.Compact(s.Snapshot())
	}
}

// Crash is the end of the process: the only new thing that Close writes is the promise,
// which is never lower then.
func (l raftLog) Crash() { l.Close() }

// TestSeedsOverRaftlog runs the seeds of TestSeeds over the real raft and bbolt instead
// of the simulator's log.
func TestSeedsOverRaftlog(t *testing.T) {
	cluster.RunSeeds(t, "TestSeedOverRaftlog", cluster.DefaultSeeds/10, overRaftlog(t))
}

// TestSeedOverRaftlog prints the trace of one run.
func TestSeedOverRaftlog(t *testing.T) { cluster.RunSeed(t, overRaftlog(t)) }

func overRaftlog(t *testing.T) func(seed uint64, trace *strings.Builder) error {
	return func(seed uint64, trace *strings.Builder) error {
		cryptotest.SetGlobalRandom(t, seed) // for raft's election timeouts
		dir, err := os.MkdirTemp("/dev/shm", "sim")
		if err != nil {
			dir = t.TempDir()
		}
		defer os.RemoveAll(dir)
		var open []*raftlog.Log
		defer func() {
			for _, l := range open {
				l.Close()
			}
		}()
		return cluster.RunSeedOver(seed, 1, trace, func(env cluster.SimEnv) (cluster.SimLog, error) {
			path := filepath.Join(dir, strconv.FormatUint(uint64(env.Node), 10))
			if err := os.Mkdir(path, 0o700); err == nil {
				voters := []cluster.NodeID{1, 2, 3}
				if err := raftlog.Create(path, env.Node, "sim", append(voters[:env.Node-1:env.Node-1], voters[env.Node:]...)...); err != nil {
					return nil, err
				}
			} else if !errors.Is(err, os.ErrExist) {
				return nil, err
			}
			l, err := raftlog.Open(raftlog.LogConfig{
				Dir: path, Node: env.Node, SnapshotEvery: 24, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
				Send: func(all []raftlog.Message) {
					for _, m := range all {
						env.Send(m.To, m.Data)
					}
				},
			})
			if err != nil {
				return nil, err
			}
			open = append(open, l)
			return raftLog{l}, nil
		})
	}
}
