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

// loopListener is a listener in its loop. One loop accepts all its clients, and begins
// each one's task before it accepts the next, so that the queue has the order of
// arrival.
type loopListener struct {
	*Listener
	fd      int32 // -1 before begin
	slot    int32
	accept  func(*Side)
	path    *string // of a Unix socket
	from    unix.RawSockaddrAny
	timer   timer // for the next try after an error
	backoff time.Duration
	armed   bool // epoll reports clients
	drained bool // the kernel refuses new clients: close once the queue is empty
	shut    bool
	once    sync.Once
}

// maxAccepts bounds how many clients are accepted before other events are handled.
const maxAccepts = 64

func (r *Loop) Serve(l *Listener, accept func(*Side)) {
	if err := r.Start(); err != nil {
		l.report(err)
		return
	}
	ln := &loopListener{Listener: l, fd: -1, accept: accept, backoff: firstBackoff}
	on := r.loops[int(r.listeners.Add(1)-1)%len(r.loops)]
	switch err := ln.begin(on); {
	case LackOf(err) != "":
		on.inbox.post(message{do: func(on *loop) { ln.retryLater(on, err) }}, nil)
	case err != nil:
		l.report(err)
	}
}

// begin takes over the socket, and has the loop accept from it.
func (ln *loopListener) begin(on *loop) error {
	l := ln.Listener
	if err := l.takeOver(ln, on); err != nil {
		return err
	}
	if u, ok := l.Addr().(*net.UnixAddr); ok {
		ln.path = &u.Name
	}
	l.setInherited(int(ln.fd))
	if !on.inbox.post(message{do: ln.arm}, nil) {
		ln.release()
	}
	return nil
}

// arm asks epoll for clients. It is level-triggered: a client that is not
// accepted in this iteration is reported in the next.
func (ln *loopListener) arm(l *loop) {
	if ln.armed || ln.shut {
		return
	}
	slot, e := l.add(ln.fd, unix.EPOLLIN, ln)
	if e != 0 {
		ln.retryLater(l, os.NewSyscallError("epoll_ctl", e))
		return
	}
	ln.slot, ln.armed = slot, true
	if ln.drained {
		ln.onReady(l, 0) // epoll does not report an empty queue
	}
}

func (ln *loopListener) disarm(l *loop) {
	if ln.armed {
		l.remove(ln.fd, ln.slot)
		ln.armed = false
	}
}

func (ln *loopListener) onReady(l *loop, _ uint32) {
	for range maxAccepts {
		if free := ln.Share.Acquire(); free != nil {
			ln.disarm(l)
			ln.report(ErrBudget)
			ln.serving.Add(1)
			l.runner.goroutines.Add(1)
			go ln.waitShare(l, free)
			return
		}
		fd, e := acceptFrom(ln.fd, &ln.from)
		if e == 0 {
			ln.backoff = firstBackoff
			ln.accept(ln.newSide(l, fd))
			continue
		}
		ln.Share.Release()
		switch {
		case ln.drained && (e == unix.EAGAIN || e == unix.EINVAL): // a Unix socket that was shut down
			ln.Listener.closeNoWait()
			return
		case e == unix.EAGAIN, ln.isClosing(): // onClose comes: one that was draining is shut down before it
			return
		case !clientAborted(e):
			ln.retryLater(l, os.NewSyscallError("accept", e))
			return
		}
	}
	if ln.drained {
		l.inbox.post(message{do: ln.drain}, nil)
	}
}

// drain accepts the clients in the queue, and then closes.
func (ln *loopListener) drain(l *loop) {
	ln.drained = true
	if ln.armed {
		ln.onReady(l, 0)
	}
}

// retryLater accepts again after the backoff: this process lacks a resource.
func (ln *loopListener) retryLater(l *loop, err error) {
	ln.disarm(l)
	if ln.backoff == firstBackoff {
		ln.report(err)
	}
	l.timers.set(&ln.timer, l.now+int64(ln.backoff), ln)
	ln.backoff = min(2*ln.backoff, lastBackoff)
}

func (ln *loopListener) onTimer(l *loop) {
	if ln.fd >= 0 {
		ln.arm(l)
	} else if err := ln.begin(l); err != nil && !ln.isClosing() {
		ln.retryLater(l, err)
	}
}

// waitShare waits for a session to end; clients wait in the kernel's backlog.
func (ln *loopListener) waitShare(l *loop, free <-chan struct{}) {
	defer l.runner.goroutines.Done()
	defer ln.serving.Done()
	select {
	case <-ln.closing:
	case <-free:
		l.inbox.post(message{do: ln.arm}, nil)
	}
}

// onClose ends the listener in its loop.
func (ln *loopListener) onClose(l *loop) {
	ln.shut = true
	l.timers.stop(&ln.timer)
	ln.disarm(l)
	ln.release()
}

func (ln *loopListener) release() {
	ln.once.Do(func() {
		closeFD(ln.fd)
		ln.serving.Done()
		ln.markDone()
	})
}

func (ln *loopListener) newSide(l *loop, fd int32) *Side {
	s := &Side{remote: addrPortOf(&ln.from), path: ln.path, socket: socket{fd: fd, slot: noSlot, loop: l}}
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
