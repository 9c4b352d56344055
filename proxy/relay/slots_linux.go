package relay

import "golang.org/x/sys/unix"

// slots numbers what a loop has in epoll. The number goes there with a
// generation, since both numbers and descriptors are used again while news of
// the old ones is still in the batch that is being read: without it, one
// connection in a thousand got another's end.
type slots struct {
	all  []slot
	free []int32
}

type slot struct {
	who        hearer
	generation int32
}

// hearer hears of a descriptor that is ready.
type hearer interface{ ready(l *loop, events uint32) }

func (s *slots) take(who hearer) int32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		s.all[i].who = who
		return i
	}
	s.all = append(s.all, slot{who: who})
	return int32(len(s.all) - 1)
}

func (s *slots) give(i int32) {
	s.all[i].who = nil
	s.all[i].generation++
	s.free = append(s.free, i)
}

// whose says whom an event is for; nil when he is gone.
func (s *slots) whose(ev *unix.EpollEvent) hearer {
	if at := &s.all[ev.Fd]; at.generation == ev.Pad {
		return at.who
	}
	return nil
}

// add has l hear of fd, and returns its slot.
func (l *loop) add(fd int32, events uint32, who hearer) (int32, unix.Errno) {
	i := l.slots.take(who)
	ev := unix.EpollEvent{Events: events, Fd: i, Pad: l.slots.all[i].generation}
	if e := epollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &ev); e != 0 {
		l.slots.give(i)
		return 0, e
	}
	return i, 0
}

func (l *loop) modify(fd int32, i int32, events uint32) unix.Errno {
	ev := unix.EpollEvent{Events: events, Fd: i, Pad: l.slots.all[i].generation}
	return epollCtl(l.epoll, unix.EPOLL_CTL_MOD, fd, &ev)
}

// remove is for a descriptor that stays open; closing one takes it out too.
func (l *loop) remove(fd int32, i int32) {
	epollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, new(unix.EpollEvent))
	l.slots.give(i)
}
