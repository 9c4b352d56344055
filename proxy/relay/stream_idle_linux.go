package relay

import (
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// idleSet keeps idle directions in an epoll of its own. Go's poller watches that epoll
// like any descriptor, so the set costs one goroutine and no thread. The zero value is
// ready.
type idleSet struct {
	mu    sync.Mutex
	epoll *os.File
	fd    int // of epoll
	slots slots
	wg    sync.WaitGroup
}

// open makes the epoll instance when it is first needed.
func (l *idleSet) open() bool {
	if l.epoll != nil {
		return true
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	if unix.SetNonblock(fd, true) != nil { // otherwise Go's poller would not watch it
		unix.Close(fd)
		return false
	}
	f := os.NewFile(uintptr(fd), "epoll")
	rc, err := f.SyscallConn()
	if err == nil {
		err = f.SetDeadline(time.Time{}) // fails if Go's poller does not watch it
	}
	if err != nil {
		f.Close()
		return false
	}
	l.epoll, l.fd = f, fd
	l.wg.Add(1)
	go l.wait(rc)
	return true
}

// wait wakes directions that have something to read, until the set is closed.
func (l *idleSet) wait(epoll syscall.RawConn) {
	defer l.wg.Done()
	var events [128]unix.EpollEvent
	epoll.Read(func(fd uintptr) bool {
		for n := epollPoll(int(fd), events[:]); n > 0; n = epollPoll(int(fd), events[:]) {
			l.wakeAll(events[:n])
		}
		return false
	})
}

func (l *idleSet) wakeAll(events []unix.EpollEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		if slot, ok := l.slots.handlerOf(&events[i]).(*idleSlot); ok {
			l.wake(slot)
		}
	}
}

// allows reports whether a slot may be added.
func (l *idleSet) allows(slot *idleSlot) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slot.excluded
}

// add makes epoll watch the slot's source; if that is already readable, epoll reports
// it at once.
func (l *idleSet) add(slot *idleSlot) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slot.excluded = slot.excluded || !l.open(); slot.excluded {
		return false
	}
	socketOf(slot.src).Control(func(fd uintptr) {
		slot.slot, slot.fd = l.slots.alloc(slot), int32(fd)
		ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: slot.slot, Pad: l.slots.at(slot.slot).generation}
		if slot.inSet = epollCtl(l.fd, unix.EPOLL_CTL_ADD, slot.fd, &ev) == 0; !slot.inSet {
			l.slots.release(slot.slot)
		}
	})
	slot.excluded = !slot.inSet // closed, or epoll has no room: do not try again
	return slot.inSet
}

// exclude removes a slot from the set for good, and wakes it.
func (l *idleSet) exclude(slot *idleSlot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slot.excluded = true
	if slot.inSet {
		l.wake(slot)
	}
}

// wake starts the goroutine of an idle direction. Its descriptor is still open:
// a side is closed only after leaveIdle.
func (l *idleSet) wake(slot *idleSlot) {
	slot.inSet = false
	epollCtl(l.fd, unix.EPOLL_CTL_DEL, slot.fd, new(unix.EpollEvent))
	l.slots.release(slot.slot)
	go slot.relay.run(slot.src, slot.dst)
}

func (l *idleSet) close() {
	l.mu.Lock()
	if l.epoll != nil {
		l.epoll.Close()
		l.epoll = nil
	}
	l.mu.Unlock()
	l.wg.Wait()
}

// onReady makes idleSlot a handler; only a loop calls it.
func (slot *idleSlot) onReady(*loop, uint32) {}

// socketOf returns the socket to wait on before reading a side, or nil if the socket
// does not show everything that there is to read: TLS buffers bytes.
func socketOf(s *Side) syscall.RawConn {
	if f, ok := s.conn.(Framed); ok {
		if !f.CanIdle() {
			return nil
		}
		return rawConnOf(f)
	}
	return spliceable(s.conn)
}
