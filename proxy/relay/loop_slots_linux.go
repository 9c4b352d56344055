package relay

import "golang.org/x/sys/unix"

// slots numbers what a loop has in epoll. epoll returns the number with a generation,
// since numbers and descriptors are reused while events for their former owners are
// still in the batch: without it one connection in a thousand got the end of another.
type slots struct {
	pages []*[slotsPerPage]slot // so that growing copies nothing
	used  int32
	free  []int32
}

const slotsPerPage = 256

type slot struct {
	handler    handler
	generation int32
}

// handler handles the events of a descriptor.
type handler interface{ onReady(l *loop, events uint32) }

func (s *slots) at(i int32) *slot { return &s.pages[i/slotsPerPage][i%slotsPerPage] }

func (s *slots) alloc(who handler) int32 {
	i := s.used
	if n := len(s.free); n > 0 {
		i = s.free[n-1]
		s.free = s.free[:n-1]
	} else {
		if i%slotsPerPage == 0 {
			s.pages = append(s.pages, new([slotsPerPage]slot))
		}
		s.used++
	}
	s.at(i).handler = who
	return i
}

func (s *slots) release(i int32) {
	at := s.at(i)
	at.handler = nil
	at.generation++
	s.free = append(s.free, i)
}

// handlerOf returns the handler of an event, nil if its slot was released since.
func (s *slots) handlerOf(ev *unix.EpollEvent) handler {
	if at := s.at(ev.Fd); at.generation == ev.Pad {
		return at.handler
	}
	return nil
}

// add adds fd to epoll, and returns its slot.
func (l *loop) add(fd int32, events uint32, who handler) (int32, unix.Errno) {
	i := l.slots.alloc(who)
	ev := unix.EpollEvent{Events: events, Fd: i, Pad: l.slots.at(i).generation}
	if e := epollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &ev); e != 0 {
		l.slots.release(i)
		return noSlot, e
	}
	return i, 0
}

func (l *loop) modify(fd int32, i int32, events uint32) unix.Errno {
	ev := unix.EpollEvent{Events: events, Fd: i, Pad: l.slots.at(i).generation}
	return epollCtl(l.epoll, unix.EPOLL_CTL_MOD, fd, &ev)
}

// remove is for a descriptor that stays open; closing one removes it, too.
func (l *loop) remove(fd int32, i int32) {
	epollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, new(unix.EpollEvent))
	l.slots.release(i)
}
