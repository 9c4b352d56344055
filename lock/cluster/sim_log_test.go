package cluster

import "time"

// disk is what a process keeps when it crashes.
type disk struct {
	term     uint64
	vote     NodeID
	entries  []LogEntry // synced entries; entries[i] has index i+1
	snapshot []byte
	starts   uint64
}

type role uint8

const (
	follows role = iota
	stands
	leads
)

// simLog is raft as in its paper, without membership changes: an agreement over the
// simulated network whose leaders may be stale, and whose entries are written some
// milliseconds after they arrive.
type simLog struct {
	p         *proc
	disk      *disk
	entries   []LogEntry // at most the first len(disk.entries) are synced
	synced    uint64
	role      role
	leader    NodeID
	commit    uint64
	returned  uint64 // by Ready
	votes     map[NodeID]bool
	match     [4]uint64
	next      [4]uint64
	read      uint64
	acked     [4]uint64 // reads
	confirmed uint64
	election  time.Duration // by the clock of the process
	beat      time.Duration
}

// logMessage is any message of the log.
type logMessage struct {
	kind            string // vote, voted, append, appended
	from            NodeID
	term            uint64
	index, prevTerm uint64 // of the entry before entries, or of the candidate's last entry
	entries         []LogEntry
	commit, read    uint64
	ok              bool
	match           uint64
}

const simVoters = 3

func newSimLog(p *proc) *simLog {
	l := &simLog{p: p, disk: p.disk, entries: append([]LogEntry(nil), p.disk.entries...)}
	l.synced = uint64(len(l.entries))
	l.wait()
	return l
}

func (l *simLog) leading() (term uint64, ok bool) { return l.disk.term, l.role == leads }

func (l *simLog) keep(s *State) { l.disk.snapshot = s.Snapshot() }

func (l *simLog) crash() {}

func (l *simLog) last() (index, term uint64) {
	if n := len(l.entries); n > 0 {
		return uint64(n), l.entries[n-1].Term
	}
	return 0, 0
}

func (l *simLog) termAt(index uint64) uint64 {
	if index == 0 || index > uint64(len(l.entries)) {
		return 0
	}
	return l.entries[index-1].Term
}

func (l *simLog) wait() { l.election = l.p.clock() + l.p.sim.ms(500, 1000) }

func (l *simLog) Propose(data []byte) error {
	if l.role != leads {
		return ErrNotLeader
	}
	l.append(data)
	return nil
}

func (l *simLog) append(data []byte) {
	index, _ := l.last()
	l.entries = append(l.entries, LogEntry{index + 1, l.disk.term, data})
	l.sync()
	l.broadcast()
}

func (l *simLog) Confirm(read uint64) error {
	if l.role != leads {
		return ErrNotLeader
	}
	l.read = read
	l.broadcast()
	return nil
}

func (l *simLog) Ready() LogReady {
	r := LogReady{Term: l.disk.term, Leader: l.leader, Confirmed: l.confirmed}
	if n := min(l.commit, l.synced); n > l.returned { // applied entries may go into a snapshot
		r.Entries = l.entries[l.returned:n:n]
		l.returned = n
	}
	return r
}

// sync writes the present entries to disk a little later, and reports it.
func (l *simLog) sync() {
	term, n := l.disk.term, uint64(len(l.entries))
	p, leader := l.p, l.leader
	p.sim.after(p.sim.ms(0, 4), func() {
		p.deliver(func() {
			if p.log != procLog(l) || l.disk.term != term || l.leader != leader || n > uint64(len(l.entries)) {
				return
			}
			l.disk.entries = append([]LogEntry(nil), l.entries[:n]...)
			l.synced = n
			if l.role == leads {
				l.advance()
			} else {
				l.send(leader, logMessage{kind: "appended", ok: true, match: n})
				p.poll()
			}
		})
	})
}

func (l *simLog) send(to NodeID, m logMessage) {
	m.from, m.term = l.p.id, l.disk.term
	l.p.sim.send(l.p.id, to, func(p *proc) {
		if l, ok := p.log.(*simLog); ok {
			l.receive(m)
		}
	})
}

func (l *simLog) broadcast() {
	l.beat = l.p.clock() + 150*time.Millisecond
	for to := NodeID(1); to <= simVoters; to++ {
		if to != l.p.id {
			prev := l.next[to] - 1
			l.send(to, logMessage{kind: "append", index: prev, prevTerm: l.termAt(prev), entries: append([]LogEntry(nil), l.entries[prev:]...), commit: l.commit, read: l.read})
		}
	}
}

// tick stands for election, or sends the leader's heartbeat.
func (l *simLog) tick() {
	now := l.p.clock()
	if l.role == leads {
		if now >= l.beat {
			l.broadcast()
		}
		return
	}
	if now < l.election {
		return
	}
	l.wait()
	l.disk.term++
	l.role, l.leader, l.disk.vote, l.confirmed = stands, 0, l.p.id, 0
	l.votes = map[NodeID]bool{l.p.id: true}
	index, term := l.last()
	for to := NodeID(1); to <= simVoters; to++ {
		if to != l.p.id {
			l.send(to, logMessage{kind: "vote", index: index, prevTerm: term})
		}
	}
}
