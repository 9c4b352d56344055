package relay

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/proxy/internal/abort"
)

// Side is one end of a session: the connection of its client or its backend. It
// is a net.Conn or, in the loop runner, a raw descriptor. The session owns it
// from accept or dial to Close.
type Side struct {
	remote netip.AddrPort
	path   *string // of a Unix socket's listener or backend; nil for TCP

	in, out atomic.Int64 // bytes read from it, and written to it
	last    atomic.Int64 // when a byte was read from it, since start
	state                // how it ended, if it has
	heard                // what the kernel has reported

	*connSide // nil: a raw side without an opening
	socket
}

// heard is what the kernel has reported about a side. It is placed where it takes no
// extra memory.
type heard struct {
	hungUp   bool // the kernel has closed the connection
	urgent   bool // there may be urgent data: a short read may have stopped at it
	isUrgent bool // the last read returned the urgent byte
	observed bool // its task is an Observer that gets the data from it
}

// connSide is the part of a side that is a net.Conn, or that is raw and had an opening.
type connSide struct {
	conn    net.Conn     // nil: it is raw
	probing sync.Mutex   // of a raw side that waits: its loop and the queue may probe it at once
	opening *openingConn // of a raw side, until the relay begins, or beyond it with frames; nil: none
	local   netip.AddrPort
	early   []byte // read before the relay began; delivered first
	watch   *watch
	tls     *tls.Conn // nil: no TLS, or by a loop
	secure  *TLS      // of a raw side; nil: no TLS
	framed  *framed   // of a raw side; nil: no frames, or not by a loop

	secured bool // by Dial.Secure

	readBefore int64 // bytes read from its socket that In does not count; negative: unknown

	endedBy  error                        // error that ended reading; nil: an end of stream, or a close frame
	quiet    atomic.Pointer[quietRequest] // nil: no EndQuiet
	idleSlot *idleSlot                    // nil: never idle
	pace     *pace                        // nil: no limit
	limit    readLimit
	strict   func(endedBy error) (stall time.Duration, is bool) // nil: never
}

// start is the origin of the coarse clock of all sides.
var start = time.Now()

// NewSide returns a side for a connection, and owns the connection.
func NewSide(c net.Conn) *Side {
	s := &Side{connSide: &connSide{conn: c}}
	s.tls, _ = c.(*tls.Conn)
	name, own := "", ""
	s.remote, name = addrOf(c.RemoteAddr())
	s.local, own = addrOf(c.LocalAddr())
	if name == "" || name == "@" { // unnamed, like clients of a Unix socket
		name = own
	}
	if !s.remote.IsValid() {
		path := name // a copy; otherwise name would be on the heap for every side
		s.path = &path
	}
	s.touch()
	return s
}

// isRaw reports whether the side is a descriptor of a loop.
func (s *Side) isRaw() bool { return s.connSide == nil || s.conn == nil }

// OnStream reports whether only the stream runner can relay the side.
func (s *Side) OnStream() bool { return !s.isRaw() }

// more returns what a raw side has in addition to its descriptor.
func (s *Side) more() *connSide {
	if s.connSide == nil {
		s.connSide = &connSide{}
	}
	return s.connSide
}

func addrOf(a net.Addr) (netip.AddrPort, string) {
	switch a := a.(type) {
	case *net.TCPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), ""
	case *net.UnixAddr:
		return netip.AddrPort{}, a.Name
	case nil:
		return netip.AddrPort{}, ""
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}, a.String()
	}
	return ap, ""
}

// Remote returns the peer's address; not valid for a Unix socket.
func (s *Side) Remote() netip.AddrPort { return s.remote }

// Local returns the local address; not valid for a Unix socket. Call it only
// within the task's steps.
func (s *Side) Local() netip.AddrPort {
	if s.isRaw() {
		return s.rawLocal()
	}
	return s.local
}

// Name returns the peer's address for messages.
func (s *Side) Name() string {
	if s.remote.IsValid() {
		return s.remote.String()
	}
	if s.path == nil {
		return "unknown"
	}
	return "unix:" + *s.path
}

// In returns how many bytes were read from the side so far.
func (s *Side) In() int64 { return s.in.Load() }

// Out returns how many bytes were written to the side so far.
func (s *Side) Out() int64 { return s.out.Load() }

// LastRead returns when a byte was last read from the side; if none was, when the
// side was created.
func (s *Side) LastRead() time.Time { return start.Add(time.Duration(s.last.Load())) }

func (s *Side) touch() { s.last.Store(int64(time.Since(start))) }

// Observe passes all data from the side to its task, which must be an Observer.
// The data is then not spliced. Call it before Relay. A Framed side, or one that
// sends to a Framed side, cannot be observed.
func (s *Side) Observe() { s.observed = true }

// Watched reports whether Watch watches for the side's end.
func (s *Side) Watched() bool {
	if s.isRaw() {
		return s.rawWatched()
	}
	return s.watch != nil
}

// EndedBy returns the error that ended the side, if its connection is Framed or
// TLS; nil after a close frame or close_notify. It is valid from the side's Ended
// event on.
func (s *Side) EndedBy() error {
	if s.connSide == nil {
		return nil
	}
	return s.endedBy
}

// passEnd ends our half of the stream as the other side has ended its half. A truncated
// end is not announced to a side that speaks TLS, which could not detect it then.
func (s *Side) passEnd(how End, by error) {
	_, isTLS := s.conn.(*tlsConn)
	under := isTLS || s.tls != nil && s.conn == net.Conn(s.tls)
	if under && errors.Is(by, ErrTLSTruncated) {
		s.add(sideShut)
		closeWriteUnder(s.conn.(interface{ NetConn() net.Conn }))
		return
	}
	s.closeWriteAs(how)
}

// closeWriteAs ends our half of the stream as the other side has ended its half.
func (s *Side) closeWriteAs(end End) {
	s.add(sideShut)
	if c, ok := s.conn.(interface{ CloseGoing() error }); ok && end == Quiet {
		c.CloseGoing()
		return
	}
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
	if t, ok := s.conn.(*tls.Conn); ok { // that was its close_notify
		closeWriteUnder(t)
	}
}

// closeConn closes a net.Conn, with a reset if possible.
func (s *Side) closeConn(reset bool) {
	s.leaveIdle()
	s.pace.stop()
	if reset {
		abort.Close(s.conn)
	} else {
		s.conn.Close()
	}
}

// closeWriteUnder sends the FIN of the TCP connection under TLS, after its
// close_notify.
func closeWriteUnder(c interface{ NetConn() net.Conn }) {
	under := c.NetConn()
	for {
		switch c := under.(type) {
		case interface{ CloseWrite() error }:
			c.CloseWrite()
			return
		case interface{ NetConn() net.Conn }:
			under = c.NetConn()
		default:
			return
		}
	}
}
