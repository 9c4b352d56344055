package relay

import (
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lot holds what is parked: an epoll of its own, which Go's poller watches
// like any other descriptor, so that it costs one goroutine and no thread.
// The zero value is ready.
type lot struct {
	mu        sync.Mutex
	epoll     *os.File
	fd        int // of epoll
	slots     slots
	attendant sync.WaitGroup
}

// open makes the epoll when it is first needed.
func (l *lot) open() bool {
	if l.epoll != nil {
		return true
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	if unix.SetNonblock(fd, true) != nil { // or Go would not watch it
		unix.Close(fd)
		return false
	}
	f := os.NewFile(uintptr(fd), "epoll")
	rc, err := f.SyscallConn()
	if err == nil {
		err = f.SetDeadline(time.Time{}) // which it says if it does not
	}
	if err != nil {
		f.Close()
		return false
	}
	l.epoll, l.fd = f, fd
	l.attendant.Add(1)
	go l.attend(rc)
	return true
}

// attend brings back whoever has something to read, until the lot is closed.
func (l *lot) attend(epoll syscall.RawConn) {
	defer l.attendant.Done()
	var events [128]unix.EpollEvent
	epoll.Read(func(fd uintptr) bool {
		for n := epollLook(int(fd), events[:]); n > 0; n = epollLook(int(fd), events[:]) {
			l.bringBack(events[:n])
		}
		return false
	})
}

func (l *lot) bringBack(events []unix.EpollEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		if s, ok := l.slots.whose(&events[i]).(*spot); ok {
			l.release(s)
		}
	}
}

// takes says whether a spot may be parked.
func (l *lot) takes(s *spot) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !s.stays
}

// park has epoll tell of the source. What came meanwhile is told at once.
func (l *lot) park(s *spot) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.stays = s.stays || !l.open(); s.stays {
		return false
	}
	socketOf(s.src).Control(func(fd uintptr) {
		s.slot, s.fd = l.slots.take(s), int32(fd)
		ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: s.slot, Pad: l.slots.at(s.slot).generation}
		if s.parked = epollCtl(l.fd, unix.EPOLL_CTL_ADD, s.fd, &ev) == 0; !s.parked {
			l.slots.give(s.slot)
		}
	})
	s.stays = !s.parked // it is closed, or the system has no room: no need to try again
	return s.parked
}

// fetch brings a spot back for good.
func (l *lot) fetch(s *spot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.stays = true
	if s.parked {
		l.release(s)
	}
}

// release starts the goroutine of what was parked. Its descriptor is open
// still, since nobody closes a side before endParking.
func (l *lot) release(s *spot) {
	s.parked = false
	epollCtl(l.fd, unix.EPOLL_CTL_DEL, s.fd, new(unix.EpollEvent))
	l.slots.give(s.slot)
	go s.pair.pump(s.src, s.dst)
}

func (l *lot) close() {
	l.mu.Lock()
	if l.epoll != nil {
		l.epoll.Close()
		l.epoll = nil
	}
	l.mu.Unlock()
	l.attendant.Wait()
}

// ready is a loop's way to tell; a lot has none.
func (s *spot) ready(*loop, uint32) {}

// socketOf is the socket to wait for before reading a side, nil where that is
// not all: TLS has bytes of its own.
func socketOf(s *Side) syscall.RawConn {
	if f, ok := s.conn.(Framed); ok {
		if !f.CanIdle() {
			return nil
		}
		return rawConnOf(f)
	}
	return spliceable(s.conn)
}
