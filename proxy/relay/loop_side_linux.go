package relay

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// socket is the part of a raw side that belongs to its loop.
type socket struct {
	fd        int32  // -1 once closed
	slot      int32  // its index in loop.slots, or noSlot
	interest  uint16 // the events that epoll was asked for
	use       use
	seen      End  // the last PeerClosed of a waiter; Reset: the connection is already closed
	blocking  bool // splice blocks on its socket
	readable  bool // there may be something to read
	peerEnded bool // epoll has reported its end: read up to it
	closing   closing
	loop      *loop
	task      *loopTask
	dir       direction // from the side to its peer
}

// noSlot is the slot of a side that is not in epoll.
const noSlot = -1

// peer returns the other side of a session that relays.
func (s *Side) peer() *Side {
	if s == s.task.client {
		return s.task.backend
	}
	return s.task.client
}

// use is what a loop does with a raw side.
type use uint8

const (
	unused use = iota
	opening
	watched
	dialing
	relaying
)

// closing is a Close, or an endFrames, that has to wait for a splicer to finish.
type closing uint8

const (
	notClosing closing = iota
	closingFrames
	closingCleanly
	closingWithReset
)

// awaitsSplicer reports whether the side will be closed, or closed for the relay, once
// a splicer has finished.
func (s *Side) awaitsSplicer() bool { return s.closing != notClosing && s.fd >= 0 }

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
	case opening:
		s.opening.onReady(events)
		if over := s.overTLS(); over != nil && events&unix.EPOLLOUT != 0 {
			over.onWritable()
		}
	case watched:
		s.checkWaiter(l)
	case dialing:
		s.task.dial.onReady(l, events)
	case relaying:
		if events&lost != 0 {
			l.onHangUp(s)
		}
		if s.urgent && s.path == nil && !s.dir.splicing() && s.passesUrgent() {
			isUrgent := s.isUrgent // describes the bytes still owed
			l.findUrgent(s)        // now, since another may arrive before this one is read
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

// arm adds the events that the side needs now to those that epoll reports. All are
// edge-triggered, so an extra event costs little, and none is removed, except for a
// splicer: there epoll would wake the loop for each packet.
func (l *loop) arm(s *Side) unix.Errno {
	var want uint16
	splicing := false
	switch s.use {
	case watched:
		want = unix.EPOLLRDHUP
	case dialing, opening:
		want = unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLOUT | unix.EPOLLRDHUP
	case relaying:
		peer := s.peer()
		in, out := s.dir.splicing(), peer.dir.splicing()
		splicing = in || out
		if !in {
			want |= unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLRDHUP
		}
		if peer.dir.blocked && !out {
			want |= unix.EPOLLOUT
		}
	}
	var e unix.Errno
	switch listed := s.slot != noSlot; {
	case s.fd < 0 || listed && want&^s.interest == 0 && (!splicing || want == s.interest):
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

// detach removes an open side from its loop.
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

// watch makes epoll report the side's end, but not its data.
func (l *loop) watch(s *Side) {
	s.setUse(watched)
	if e := l.arm(s); e != 0 {
		s.setUse(unused) // not watched; it is probed before it is admitted
	} else if s.peerEnded {
		s.checkWaiter(l) // epoll has reported the end during the opening
	}
}

// setUse sets the use of a side that waits: the queue may probe it at any time.
func (s *Side) setUse(u use) {
	if s.connSide != nil {
		s.probing.Lock()
		defer s.probing.Unlock()
	}
	s.use = u
}

func (s *Side) checkWaiter(l *loop) {
	if end := s.rawProbe(); end != s.seen {
		s.seen = end
		l.notify(s.task, Event{Kind: PeerClosed, Side: s, End: end})
	}
}

func (s *Side) rawWatched() bool { return s.use == watched }

func (s *Side) rawProbe() End {
	switch {
	case s.fd < 0:
		return Open
	case s.has(sideReset):
		return Reset
	}
	if s.connSide == nil {
		return probe(uintptr(s.fd))
	}
	s.probing.Lock()
	defer s.probing.Unlock()
	over := s.overTLS()
	if over != nil {
		over.mu.Lock()
		defer over.mu.Unlock()
	}
	end := probe(uintptr(s.fd))
	switch {
	case end == HalfFIN && s.use == watched && s.isSecure():
		return s.readToEnd()
	case end == FIN && s.use == watched && over != nil && len(over.plain) > 0:
		return HalfFIN
	}
	return s.behindEarly(end)
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

// isItself reports whether a connection has reached itself: see notItself. It asks for
// the peer's address only if the ports are equal, which is rare.
func (s *Side) isItself() bool {
	own := s.rawLocal()
	if own.Port() != s.remote.Port() {
		return false
	}
	var at unix.RawSockaddrAny
	return getpeername(s.fd, &at) == 0 && addrPortOf(&at) == own
}

// becomeConn makes a raw side a net.Conn for good; no byte is lost. The opening's conn
// continues as that, under the layers over it. Without a free descriptor it becomes a
// closed connection.
func (s *Side) becomeConn() {
	local := s.rawLocal()
	c := s.takeConn()
	more := s.more()
	more.conn, more.local = c, local
	if more.secure != nil {
		over := &tlsConn{tls: more.secure}
		if was := s.overTLS(); was != nil {
			over = &was.tlsConn // with the bytes that it has read
		}
		over.Conn = c
		more.conn = over
	}
	if more.opening != nil {
		more.opening.Conn, more.opening = c, nil
	}
}

// takeConn makes a net.Conn of the descriptor, keeping its options.
func (s *Side) takeConn() (c net.Conn) {
	err := net.ErrClosed
	if s.fd >= 0 {
		s.detach()
		set := optionsOf(s.fd)
		f := os.NewFile(uintptr(s.fd), "")
		s.fd = -1
		c, err = net.FileConn(f)
		f.Close()
		if rc := rawConnOf(c); err == nil && rc != nil {
			rc.Control(set)
		}
	}
	if err != nil {
		c, _ = net.Pipe()
		c.Close()
	}
	return c
}
