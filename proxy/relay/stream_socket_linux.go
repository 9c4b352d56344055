package relay

import (
	"os"

	"golang.org/x/sys/unix"
)

// unsent returns how many written bytes the peer has not acknowledged, also under TLS
// or frames.
func (s *Side) unsent() (n int) {
	if rc := rawConnOf(s.conn); rc != nil {
		rc.Control(func(fd uintptr) { n = unsentOf(int32(fd)) })
	}
	return n
}

// tcpState asks the kernel about a side that was read to its end.
func (s *Side) tcpState() (d tcpState) {
	if _, framed := s.conn.(Framed); framed && s.endedBy == nil {
		return d // its close frame was received
	}
	if rc := rawConnOf(s.conn); rc != nil {
		read := s.readBefore
		if read >= 0 {
			read += s.In()
		}
		rc.Control(func(fd uintptr) { d = tcpStateOf(int32(fd), read) })
	}
	return d
}

// keepUrgent keeps urgent data of a socket in its stream. An ordinary read would pass
// over the byte, as during an opening: in the middle of a PROXY header or a TLS record.
func keepUrgent(fd uintptr) { setInt(int32(fd), unix.SOL_SOCKET, unix.SO_OOBINLINE, 1) }

// prepare keeps urgent data in the side's stream, so that it is read in its place, and
// records how much was read of its socket before the relay.
func (s *Side) prepare() {
	s.readBefore = -1
	if rc := rawConnOf(s.conn); rc != nil && s.path == nil {
		rc.Control(func(fd uintptr) {
			keepUrgent(fd)
			if spliceable(s.conn) != nil { // so In counts exactly what is read of it from now on
				s.readBefore = readSoFar(int32(fd)) - int64(len(s.early))
			}
		})
	}
}

// writeUrgent writes a byte as urgent data.
func (s *Side) writeUrgent(b []byte) (n int, err error) {
	werr := spliceable(s.conn).Write(func(fd uintptr) bool {
		var e unix.Errno
		if n, e = send(int32(fd), b, true); e != 0 {
			err = os.NewSyscallError("send", e)
		}
		return e != unix.EAGAIN
	})
	if werr != nil {
		err = werr
	}
	return n, err
}

// awaitGone waits, after a side has ended, until it is reset or we end it, and reports
// whether it was reset: it then takes nothing more. For a Unix socket only a write
// finds out.
func (s *Side) awaitGone() bool {
	rc := rawConnOf(s.conn)
	if s.path != nil || rc == nil {
		return s.gone()
	}
	done, ok := s.awaits()
	if !ok {
		return s.gone()
	}
	defer done()
	rc.Read(func(fd uintptr) bool {
		if isClosed(int32(fd)) && !s.has(sideShut) { // in this order
			s.add(sideReset)
		}
		return s.has(sideShut) || s.has(sideReset)
	})
	return s.gone()
}
