package relay

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// socket is what a raw side has. It belongs to its loop.
type socket struct {
	fd        int32  // -1 once closed
	slot      int32  // its number in the loop, or noSlot
	interest  uint16 // what epoll was asked for
	use       use
	seen      End  // what was told last of a waiter; Reset: it is dead already
	blocking  bool // its socket waits in a splice
	readable  bool // there may be something to read
	peerEnded bool // epoll has told of its end: read on until it comes
	closing   closing
	loop      *loop
	task      *loopTask
	dir       direction // of what it sends
}

// noSlot is the slot of a side that epoll does not know.
const noSlot = -1

// peer is the other side of one that relays.
func (s *Side) peer() *Side {
	if s == s.task.client {
		return s.task.backend
	}
	return s.task.client
}

// use is what a raw side is in its loop for.
type use uint8

const (
	unused use = iota
	watched
	dialing
	relaying
)

// closing is a Close that has to wait for a haul to come back.
type closing uint8

const (
	notClosing closing = iota
	closingCleanly
	closingWithReset
)

func (s *Side) onReady(l *loop, events uint32) {
	const lost = unix.EPOLLHUP | unix.EPOLLERR
	if events&(unix.EPOLLIN|unix.EPOLLPRI|unix.EPOLLRDHUP|lost) != 0 {
		s.readable = true
	}
	if events&unix.EPOLLPRI != 0 {
		s.urgent = true
	}
	if events&(unix.EPOLLRDHUP|lost) != 0 {
		s.peerEnded = true
	}
	if events&lost != 0 {
		s.hungUp = true
	}
	switch s.use {
	case watched:
		s.checkWaiter(l)
	case dialing:
		s.task.dial.onReady(l, events)
	case relaying:
		if events&lost != 0 {
			l.onHangUp(s)
		}
		if s.urgent && s.path == nil && !s.dir.splicing() {
			isUrgent := s.isUrgent // of what is still owed
			l.findUrgent(s)        // now: another may come before it is read
			s.isUrgent = isUrgent
			s.urgent = true
		}
		if s.readable {
			l.copy(s)
		}
		if events&(unix.EPOLLOUT|lost) != 0 && s.peer().dir.blocked {
			s.peer().dir.blocked = false
			l.copy(s.peer())
		}
	}
}

// arm asks epoll for what is missing now. All is edge-triggered, so what it
// tells too much of costs little, and nothing has to be taken back but for a
// haul, which would wake the loop for each packet.
func (l *loop) arm(s *Side) unix.Errno {
	var want uint16
	hauls := false
	switch s.use {
	case watched:
		want = unix.EPOLLRDHUP
	case dialing:
		want = unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLOUT | unix.EPOLLRDHUP
	case relaying:
		peer := s.peer()
		in, out := s.dir.splicing(), peer.dir.splicing()
		hauls = in || out
		if !in {
			want |= unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLRDHUP
		}
		if peer.dir.blocked && !out {
			want |= unix.EPOLLOUT
		}
	}
	var e unix.Errno
	switch listed := s.slot != noSlot; {
	case s.fd < 0 || listed && want&^s.interest == 0 && (!hauls || want == s.interest):
		return 0
	case listed:
		e = l.modify(s.fd, s.slot, unix.EPOLLET|uint32(want))
	default:
		s.slot, e = l.add(s.fd, unix.EPOLLET|uint32(want), s)
	}
	if e == 0 {
		s.interest = want
	}
	return e
}

// leave takes an open side out of its loop.
func (s *Side) detach() {
	if s.slot != noSlot {
		s.loop.remove(s.fd, s.slot)
		s.slot = noSlot
	}
	s.use = unused
}

func (r *Loop) Watch(t Task, s *Side) {
	s.task = &t.RunnerState().loop
	s.loop.watch(s)
}

// watch has the loop hear of the side's end, and of nothing that it sends.
func (l *loop) watch(s *Side) {
	s.use = watched
	if e := l.arm(s); e != 0 {
		s.use = unused // nobody hears of it; it is looked at before a grant
	}
}

func (s *Side) checkWaiter(l *loop) {
	if end := probe(uintptr(s.fd)); end != s.seen {
		s.seen = end
		l.notify(s.task, Event{Kind: PeerClosed, Side: s, End: end})
	}
}

func (s *Side) rawWatched() bool { return s.use == watched }

func (s *Side) rawProbe() End {
	if s.fd < 0 {
		return Open
	}
	return probe(uintptr(s.fd))
}

func (s *Side) rawLocal() netip.AddrPort {
	if s.fd < 0 {
		return netip.AddrPort{}
	}
	var at unix.RawSockaddrAny
	if getsockname(s.fd, &at) != 0 {
		return netip.AddrPort{}
	}
	return addrPortOf(&at)
}

// isItself says that a connection has reached itself: see notItself. The other
// end is not asked for where the ports differ, as they mostly do.
func (s *Side) isItself() bool {
	own := s.rawLocal()
	if own.Port() != s.remote.Port() {
		return false
	}
	var at unix.RawSockaddrAny
	return getpeername(s.fd, &at) == 0 && addrPortOf(&at) == own
}

// becomeConn makes a raw side a net.Conn for good; no byte is lost. It is for
// one that does not relay yet, from within its task's Step, and from then on
// the side is the stream runner's.
func (s *Side) becomeConn() {
	local := s.rawLocal()
	s.detach()
	set := optionsOf(s.fd)
	f := os.NewFile(uintptr(s.fd), "")
	s.fd = -1
	c, err := net.FileConn(f)
	f.Close()
	if rc := rawConnOf(c); err == nil && rc != nil {
		rc.Control(set)
	}
	if err != nil {
		c, _ = net.Pipe()
		c.Close()
	}
	s.connSide = &connSide{conn: c, local: local}
}
