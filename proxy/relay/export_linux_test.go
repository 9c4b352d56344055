package relay

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// Idle reports whether the side is in the idle set, without a goroutine that waits for
// it.
func (s *Side) Idle() bool {
	l := &s.idleSlot.relay.runner.idle
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.idleSlot.inSet
}

// IsItself reports whether the loop recognizes a connected socket as one that has
// reached itself.
func IsItself(fd int, to netip.AddrPort) bool {
	return (&Side{remote: to, socket: socket{fd: int32(fd)}}).isItself()
}

// FINReceived reports whether the kernel says that a closed socket, from which read
// bytes were read, has received a FIN; known is false if the kernel does not say.
func FINReceived(fd int, read int64) (received, known bool) {
	d := tcpStateOf(int32(fd), read)
	return d.fin == finReceived, d.fin != finUnknown
}

// ReadSoFar returns the kernel's count of bytes read from a socket.
func ReadSoFar(fd int) int64 { return readSoFar(int32(fd)) }

// BecomeConn makes a side a net.Conn for good, if it is raw.
func BecomeConn(s *Side) net.Conn {
	if s.isRaw() {
		s.becomeConn()
	}
	return s.conn
}

// UsePipes makes the next splicers use pipes of these sizes, in bytes, in this order.
func (r *Loop) UsePipes(t testing.TB, sizes ...int) {
	for _, size := range sizes {
		p := r.pipes.get()
		if p == nil {
			t.Skip("there are no pipes")
		}
		var err error
		if p.size, err = unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, size); err != nil {
			t.Fatal(err)
		}
		defer r.pipes.put(p, true)
	}
}
