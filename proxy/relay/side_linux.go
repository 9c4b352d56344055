package relay

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// socket is what a raw side has. It belongs to its loop.
type socket struct {
	fd      int32  // -1 once closed
	slot    int32  // its number in the loop, or noSlot
	asked   uint16 // what epoll was asked for
	use     use
	seen    End  // what was told last of a waiter; Reset: it is dead already
	hauled  bool // its socket waits in a splice
	reads   bool // there may be something to read
	ends    bool // epoll has told of its end: read on until it comes
	closing closing
	home    *loop
	seat    *loopSeat
	flow    flow // of what it sends
}

// noSlot is the slot of a side that epoll does not know.
const noSlot = -1

// peer is the other side of one that relays.
func (s *Side) peer() *Side {
	if s == s.seat.client {
		return s.seat.backend
	}
	return s.seat.client
}

// use is what a raw side is in its loop for.
type use uint8

const (
	unused use = iota
	watched
	calling
	relaying
)

// closing is a Close that has to wait for a haul to come back.
type closing uint8

const (
	notClosing closing = iota
	closingCleanly
	closingWithReset
)

func (s *Side) ready(l *loop, events uint32) {
	const lost = unix.EPOLLHUP | unix.EPOLLERR
	if events&(unix.EPOLLIN|unix.EPOLLPRI|unix.EPOLLRDHUP|lost) != 0 {
		s.reads = true
	}
	if events&unix.EPOLLPRI != 0 {
		s.urgent = true
	}
	if events&(unix.EPOLLRDHUP|lost) != 0 {
		s.ends = true
	}
	if events&lost != 0 {
		s.hungUp = true
	}
	switch s.use {
	case watched:
		s.look(l)
	case calling:
		s.seat.call.ready(l, events)
	case relaying:
		if events&lost != 0 {
			l.giveUp(s)
		}
		if s.urgent && s.path == nil && !s.flow.hauls() {
			isUrgent := s.isUrgent // of what is still owed
			l.lookUrgent(s)        // now: another may come before it is read
			s.isUrgent = isUrgent
			s.urgent = true
		}
		if s.reads {
			l.pump(s)
		}
		if events&(unix.EPOLLOUT|lost) != 0 && s.peer().flow.blocked {
			s.peer().flow.blocked = false
			l.pump(s.peer())
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
	case calling:
		want = unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLOUT | unix.EPOLLRDHUP
	case relaying:
		peer := s.peer()
		in, out := s.flow.hauls(), peer.flow.hauls()
		hauls = in || out
		if !in {
			want |= unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLRDHUP
		}
		if peer.flow.blocked && !out {
			want |= unix.EPOLLOUT
		}
	}
	var e unix.Errno
	switch listed := s.slot != noSlot; {
	case s.fd < 0 || listed && want&^s.asked == 0 && (!hauls || want == s.asked):
		return 0
	case listed:
		e = l.modify(s.fd, s.slot, unix.EPOLLET|uint32(want))
	default:
		s.slot, e = l.add(s.fd, unix.EPOLLET|uint32(want), s)
	}
	if e == 0 {
		s.asked = want
	}
	return e
}

// leave takes an open side out of its loop.
func (s *Side) leave() {
	if s.slot != noSlot {
		s.home.remove(s.fd, s.slot)
		s.slot = noSlot
	}
	s.use = unused
}

func (r *Loop) Watch(t Task, s *Side) {
	s.seat = &t.RunnerState().loop
	s.home.watch(s)
}

// watch has the loop hear of the side's end, and of nothing that it sends.
func (l *loop) watch(s *Side) {
	s.use = watched
	if e := l.arm(s); e != 0 {
		s.use = unused // nobody hears of it; it is looked at before a grant
	}
}

func (s *Side) look(l *loop) {
	if end := probe(uintptr(s.fd)); end != s.seen {
		s.seen = end
		l.tell(s.seat, Event{Kind: PeerClosed, Side: s, End: end})
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
	s.leave()
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
