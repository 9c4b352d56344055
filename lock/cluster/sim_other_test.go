package cluster

import (
	"strings"
	"time"
)

// A procLog is the log of a process: the simulator's own, or one of another package.
type procLog interface {
	Log
	tick()
	leading() (term uint64, ok bool)
	keep(*State) // a snapshot may be written
	crash()
}

// A seenLog remembers what its voter was given.
type seenLog struct {
	Log
	entries []LogEntry
}

func (l *seenLog) Ready() LogReady {
	r := l.Log.Ready()
	l.entries = append(l.entries, r.Entries...)
	return r
}

// A SimLog is a log of another package, which the simulator runs under its faults.
type SimLog interface {
	Log
	Tick()
	Advance() // writes, sends, and prepares what Ready returns
	Step(from NodeID, data []byte)
	Leads() (term uint64, leads bool)
	State() (*State, error) // the initial state of its voter
	Compact(*State)         // writes a snapshot, if one is due
	Crash()
}

// A SimEnv is the environment in which a SimLog is opened, again after each crash.
type SimEnv struct {
	Node NodeID
	Send func(to NodeID, data []byte)
}

// RunSeedOver runs a seed of TestSeeds with three voters over another log, whose first
// entry has an index above from.
func RunSeedOver(seed, from uint64, trace *strings.Builder, open func(SimEnv) (SimLog, error)) error {
	s := newSim(seed, 3+int(seed%3), false, trace)
	s.open = open
	s.check.entries = make([]LogEntry, from)
	return s.boot().runSeed(trace)
}

// An otherLog is a SimLog of a process: its writes take effect some milliseconds later.
type otherLog struct {
	SimLog
	p   *proc
	due bool
}

func openOtherLog(p *proc) (*State, error) {
	log, err := p.sim.open(SimEnv{p.id, func(to NodeID, data []byte) {
		p.sim.send(p.id, to, func(at *proc) {
			if l, ok := at.log.(*otherLog); ok {
				l.Step(p.id, data)
				l.later()
			}
		})
	}})
	if err != nil {
		return nil, err
	}
	p.log = &otherLog{SimLog: log, p: p}
	return log.State()
}

func (l *otherLog) later() {
	if l.due {
		return
	}
	l.due = true
	l.p.after(time.Duration(l.p.sim.rng.IntN(4000))*time.Microsecond, func() {
		l.due = false
		l.Advance()
		l.p.poll()
	})
}

func (l *otherLog) tick() {
	l.Tick()
	l.later()
}

func (l *otherLog) Propose(data []byte) error {
	defer l.later()
	return l.SimLog.Propose(data)
}

func (l *otherLog) Confirm(read uint64) error {
	defer l.later()
	return l.SimLog.Confirm(read)
}

func (l *otherLog) leading() (uint64, bool) { return l.Leads() }

func (l *otherLog) keep(s *State) { l.Compact(s) }

func (l *otherLog) crash() { l.Crash() }
