package cluster

import "slices"

// receive handles a message of another voter.
func (l *simLog) receive(m logMessage) {
	if m.term > l.disk.term {
		l.disk.term, l.disk.vote = m.term, 0
		l.role, l.leader, l.confirmed = follows, 0, 0
	}
	switch m.kind {
	case "vote":
		index, term := l.last()
		fresh := m.prevTerm > term || m.prevTerm == term && m.index >= index
		ok := m.term == l.disk.term && fresh && (l.disk.vote == 0 || l.disk.vote == m.from)
		if ok {
			l.disk.vote = m.from
			l.wait()
		}
		l.send(m.from, logMessage{kind: "voted", ok: ok})
	case "voted":
		if m.term == l.disk.term && l.role == stands && m.ok {
			if l.votes[m.from] = true; len(l.votes) > simVoters/2 {
				l.win()
			}
		}
	case "append":
		l.receiveAppend(m)
	case "appended":
		if m.term == l.disk.term && l.role == leads {
			l.receiveAppended(m)
		}
	}
	l.p.poll()
}

func (l *simLog) win() {
	l.role, l.leader = leads, l.p.id
	index, _ := l.last()
	l.read, l.confirmed = 0, 0
	for i := range l.next {
		l.next[i], l.match[i], l.acked[i] = index+1, 0, 0
	}
	l.p.sim.tracef("voter %d leads in term %d", l.p.id, l.disk.term)
	l.append(nil)
}

func (l *simLog) receiveAppend(m logMessage) {
	if m.term < l.disk.term {
		l.send(m.from, logMessage{kind: "appended"})
		return
	}
	l.role, l.leader = follows, m.from
	l.wait()
	last, _ := l.last()
	if m.index > last || l.termAt(m.index) != m.prevTerm {
		l.send(m.from, logMessage{kind: "appended", match: min(m.index-1, last), read: m.read})
		return
	}
	grown := false
	for i, e := range m.entries {
		at := m.index + uint64(i)
		if at < uint64(len(l.entries)) {
			if l.entries[at].Term == e.Term {
				continue
			}
			l.entries = l.entries[:at:at]
			l.synced = min(l.synced, at)
			l.disk.entries = l.disk.entries[:min(uint64(len(l.disk.entries)), at)]
		}
		l.entries = append(l.entries, e)
		grown = true
	}
	reached := m.index + uint64(len(m.entries))
	l.commit = max(l.commit, min(m.commit, reached))
	if grown {
		l.sync()
	}
	l.send(m.from, logMessage{kind: "appended", ok: true, match: min(reached, l.synced), read: m.read})
}

func (l *simLog) receiveAppended(m logMessage) {
	l.acked[m.from] = max(l.acked[m.from], m.read)
	if m.ok {
		l.match[m.from] = max(l.match[m.from], m.match)
		l.next[m.from] = l.match[m.from] + 1
	} else {
		l.next[m.from] = max(l.match[m.from], min(m.match, l.next[m.from]-1)) + 1
	}
	l.advance()
}

// advance commits what a majority has on disk, and counts the voters that still follow.
func (l *simLog) advance() {
	l.match[l.p.id], l.acked[l.p.id] = l.synced, l.read
	matches, reads := slices.Clone(l.match[1:]), slices.Clone(l.acked[1:])
	slices.Sort(matches)
	slices.Sort(reads)
	if n := matches[simVoters/2]; n > l.commit && l.termAt(n) == l.disk.term {
		l.commit = n
		l.broadcast()
	}
	l.confirmed = max(l.confirmed, reads[simVoters/2])
	l.p.poll()
}
