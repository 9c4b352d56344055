package relay

import "time"

// recentConns queues backend connections that have no keep-alive yet. Setting it
// takes four system calls, and most sessions end long before the first probe
// would be sent; so it is set only after keepAliveAfter.
type recentConns struct {
	pieces [][]recentConn // in pieces, since growing one slice copies it each time
	timer  timer
}

const recentPerPiece = 256

type recentConn struct {
	at         int64
	slot       int32
	generation int32
	keepAlive  int32 // seconds, in the kernel's unit
}

// keepAliveEvery is how often connections older than keepAliveAfter are handled.
const (
	keepAliveAfter = int64(5 * time.Second)
	keepAliveEvery = int64(time.Second)
)

func (r *recentConns) add(l *loop, s *Side, sock Sock) {
	if s.slot == noSlot || sock.KeepAlive < 0 {
		return
	}
	if n := len(r.pieces); n == 0 || len(r.pieces[n-1]) == cap(r.pieces[n-1]) {
		r.pieces = append(r.pieces, make([]recentConn, 0, recentPerPiece))
	}
	piece := &r.pieces[len(r.pieces)-1]
	*piece = append(*piece, recentConn{l.now, s.slot, l.slots.at(s.slot).generation, seconds(sock.keepAlive().Idle)})
	if r.timer.index == 0 {
		l.timers.set(&r.timer, l.now+keepAliveAfter, r)
	}
}

func (r *recentConns) onTimer(l *loop) {
	for len(r.pieces) > 0 && r.setKeepAlives(l, &r.pieces[0]) {
		r.pieces = r.pieces[1:]
	}
	if len(r.pieces) > 0 {
		l.timers.set(&r.timer, l.now+keepAliveEvery, r)
	} else {
		r.pieces = nil
	}
}

// setKeepAlives sets the keep-alive of a piece's connections that are old enough,
// and reports whether that was all of them.
func (r *recentConns) setKeepAlives(l *loop, piece *[]recentConn) bool {
	for ; len(*piece) > 0; *piece = (*piece)[1:] {
		b := (*piece)[0]
		if b.at+keepAliveAfter > l.now {
			return false
		}
		if at := l.slots.at(b.slot); at.generation == b.generation {
			if s, ok := at.handler.(*Side); ok {
				Sock{KeepAlive: time.Duration(b.keepAlive) * time.Second}.setKeepAlive(s.fd)
			}
		}
	}
	return true
}
