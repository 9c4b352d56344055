package relay

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// door is a listener in its loop. One loop accepts all its clients and steps
// each into the queue before it takes the next: so the order in the queue is
// that of arrival.
type door struct {
	*Listener
	fd      int32
	slot    int32
	accept  func(*Side)
	path    *string // of a Unix socket
	from    unix.RawSockaddrAny
	alarm   alarm // the next try after an error
	backoff time.Duration
	open    bool // epoll tells of clients
	drained bool // no new ones come: it is closed once the queue is empty
	shut    bool
	over    sync.Once
}

// clientsATurn bounds how many are accepted before others are heard.
const clientsATurn = 64

func (r *Loop) Serve(l *Listener, accept func(*Side)) {
	if err := r.Start(); err != nil {
		l.trouble(err)
		return
	}
	d := &door{Listener: l, accept: accept, backoff: firstBackoff}
	home := r.loops[int(r.doors.Add(1)-1)%len(r.loops)]
	if err := l.takeOver(d, home); err != nil {
		l.trouble(err)
		return
	}
	if u, ok := l.Addr().(*net.UnixAddr); ok {
		d.path = &u.Name
	}
	if d.path == nil {
		// Each connection inherits it.
		l.Sock.outfit(d.fd)
		l.Sock.keepAliveOn(d.fd)
	}
	if !home.box.post(mail{do: d.arm}, nil) {
		d.end()
	}
}

// arm asks for news of clients. It is level-triggered: whoever is not accepted
// in this turn is told of in the next.
func (d *door) arm(l *loop) {
	if d.open || d.shut {
		return
	}
	slot, e := l.add(d.fd, unix.EPOLLIN, d)
	if e != 0 {
		d.rest(l, os.NewSyscallError("epoll_ctl", e))
		return
	}
	d.slot, d.open = slot, true
	if d.drained {
		d.ready(l, 0) // of an empty queue epoll tells nothing
	}
}

func (d *door) disarm(l *loop) {
	if d.open {
		l.remove(d.fd, d.slot)
		d.open = false
	}
}

func (d *door) ready(l *loop, _ uint32) {
	for range clientsATurn {
		if free := d.Share.Acquire(); free != nil {
			d.disarm(l)
			d.trouble(ErrBudget)
			d.serving.Add(1)
			l.run.aside.Add(1)
			go d.waitShare(l, free)
			return
		}
		fd, e := acceptFrom(d.fd, &d.from)
		if e == 0 {
			d.backoff = firstBackoff
			d.accept(d.newSide(l, fd))
			continue
		}
		d.Share.Release()
		switch {
		case d.drained && (e == unix.EAGAIN || e == unix.EINVAL): // a Unix socket that was shut down
			d.Listener.shut()
			return
		case e == unix.EAGAIN:
			return
		case !clientWentAway(e):
			d.rest(l, os.NewSyscallError("accept", e))
			return
		}
	}
	if d.drained {
		l.box.post(mail{do: d.drain}, nil)
	}
}

// drain accepts who has come, and then closes.
func (d *door) drain(l *loop) {
	d.drained = true
	if d.open {
		d.ready(l, 0)
	}
}

// rest tries again a little later: it is the process that lacks something.
func (d *door) rest(l *loop, err error) {
	d.disarm(l)
	if d.backoff == firstBackoff {
		d.trouble(err)
	}
	l.alarms.set(&d.alarm, l.now+int64(d.backoff), d)
	d.backoff = min(2*d.backoff, lastBackoff)
}

func (d *door) ring(l *loop) { d.arm(l) }

// waitShare waits for a session to end, while clients stand in the kernel's
// backlog.
func (d *door) waitShare(l *loop, free <-chan struct{}) {
	defer l.run.aside.Done()
	defer d.serving.Done()
	select {
	case <-d.closing:
	case <-free:
		l.box.post(mail{do: d.arm}, nil)
	}
}

// closed is the last that the loop does with a door.
func (d *door) closed(l *loop) {
	d.shut = true
	l.alarms.drop(&d.alarm)
	d.disarm(l)
	d.end()
}

func (d *door) end() {
	d.over.Do(func() {
		closeFD(d.fd)
		d.serving.Done()
		d.ended()
	})
}

func (d *door) newSide(l *loop, fd int32) *Side {
	s := &Side{remote: addrPortOf(&d.from), path: d.path, socket: socket{fd: fd, slot: noSlot, home: l}}
	s.last.Store(l.now)
	return s
}

func addrPortOf(from *unix.RawSockaddrAny) netip.AddrPort {
	switch from.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), netOrder(a.Port))
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(from))
		addr := netip.AddrFrom16(a.Addr).Unmap()
		if a.Scope_id != 0 && addr.Is6() {
			addr = addr.WithZone(strconv.Itoa(int(a.Scope_id)))
		}
		return netip.AddrPortFrom(addr, netOrder(a.Port))
	}
	return netip.AddrPort{}
}

// netOrder turns a port between the machine's order and the network's.
func netOrder(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}
